//! burn-train's metric logs, `<split>/epoch-<n>/<Metric>.log`, in its own layout.
//!
//! burn-train's logger starts a thread per file and panics when the disk is full, which ends the process. This one writes in place,
//! and its first error ends the run.

use std::path::PathBuf;

use ls_core::figure::Figure;
use ls_core::fit::{Observer, RunStart, SweepRecord};

use super::super::shown_number;
use super::metric::{is_on_test, metric_name};
use crate::{Error, Result, files};

/// Writes the figures of each sweep to the files of their metrics.
pub struct MetricLogs {
    folder: PathBuf,
    figures: Vec<Figure>,
}

impl MetricLogs {
    /// Logs below a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            figures: Vec::new(),
        }
    }

    fn write(&self, figure: &Figure, sweep: usize, number: f64, samples: usize) -> Result<()> {
        let split = if is_on_test(figure) { "valid" } else { "train" };
        let folder = self.folder.join(split).join(format!("epoch-{sweep}"));
        let path = folder.join(metric_name(figure).replace(' ', "_") + ".log");
        files::create_folder(&folder)?;
        // As burn-train writes an epoch of one item: the item with its samples, and the value of the epoch.
        let text = format!("{number},{samples}\n{number},final\n");
        files::write_log(&path, text.as_bytes())
    }
}

impl Observer<Error> for MetricLogs {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        self.figures = start.figures.to_vec();
        Ok(())
    }

    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        // burn-train counts epochs from 1.
        if record.sweep == 0 {
            return Ok(());
        }
        for figure in &self.figures {
            let value = record.value(figure);
            let Some(number) = value.and_then(|value| shown_number(figure, value)) else {
                continue;
            };
            let split = match is_on_test(figure) {
                true => record.test.as_ref(),
                false => Some(&record.train),
            };
            let samples = split.map_or(0, |split| split.samples);
            self.write(figure, record.sweep, number, samples)?;
        }
        Ok(())
    }
}
