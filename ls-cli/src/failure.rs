//! The reason why a command failed: one line, a hint for the user, and an exit code.

use core::any::Any;
use core::fmt;
use std::process::ExitCode;

use ls_datasets::Source;

/// Exit code of a command that failed on the way.
pub(crate) const FAILED: u8 = 1;

/// Exit code of a command that could not start, because of a wrong option or file.
pub(crate) const COULD_NOT_RUN: u8 = 2;

/// Exit code of an interrupted command, as shells expect it after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// The reason why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Makes a failure with exit code 2.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code: COULD_NOT_RUN,
        }
    }

    /// Adds a hint that the user can act on.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Turns a panic into an internal error. Burn reports missing drivers by panicking.
    pub(crate) fn from_panic(cause: &(dyn Any + Send)) -> Self {
        let text = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied())
            .unwrap_or("no cause given");
        let line = text.lines().next().unwrap_or_default();
        Self {
            code: FAILED,
            ..Self::new(format!("internal error: {line}"))
                .hint("on a GPU, check that its driver is installed; else please report this")
        }
    }

    /// Makes a failure with exit code 1 for a worker that is gone, and the reason.
    pub(crate) fn lost_worker(name: &str, reason: &str) -> Self {
        Self {
            code: FAILED,
            ..Self::new(format!("worker `{name}` {reason}"))
        }
    }

    /// Returns whether the failure came on the way, after the command could start.
    pub(crate) fn is_late(&self) -> bool {
        self.code == FAILED
    }

    /// Returns the exit code of the process.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Returns the hint.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ls_train::Error> for Failure {
    fn from(error: ls_train::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ls_train::Error::RunExists { .. } => {
                failure.hint("leave out --run to get a new folder under runs/")
            }
            ls_train::Error::Data(ls_datasets::Error::FolderNeeded { dataset, .. }) => {
                failure.hint(folder_hint(dataset))
            }
            ls_train::Error::Data(ls_datasets::Error::DownloadFailed { .. }) => {
                failure.hint("name another address with --mirror URL")
            }
            ls_train::Error::ApplicationNetwork { .. }
            | ls_train::Error::ApplicationMethod { .. }
            | ls_train::Error::ApplicationData { .. } => {
                failure.hint("train, resume and evaluate such a run in its application; `layersep report` shows its figures")
            }
            ls_train::Error::Core(
                ls_core::Error::NotFinite { .. }
                | ls_core::Error::NotPositiveDefinite(_)
                | ls_core::Error::Device(_),
            )
            | ls_train::Error::BurnTrain(_)
            | ls_train::Error::Disk { .. } => Self {
                code: FAILED,
                ..failure
            },
            ls_train::Error::Interrupted => Self {
                code: INTERRUPTED,
                ..failure
            },
            ls_train::Error::Terminal { .. } => failure.hint("--dashboard plain writes lines"),
            ls_train::Error::DashboardClosed => Self {
                code: INTERRUPTED,
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<ls_datasets::Error> for Failure {
    fn from(error: ls_datasets::Error) -> Self {
        ls_train::Error::from(error).into()
    }
}

/// Says how to get the folder of a data set.
fn folder_hint(dataset: &str) -> String {
    let source = dataset.parse::<Source>().ok();
    match source.and_then(Source::distribution) {
        Some(_) => format!(
            "get the files with `layersep data download {dataset}`, or name a folder that has them with --data-dir DIR"
        ),
        None => "name it with --data-dir DIR".into(),
    }
}
