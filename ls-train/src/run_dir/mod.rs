//! What a run leaves behind.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.toml` | the complete configuration |
//! | `history.csv` | one row per sweep, written as it ends |
//! | `model.bpk` | the weights, in Burn's own format; auxiliary variables stay out of it |
//! | `preprocessing.toml` | what the network does to pixels before it sees them, and the names of its classes |
//! | `fingerprint.toml` | what tells the data from other data |
//! | `summary.json` | the figures of the weights and why the run ended |
//! | `checkpoints/` | the last complete checkpoints, see [`Checkpoint`] |
//! | `logs/` | burn-train's metric logs and its application log |
//! | `folds/` | the runs of the folds, where the weight decay was chosen by cross-validation |

mod burnpack;
mod checkpoint;
mod columns;
mod cross_validation;
mod history_table;
mod penalty_path;
mod summary;

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use burn::module::Module;
use ls_core::network::Network;

pub use checkpoint::{Checkpoint, CheckpointContents, Checkpoints};
pub use columns::{Column, SECONDS, SWEEP};
pub use cross_validation::{CrossValidation, DecayFigures};
pub use history_table::HistoryTable;
pub use penalty_path::{PathPoint, penalty_path};
pub use summary::{RunFacts, SplitFigures, Summary, SummaryValue};

use crate::config::{RunConfig, ensure_schema};
use crate::data::{Fingerprint, Preprocessing};
use crate::{Error, Result};

/// What a run puts into its folder, by which a run is recognized.
const FILES: [&str; 6] = [CONFIG, FINGERPRINT, HISTORY, MODEL, PREPROCESSING, SUMMARY];

/// Name of a report inside the folder of its run.
pub const REPORT_FILE: &str = "report.html";

/// Name of an export in safetensors inside the folder of its run.
pub const SAFETENSORS_FILE: &str = "model.safetensors";

/// Beginning of the names of all other exports inside the folder of their run.
pub const EXPORT_PREFIX: &str = "model-export.";

/// Sub-folders of a run.
const FOLDERS: [&str; 3] = ["checkpoints", "logs", RunDir::FOLDS];

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
        ensure_no_foreign_files(path)?;
        // Locked before it is looked at: another process may be about to make a run here.
        let run = Self::lock(path)?;
        let is_taken = FILES.iter().any(|file| path.join(file).exists());
        if is_taken && !overwrite {
            return Err(Error::RunExists { path: path.into() });
        }
        remove_files(path)?;
        for folder in FOLDERS.map(|name| path.join(name)) {
            if folder.exists() {
                fs::remove_dir_all(&folder)
                    .map_err(|error| Error::file("remove", &folder, error))?;
            }
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
        let text = fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
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
        let text = fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        ensure_schema(&file, value["schema"].as_i64())?;
        serde_json::from_value(value).map_err(|error| failed(error.to_string()))
    }

    /// Loads the weights of the run in a folder into a network of their shape.
    ///
    /// # Errors
    /// [`Error::NoWeights`] when the run has not ended, [`Error::File`] when they do not fit.
    pub fn read_model(path: &Path, network: Network) -> Result<Network> {
        let file = path.join(MODEL);
        if !file.exists() {
            return Err(Error::NoWeights { path: path.into() });
        }
        burnpack::load(network, &file).map_err(|error| Error::file("read", &file, error))
    }

    /// Opens the folder of a run that goes on.
    ///
    /// # Errors
    /// [`Error::NoRun`] when there is none, [`Error::RunLocked`] when another process works in it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).exists() {
            return Err(Error::NoRun { path: path.into() });
        }
        let run = Self::lock(path)?;
        run.make_logs()?;
        Ok(run)
    }

    /// The configuration of the run in a folder.
    ///
    /// # Errors
    /// [`Error::NoRun`] when there is none, [`Error::File`] when it cannot be understood.
    pub fn read_config(path: &Path) -> Result<RunConfig> {
        let file = path.join(CONFIG);
        if !file.exists() {
            return Err(Error::NoRun { path: path.into() });
        }
        RunConfig::read(&file)
    }

    fn lock(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| Error::file("create", path, error))?;
        let file = path.join("lock");
        let failed = |error: std::io::Error| Error::file("lock", &file, error);
        let lock = File::create(&file).map_err(failed)?;
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
        let logs = self.logs();
        fs::create_dir_all(&logs).map_err(|error| Error::file("create", &logs, error))
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_config(&self, config: &RunConfig) -> Result<()> {
        let path = self.path.join(CONFIG);
        let text =
            toml::to_string_pretty(config).map_err(|error| Error::file("write", &path, error))?;
        write_atomically(&path, text.as_bytes())
    }

    /// The checkpoints of the run, of which the last `keep` stay.
    pub fn checkpoints(&self, keep: usize) -> Checkpoints {
        Checkpoints::of(&self.path, keep)
    }

    /// Whether a file is one that the run in a folder lives by.
    pub fn owns(path: &Path, file: &Path) -> bool {
        let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => resolved(parent),
            _ => resolved(Path::new(".")),
        };
        let run = resolved(path);
        let is_named = |name: &&str| file.file_name().is_some_and(|found| found == *name);
        let is_below = |folder: &&str| parent.starts_with(run.join(folder));
        (parent == run && FILES.iter().any(is_named)) || FOLDERS.iter().any(is_below)
    }

    /// Whether a run was begun in a folder.
    pub fn is_begun(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// Whether the run in a folder has ended, and so has a summary.
    pub fn has_ended(path: &Path) -> bool {
        path.join(SUMMARY).exists()
    }

    /// Whether the run in a folder has weights.
    pub fn has_weights(path: &Path) -> bool {
        path.join(MODEL).exists()
    }

    /// Whether the run in a folder has got as far as to read its data.
    pub fn has_preprocessing(path: &Path) -> bool {
        path.join(PREPROCESSING).exists()
    }

    /// The text of the configuration of the run in a folder.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read_config_text(path: &Path) -> Result<String> {
        let file = path.join(CONFIG);
        fs::read_to_string(&file).map_err(|error| Error::file("read", &file, error))
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

    /// Writes the weights.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be written.
    pub fn save_model(&self, network: &Network) -> Result<()> {
        let path = self.path.join(MODEL);
        let draft = self.path.join("model-draft.bpk");
        network
            .clone()
            .save_file(&draft)
            .map_err(|error| Error::file("write", &path, error))?;
        fs::rename(&draft, &path).map_err(|error| Error::file("write", path, error))
    }

    /// Writes what tells the data from other data.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_fingerprint(&self, fingerprint: &Fingerprint) -> Result<()> {
        let path = self.path.join(FINGERPRINT);
        let text = toml::to_string(fingerprint);
        let text = text.map_err(|error| Error::file("write", &path, error))?;
        write_atomically(&path, text.as_bytes())
    }

    /// What tells the data of the run in a folder from other data.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read_fingerprint(path: &Path) -> Result<Fingerprint> {
        let file = path.join(FINGERPRINT);
        let failed = |reason: String| Error::file("read", &file, reason);
        let text = fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
        toml::from_str(&text).map_err(|error| failed(error.message().to_owned()))
    }

    /// Takes back the summary of a run that goes on: until it ends again, there is none.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be removed.
    pub fn remove_summary(&self) -> Result<()> {
        let path = self.path.join(SUMMARY);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Writes what was done to the pixels.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_preprocessing(&self, preprocessing: &Preprocessing) -> Result<()> {
        let path = self.path.join(PREPROCESSING);
        let text = toml::to_string(preprocessing);
        let text = text.map_err(|error| Error::file("write", &path, error))?;
        write_atomically(&path, text.as_bytes())
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_summary(&self, summary: &Summary) -> Result<()> {
        let path = self.path.join(SUMMARY);
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::file("write", &path, error))?;
        write_atomically(&path, format!("{text}\n").as_bytes())
    }
}

/// Returns whether a command derived a file of this name from a run; such a file is of no use to the next run.
pub(crate) fn is_derived(name: &OsStr) -> bool {
    let is_export = |name: &str| name == SAFETENSORS_FILE || name.starts_with(EXPORT_PREFIX);
    name.to_str()
        .is_some_and(|name| name == REPORT_FILE || is_export(name))
}

/// Returns whether a run or one of its commands writes a file of this name.
fn is_own(name: &OsStr) -> bool {
    FILES.iter().any(|own| name == *own) || is_derived(name)
}

/// Removes the files of a run and of its commands, and nothing else: the folder may hold somebody's notes.
fn remove_files(path: &Path) -> Result<()> {
    let failed = |error| Error::file("read", path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_own(&entry.file_name()) {
            let file = entry.path();
            fs::remove_file(&file).map_err(|error| Error::file("remove", &file, error))?;
        }
    }
    Ok(())
}

/// Refuses a folder with files that no run has written, unless a run is among them.
fn ensure_no_foreign_files(path: &Path) -> Result<()> {
    if path.join(CONFIG).exists() || !path.is_dir() {
        return Ok(());
    }
    let failed = |error| Error::file("read", path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // Folds are never there without their configuration, and may be somebody's data.
        let own_folders = FOLDERS.iter().filter(|folder| **folder != RunDir::FOLDS);
        let mut other = own_folders.chain(&["lock"]);
        // A process killed while it wrote its first file leaves a draft.
        let is_draft = Path::new(&name)
            .extension()
            .is_some_and(|end| end == "draft");
        if !is_draft && !is_own(&name) && !other.any(|own| name == *own) {
            return Err(Error::NotARun {
                path: path.into(),
                file: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)
        .and_then(|()| fs::rename(&draft, path))
        .map_err(|error| Error::file("write", path, error))
}
