//! All that a user reads: the only file that prints.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use ls_datasets::download::DownloadProgress;
use ls_train::memory::bytes;
use ls_train::run_dir::{RunDir, Summary};

use crate::failure::Failure;

/// How much is said on standard error beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Quiet,
    Normal,
    Verbose,
}

impl Level {
    pub(crate) fn of(quiet: bool, verbose: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Verbose,
            (false, false) => Self::Normal,
        }
    }
}

/// Standard output and standard error.
pub(crate) struct Ui {
    level: Level,
    stdout_is_terminal: bool,
}

impl Ui {
    pub(crate) fn new(level: Level) -> Self {
        Self {
            level,
            stdout_is_terminal: io::stdout().is_terminal(),
        }
    }

    /// Whether a full-screen dashboard has a screen.
    pub(crate) fn has_screen(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.level == Level::Quiet
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "error: {failure}");
        if let Some(hint) = failure.hint_text() {
            let _ = writeln!(io::stderr(), "hint: {hint}");
        }
    }

    /// A remark that does not belong to the result.
    pub(crate) fn note(&self, text: &str) {
        if self.level >= Level::Normal {
            let _ = writeln!(io::stderr(), "note: {text}");
        }
    }

    /// A remark that only few want.
    pub(crate) fn detail(&self, text: &str) {
        if self.level >= Level::Verbose {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A line on long work.
    pub(crate) fn progress(&self, text: &str) {
        if self.level >= Level::Normal {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The result, for a program.
    pub(crate) fn json(&self, result: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(result)
            .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
        self.text(&(text + "\n"))
    }

    /// A result that is text already. A closed pipe is no failure: its reader has seen enough.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {error}"
            ))),
            _ => Ok(()),
        }
    }

    /// The result of a run, for a person.
    pub(crate) fn summary(&self, summary: &Summary, run: &RunDir) -> Result<(), Failure> {
        let text = summary_text(summary, run);
        // The empty line parts it from the lines of the sweeps.
        self.text(if self.is_quiet() {
            text.trim_start()
        } else {
            &text
        })
    }
}

/// A download as it goes: a bar on a terminal, a line for each quarter of a file elsewhere.
pub(crate) struct DownloadView<'a> {
    ui: &'a Ui,
    stderr_is_terminal: bool,
    bar: Option<ProgressBar>,
    /// Quarters of the present file that have been told, and from which host.
    told: Option<(String, u64)>,
}

impl<'a> DownloadView<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            stderr_is_terminal: io::stderr().is_terminal(),
            bar: None,
            told: None,
        }
    }

    pub(crate) fn show(&mut self, progress: DownloadProgress<'_>) {
        match progress {
            DownloadProgress::Receiving {
                file,
                host,
                received,
                size,
            } if self.stderr_is_terminal => {
                let title = || format!("{file} from {host}");
                let bar = self.bar.get_or_insert_with(|| bar(title(), size));
                bar.set_position(received);
            }
            DownloadProgress::Receiving {
                file,
                host,
                received,
                size,
            } => self.tell(file, host, received, size),
            DownloadProgress::Present { file } => self.end(&format!("{file} is there already")),
            DownloadProgress::Failed { file, host, reason } => {
                self.end(&format!("{file} from {host} failed: {reason}"));
            }
            DownloadProgress::Done { file } => self.end(&format!("{file} is complete")),
            _ => {}
        }
    }

    fn tell(&mut self, file: &str, host: &str, received: u64, size: u64) {
        let now = Some((host.to_owned(), 4 * received / size.max(1)));
        // The end is told once the sum has been checked.
        if self.told != now && received < size {
            let (received, size) = (bytes(received), bytes(size));
            self.ui
                .progress(&format!("{file} from {host}: {received} of {size}"));
            self.told = now;
        }
    }

    fn end(&mut self, line: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.told = None;
        self.ui.progress(line);
    }
}

fn bar(title: String, size: u64) -> ProgressBar {
    let template = "{msg}  {bar:24}  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(size).with_message(title);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn summary_text(summary: &Summary, run: &RunDir) -> String {
    let (train, test) = (&summary.train, &summary.test);
    let mut text = format!(
        "\n{} on {}: {} after {} sweeps and {:.1} s ({})\n",
        summary.method,
        summary.dataset,
        summary.model,
        summary.sweeps,
        summary.seconds,
        summary.stop.name()
    );
    text += &format!("  original loss   {:>10}\n", figure(train.original_loss));
    if let Some(certificate) = train.certificate {
        text += &format!("  certificate     {:>10}\n", figure(certificate));
    }
    if let Some(reason) = &train.certificate_reason {
        text += &format!("  certificate     {:>10}: {reason}\n", "none");
    }
    if let Some(separated) = train.separated_loss {
        text += &format!("  separated loss  {:>10}\n", figure(separated));
    }
    text += &format!(
        "  accuracy        {:>9.2}% train, {:.2}% test\n",
        100.0 * train.accuracy,
        100.0 * test.accuracy
    );
    if let Some(validation) = &summary.validation {
        text += &format!(
            "  validation      {:>9.2}%, loss {}; the weights are those of sweep {}\n",
            100.0 * validation.accuracy,
            figure(validation.original_loss),
            summary.kept_sweep
        );
    }
    text + &format!("run folder: {}\n", run.path().display())
}

fn figure(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        format!("{value:.3e}")
    } else {
        format!("{value:.5}")
    }
}
