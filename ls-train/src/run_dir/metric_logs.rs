//! burn-train's metric logs, `<split>/epoch-<n>/<Metric>.log`, in its own layout.
//!
//! burn-train's logger starts a thread per file and panics when the disk is full, twice over, which ends the process. This one writes
//! in place, and keeps the first error for the run to end with.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};

use crate::{Error, Result};

/// The first write that failed.
pub(crate) type Failure = Arc<Mutex<Option<Error>>>;

/// Writes the figures of each sweep to the files of their metrics.
pub(crate) struct MetricLogs {
    folder: PathBuf,
    names: HashMap<MetricId, String>,
    /// The files of the sweep under way.
    files: HashMap<PathBuf, File>,
    epoch: usize,
    failure: Failure,
}

impl MetricLogs {
    /// Logs below `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            names: HashMap::new(),
            files: HashMap::new(),
            epoch: 0,
            failure: Failure::default(),
        }
    }

    /// Where the first write that failed will stand.
    pub(crate) fn failure(&self) -> Failure {
        Arc::clone(&self.failure)
    }

    fn path(&self, name: &str, epoch: usize, split: &Split) -> PathBuf {
        let folder = self.folder.join(split.to_string());
        let name = name.replace(' ', "_");
        folder.join(format!("epoch-{epoch}")).join(name + ".log")
    }

    fn write(&mut self, entry: &MetricEntry, split: &Split) -> Result<()> {
        let value = &entry.serialized_entry;
        let Some(name) = self.names.get(&entry.metric_id) else {
            return Ok(());
        };
        if value.is_not_available() {
            return Ok(());
        }
        let path = self.path(name, self.epoch, split);
        let failed = |error| Error::file("write", &path, error);
        if !self.files.contains_key(&path) {
            let file = create(&path).map_err(failed)?;
            self.files.insert(path.clone(), file);
        }
        match self.files.get_mut(&path) {
            Some(file) => writeln!(file, "{}", value.serialized).map_err(failed),
            None => Ok(()),
        }
    }
}

/// Replaces what a sweep that was lost has left.
fn create(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path)
}

impl MetricLogger for MetricLogs {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        if self.epoch != epoch {
            self.files.clear();
            self.epoch = epoch;
        }
        let numeric = update.entries_numeric.iter().map(|numeric| &numeric.entry);
        for entry in update.entries.iter().chain(numeric) {
            if let Err(error) = self.write(entry, split) {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                return;
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> core::result::Result<Vec<NumericEntry>, String> {
        let path = self.path(name, epoch, split);
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(NumericEntry::deserialize).collect()
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.names
            .insert(definition.metric_id, definition.name.to_string());
    }

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {
        self.files.clear();
    }
}
