//! The options of a run's folder, its checkpoints and its display.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ls_train::Start;
use ls_train::observe::CheckpointRule;

use super::values::count;

/// The options of a run's folder, its checkpoints and its display.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct SessionArgs {
    /// Run folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Replace the run that the folder holds
    #[arg(long, requires = "run")]
    overwrite: bool,
    /// Resume the run in DIR from its last checkpoint; a larger --sweeps continues beyond its old end
    #[arg(long, value_name = "DIR", conflicts_with = "run")]
    resume: Option<PathBuf>,
    /// Write a checkpoint after every N sweeps [default: as often as takes a twentieth of the time, and at the end]
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    checkpoint_every: Option<u64>,
    /// Number of checkpoints that stay
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = count::<u64>())]
    keep: u64,
    /// Display of the progress; `auto` is `losses` on a terminal and `plain` elsewhere
    #[arg(long, value_enum, default_value_t = Display::Auto)]
    pub(crate) dashboard: Display,
    /// Start even if the run seems too large for the memory
    #[arg(long)]
    pub(crate) ignore_memory: bool,
}

/// How a run shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Display {
    Auto,
    /// Full screen: the losses on one chart, residuals, figures
    Losses,
    /// Full screen: every figure on a chart of its own, by burn-train
    Tui,
    /// A line per sweep
    Plain,
    None,
}

impl SessionArgs {
    /// Returns the folder of the run to resume.
    pub(crate) fn resume(&self) -> Option<&Path> {
        self.resume.as_deref()
    }

    /// Returns the named folder with the way to start in it; `None` where the run gets a new folder.
    pub(crate) fn start(&self) -> Option<(PathBuf, Start)> {
        match (&self.resume, &self.run) {
            (Some(run), _) => Some((run.clone(), Start::Resume)),
            (None, Some(run)) if self.overwrite => Some((run.clone(), Start::Overwrite)),
            (None, Some(run)) => Some((run.clone(), Start::New)),
            (None, None) => None,
        }
    }

    /// Returns the rule that says when to write checkpoints.
    pub(crate) fn checkpoints(&self) -> CheckpointRule {
        match self.checkpoint_every {
            Some(sweeps) => CheckpointRule::Every(number(sweeps)),
            None => CheckpointRule::Economical,
        }
    }

    /// Returns the number of checkpoints that stay.
    pub(crate) fn keep(&self) -> usize {
        number(self.keep)
    }
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
