//! Standard output and standard error.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use ls_train::run_dir::{HistoryTable, Summary, penalty_path};

use super::summary;
use crate::failure::Failure;

/// The amount of messages on standard error beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Quiet,
    Normal,
    Verbose,
}

impl Level {
    /// Reads the level from the two options.
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Verbose,
            (false, false) => Self::Normal,
        }
    }
}

/// Standard output and standard error.
#[derive(Clone, Copy)]
pub(crate) struct Ui {
    level: Level,
    stdout_is_terminal: bool,
}

impl Ui {
    /// Opens the streams of this process.
    pub(crate) fn new(level: Level) -> Self {
        Self {
            level,
            stdout_is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Returns whether standard output is a terminal, so that a full-screen dashboard has a screen.
    pub(crate) fn has_screen(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Returns whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.level == Level::Quiet
    }

    /// Writes an error with its hint.
    pub(crate) fn failure(&self, failure: &Failure) {
        // A closed standard error has no reader.
        let _ = writeln!(io::stderr(), "error: {}", printable(&failure.to_string()));
        if let Some(hint) = failure.hint_text() {
            let _ = writeln!(io::stderr(), "hint: {}", printable(hint));
        }
    }

    /// Writes a remark that does not belong to the result.
    pub(crate) fn note(&self, text: &str) {
        if self.level >= Level::Normal {
            let _ = writeln!(io::stderr(), "note: {}", printable(text));
        }
    }

    /// Writes a remark for `--verbose`.
    pub(crate) fn detail(&self, text: &str) {
        if self.level >= Level::Verbose {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Writes a line about the progress of long work.
    pub(crate) fn progress(&self, text: &str) {
        if self.level >= Level::Normal {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Writes the result for a program.
    pub(crate) fn json(&self, result: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(result)
            .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
        self.text(&(text + "\n"))
    }

    /// Writes a result that is text already. A closed pipe is not a failure: its reader has seen enough.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes a result that need not be text.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {error}"
            ))),
            _ => Ok(()),
        }
    }

    /// Writes the result of a run for a person.
    pub(crate) fn summary(&self, summary: &Summary, run: &Path) -> Result<(), Failure> {
        let path = penalty_path(&HistoryTable::read(run)?);
        let text = summary::text(summary, run, &path);
        // The empty line separates it from the lines of the sweeps.
        self.text(if self.is_quiet() {
            text.trim_start()
        } else {
            &text
        })
    }
}

/// Returns a text with its control characters escaped: a damaged file or an odd name, which a message quotes, must not steer a terminal.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
