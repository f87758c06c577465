//! What a run leaves behind.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.toml` | the complete configuration |
//! | `history.csv` | one row per sweep, written as it ends |
//! | `model.bpk` | the weights, in Burn's own format; auxiliary variables stay out of it |
//! | `preprocessing.toml` | what the network does to pixels before it sees them, and the names of its classes |
//! | `fingerprint.toml` | what tells the data from other data |
//! | `summary.json` | the figures of the weights, their checksum, and why the run ended |
//! | `checkpoints/` | the last complete checkpoints, see [`Checkpoint`] |
//! | `logs/` | burn-train's metric logs and its application log |
//! | `folds/` | the runs of the folds, where the weight decay was chosen by cross-validation |

pub(crate) mod burnpack;
mod checkpoint;
mod columns;
mod cross_validation;
mod end;
mod history_table;
mod ownership;
mod penalty_path;
mod summary;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub use checkpoint::{Checkpoint, CheckpointContents, Checkpoints};
pub use columns::{Column, SECONDS, SWEEP};
pub use cross_validation::{CrossValidation, DecayFigures};
pub use history_table::HistoryTable;
#[cfg(all(test, feature = "export"))]
pub(crate) use ownership::is_derived;
pub use penalty_path::{PathPoint, penalty_path};
pub use summary::{RunFacts, SplitFigures, Summary, SummaryValue};

use crate::config::{RunConfig, ensure_schema};
use crate::data::{Fingerprint, Preprocessing};
use crate::{Error, Result, files};

/// What a run puts into its folder, by which a run is recognized.
const FILES: [&str; 6] = [CONFIG, FINGERPRINT, HISTORY, MODEL, PREPROCESSING, SUMMARY];

/// Name of a report inside the folder of its run.
pub const REPORT_FILE: &str = "report.html";

/// Name of an export in safetensors inside the folder of its run.
pub const SAFETENSORS_FILE: &str = "model.safetensors";

/// Beginning of the names of all other exports inside the folder of their run.
pub const EXPORT_PREFIX: &str = "model-export.";

/// Sub-folders of a run, beside that of its folds, which are runs themselves.
const FOLDERS: [&str; 2] = ["checkpoints", "logs"];

/// The file that the process which works in a folder holds.
const LOCK: &str = "lock";

const CONFIG: &str = "config.toml";
const FINGERPRINT: &str = "fingerprint.toml";
const HISTORY: &str = "history.csv";
const MODEL: &str = "model.bpk";
const PREPROCESSING: &str = "preprocessing.toml";
const SUMMARY: &str = "summary.json";

/// A folder with one run. As long as it is there, no other process can work in it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Name of the sub-folder with the runs of the folds.
    pub const FOLDS: &str = "folds";

    /// Makes a new run folder and writes the configuration into it.
    ///
    /// # Errors
    /// [`Error::RunExists`] when it holds a run already and is not to be overwritten, [`Error::NotARun`] when it holds something
    /// else, [`Error::RunLocked`] when another process works in it, [`Error::File`] when it cannot be written.
    pub fn create(path: &Path, config: &RunConfig, overwrite: bool) -> Result<Self> {
        ownership::ensure_no_foreign_files(path)?;
        // Locked before it is looked at: another process may be about to make a run here.
        let run = Self::lock(path)?;
        for file in FILES.map(|name| path.join(name)) {
            if files::exists(&file)? && !overwrite {
                return Err(Error::RunExists { path: path.into() });
            }
        }
        // Before the configuration: without one a folder of this name is taken for somebody's data.
        files::remove_folder(&path.join(Self::FOLDS))?;
        ownership::remove_files(path)?;
        for folder in FOLDERS.map(|name| path.join(name)) {
            files::remove_folder(&folder)?;
        }
        run.make_logs()?;
        run.save_config(config)?;
        Ok(run)
    }

    /// What the run in a folder did to its pixels.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read_preprocessing(path: &Path) -> Result<Preprocessing> {
        let file = path.join(PREPROCESSING);
        let failed = |reason: String| Error::file("read", &file, reason);
        let text = files::read_text(&file).map_err(|error| failed(error.to_string()))?;
        let found: Preprocessing =
            toml::from_str(&text).map_err(|error| failed(error.message().to_owned()))?;
        found.check().map_err(|reason| failed(reason.into()))?;
        Ok(found)
    }

    /// The summary of the run in a folder.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, as that of a run that has not ended.
    pub fn read_summary(path: &Path) -> Result<Summary> {
        let file = path.join(SUMMARY);
        let failed = |reason: String| Error::file("read", &file, reason);
        let text = files::read_text(&file).map_err(|error| failed(error.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        ensure_schema(&file, value["schema"].as_i64())?;
        serde_json::from_value(value).map_err(|error| failed(error.to_string()))
    }

    /// Opens the folder of a run that goes on.
    ///
    /// # Errors
    /// [`Error::NoRun`] when there is none, [`Error::RunLocked`] when another process works in it, [`Error::File`] when it cannot be
    /// read or written.
    pub fn open(path: &Path) -> Result<Self> {
        if !Self::is_begun(path)? {
            return Err(Error::NoRun { path: path.into() });
        }
        let run = Self::lock(path)?;
        ownership::remove_drafts(path)?;
        run.make_logs()?;
        Ok(run)
    }

    /// The configuration of the run in a folder.
    ///
    /// # Errors
    /// [`Error::NoRun`] when there is none, [`Error::File`] when it cannot be understood.
    pub fn read_config(path: &Path) -> Result<RunConfig> {
        match Self::is_begun(path)? {
            true => RunConfig::read(&path.join(CONFIG)),
            false => Err(Error::NoRun { path: path.into() }),
        }
    }

    fn lock(path: &Path) -> Result<Self> {
        files::create_folder(path)?;
        let file = path.join(LOCK);
        let failed = |error: std::io::Error| Error::file("lock", &file, error);
        // To open a pipe would wait for somebody who reads it.
        let place = files::replaceable(&file).map_err(failed)?;
        let lock = File::create(place).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.into(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::RunLocked { path: path.into() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn make_logs(&self) -> Result<()> {
        files::create_folder(&self.logs())
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_config(&self, config: &RunConfig) -> Result<()> {
        let path = self.path.join(CONFIG);
        let text =
            toml::to_string_pretty(config).map_err(|error| Error::file("write", &path, error))?;
        files::write(&path, text.as_bytes())
    }

    /// The checkpoints of the run, of which the last `keep` stay.
    pub fn checkpoints(&self, keep: usize) -> Checkpoints {
        Checkpoints::of(&self.path, keep)
    }

    /// The checkpoints of the run in a folder, to be read.
    fn checkpoints_of(path: &Path) -> Checkpoints {
        Checkpoints::of(path, 1)
    }

    /// Whether a file is one that a run lives by, in whatever folder.
    pub fn is_run_file(file: &Path) -> bool {
        ownership::is_run_file(file)
    }

    /// Whether a run was begun in a folder.
    ///
    /// # Errors
    /// [`Error::File`] when the system does not say.
    pub fn is_begun(path: &Path) -> Result<bool> {
        files::exists(&path.join(CONFIG))
    }

    /// Whether the run in a folder has ended, and so has a summary.
    ///
    /// # Errors
    /// [`Error::File`] when the system does not say.
    pub fn has_ended(path: &Path) -> Result<bool> {
        files::exists(&path.join(SUMMARY))
    }

    /// Whether the run in a folder has got as far as to read its data.
    ///
    /// # Errors
    /// [`Error::File`] when the system does not say.
    pub fn has_preprocessing(path: &Path) -> Result<bool> {
        files::exists(&path.join(PREPROCESSING))
    }

    /// The text of the configuration of the run in a folder.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read_config_text(path: &Path) -> Result<String> {
        let file = path.join(CONFIG);
        files::read_text(&file).map_err(|error| Error::file("read", &file, error))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where burn-train logs to.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Returns the file of the history.
    pub fn history(&self) -> PathBuf {
        self.path.join(HISTORY)
    }

    /// Reads the text of the history.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub(crate) fn read_history(&self) -> Result<String> {
        let path = self.history();
        files::read_text(&path).map_err(|error| Error::file("read", path, error))
    }

    /// Writes what tells the data from other data.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_fingerprint(&self, fingerprint: &Fingerprint) -> Result<()> {
        let path = self.path.join(FINGERPRINT);
        let text = toml::to_string(fingerprint);
        let text = text.map_err(|error| Error::file("write", &path, error))?;
        files::write(&path, text.as_bytes())
    }

    /// What tells the data of the run in a folder from other data.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read_fingerprint(path: &Path) -> Result<Fingerprint> {
        let file = path.join(FINGERPRINT);
        let failed = |reason: String| Error::file("read", &file, reason);
        let text = files::read_text(&file).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.message().to_owned()))
    }

    /// Checks that a regular file, or nothing, has each of the names that the run writes to.
    ///
    /// # Errors
    /// [`Error::File`] for anything else, before the first of them is replaced.
    pub(crate) fn ensure_replaceable(&self) -> Result<()> {
        for path in FILES.map(|name| self.path.join(name)) {
            files::replaceable(&path).map_err(|error| Error::file("write", &path, error))?;
        }
        Ok(())
    }

    /// Takes back the end of a run that goes on: until it ends again, its weights are those of its last checkpoint.
    ///
    /// # Errors
    /// [`Error::File`] when a file cannot be removed.
    pub(crate) fn remove_end(&self) -> Result<()> {
        files::remove(&self.path.join(SUMMARY))?;
        files::remove(&self.path.join(MODEL))
    }

    /// Writes what was done to the pixels.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_preprocessing(&self, preprocessing: &Preprocessing) -> Result<()> {
        let path = self.path.join(PREPROCESSING);
        let text = toml::to_string(preprocessing);
        let text = text.map_err(|error| Error::file("write", &path, error))?;
        files::write(&path, text.as_bytes())
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_summary(&self, summary: &Summary) -> Result<()> {
        let path = self.path.join(SUMMARY);
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::file("write", &path, error))?;
        files::write(&path, format!("{text}\n").as_bytes())
    }
}
