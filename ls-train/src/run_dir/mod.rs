//! What a run leaves behind.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.toml` | the complete configuration |
//! | `history.csv` | one row per sweep, written as it ends |
//! | `model.bpk` | the weights, in Burn's own format; auxiliary variables stay out of it |
//! | `summary.json` | the last figures and why the run ended |
//! | `logs/` | burn-train's metric logs and its application log |

mod history;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use ls_core::network::Network;

pub use history::History;
pub use summary::{SCHEMA, Summary, TestFigures, TrainFigures};

use crate::config::RunConfig;
use crate::{Error, Result};

/// A folder with one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new run folder and writes the configuration into it.
    ///
    /// # Errors
    /// [`Error::RunExists`] when it holds a run already, [`Error::File`] when it cannot be written.
    pub fn create(path: &Path, config: &RunConfig) -> Result<Self> {
        let run = Self {
            path: path.to_path_buf(),
        };
        let files = ["config.toml", "history.csv", "model.bpk", "summary.json"];
        if files.iter().any(|file| path.join(file).exists()) {
            return Err(Error::RunExists { path: run.path });
        }
        let logs = run.logs();
        fs::create_dir_all(&logs).map_err(|error| Error::file("create", &logs, error))?;
        let text = toml::to_string_pretty(config)
            .map_err(|error| Error::file("write", run.config_file(), error))?;
        write_atomically(&run.config_file(), text.as_bytes())?;
        Ok(run)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where burn-train logs to.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Starts the history of a run with the given number of hidden stages.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn history(&self, hidden: usize) -> Result<History> {
        History::create(self.path.join("history.csv"), hidden)
    }

    /// Writes the weights.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be written.
    pub fn save_model(&self, network: &Network) -> Result<()> {
        let path = self.path.join("model.bpk");
        network
            .clone()
            .save_file(&path)
            .map_err(|error| Error::file("write", path, error))
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn save_summary(&self, summary: &Summary) -> Result<()> {
        let path = self.path.join("summary.json");
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::file("write", &path, error))?;
        write_atomically(&path, format!("{text}\n").as_bytes())
    }

    fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("draft");
    fs::write(&draft, bytes)
        .and_then(|()| fs::rename(&draft, path))
        .map_err(|error| Error::file("write", path, error))
}
