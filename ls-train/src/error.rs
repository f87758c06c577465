//! What can stop a run.

use std::path::PathBuf;

/// Result with this crate's [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

/// An error of `ls-train`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is impossible.
    #[error("{field} = {value} is not possible: {allowed}")]
    InvalidConfig {
        /// Name of the setting, as in the configuration file.
        field: &'static str,
        /// The value found.
        value: String,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A configuration cannot be read.
    #[error("the configuration cannot be read: {0}")]
    Config(String),
    /// A file of a run has another version.
    #[error("{} has schema version {found}, and this program reads version 3; train the run anew, or use the program that wrote it", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// The history of a run lacks the sweep whose weights are kept.
    #[error("history.csv has no row of sweep {sweep}, whose weights are kept")]
    Summary {
        /// Number of the sweep.
        sweep: usize,
    },
    /// A network is known by name only.
    #[error("only the application that made the network `{name}` can make it again")]
    ApplicationNetwork {
        /// Name that the application gave it.
        name: String,
    },
    /// A method is known by name only.
    #[error("only the application that made the method `{name}` can run it")]
    ApplicationMethod {
        /// Name that the application gave it.
        name: String,
    },
    /// A full-screen view found no terminal that it could take over.
    #[error("the terminal cannot be taken over: {reason}")]
    Terminal {
        /// What the system said.
        reason: String,
    },
    /// The dashboard was closed.
    #[error("the dashboard was closed, which ends the run at once")]
    DashboardClosed,
    /// The mathematics failed.
    #[error(transparent)]
    Core(#[from] ls_core::Error),
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] ls_datasets::Error),
    /// The data of a run are known by name only.
    #[error("only the application that made the data `{name}` can load them again")]
    ApplicationData {
        /// What the application calls them.
        name: String,
    },
    /// A network that was trained on the numbers of an application was given pixels.
    #[error("the network was trained on numbers that an application made, not on pixels")]
    NoPixels,
    /// A sample of an application cannot be trained on.
    #[error("sample {sample} of the {split} split: {reason}")]
    InvalidSample {
        /// `training` or `test`.
        split: &'static str,
        /// Index in the split, from 0.
        sample: usize,
        /// What is wrong with it, in words.
        reason: String,
    },
    /// Network, samples and session are on different devices.
    #[error("{what} is on {found}, and the session computes on {expected}")]
    OtherDevice {
        /// What is elsewhere: the network, or a split.
        what: &'static str,
        /// Its device, as Burn writes it.
        found: String,
        /// The session's.
        expected: String,
    },
    /// Network or samples are in other numbers than those that the device makes.
    #[error("{what} is in {found}, and the session's device computes in {expected}")]
    OtherPrecision {
        /// What is in another precision: the network, or a split.
        what: &'static str,
        /// Its numbers.
        found: &'static str,
        /// Those of the device.
        expected: &'static str,
    },
    /// A device computes in other numbers than planned.
    #[error(
        "precision = {planned} is not possible: the device computes in {found} already; plan {found}, or set the device's precision \
         before its first tensor"
    )]
    PrecisionFixed {
        /// [`RunConfig::precision`](crate::config::RunConfig::precision), or what the device was to be set to.
        planned: &'static str,
        /// The numbers of the device.
        found: &'static str,
    },
    /// Splits were made by another plan than the one that trains on them.
    #[error(
        "{field} was {found} when the splits were made, and is {planned} in the plan that trains; make them by the same plan"
    )]
    OtherPlan {
        /// Name of the setting, as in the configuration file.
        field: &'static str,
        /// What the splits were made by.
        found: String,
        /// What the plan says.
        planned: String,
    },
    /// A file of the run folder could not be written or read.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file of the run folder could not be written for a failure of the disk, such as one that is full.
    #[error("cannot {action} {}: {reason}", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The run folder holds a run already.
    #[error("{} holds a run already; choose another folder, --resume it, or --overwrite it", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{} holds `{file}`, which is not of a run; choose a new folder or an empty one", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// One of its files.
        file: String,
    },
    /// The folder holds the results of a comparison already.
    #[error("{} holds results already: `{file}`; choose another folder", path.display())]
    ResultsExist {
        /// The folder.
        path: PathBuf,
        /// A file that would be replaced.
        file: &'static str,
    },
    /// A run that is to go on has ended, and nothing more is asked of it.
    #[error("{} has ended: {reason}", path.display())]
    RunEnded {
        /// The folder.
        path: PathBuf,
        /// The limit that it has reached, and how to go further, in words.
        reason: String,
        /// Remarks on damaged files of its folds, which have been restored; otherwise nothing was changed.
        notes: Vec<String>,
    },
    /// There is no run.
    #[error("{} holds no run: there is no config.toml", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A run has not got as far as to have weights.
    #[error("{} holds no weights yet; let the run go on to its first checkpoint, with `train --resume` if it was stopped", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works in the run folder.
    #[error("{} is in use by another process", path.display())]
    RunLocked {
        /// The folder.
        path: PathBuf,
    },
    /// A checkpoint cannot be gone on with.
    #[error("cannot resume from {}: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong, in words.
        reason: String,
    },
    /// burn-train refused an event.
    #[error("burn-train: {0}")]
    BurnTrain(String),
    /// An experiment was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Wraps what the file system or an encoder said.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
        reason: impl ToString,
    ) -> Self {
        Self::File {
            action,
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}
