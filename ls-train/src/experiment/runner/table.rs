//! `results.csv`: a row per run, written as soon as the run ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::options::RunResult;
use crate::run_dir::Summary;
use crate::{Error, Result};

/// Name of the file.
pub(super) const RESULTS: &str = "results.csv";

/// Columns that identify a run.
const KEYS: [&str; 4] = ["case", "contender", "setting", "seed"];

/// A column of figures: its name, and the text of a cell.
type FigureColumn = (&'static str, fn(&RunResult, &Summary) -> String);

/// Columns of figures, with `diverged` in all of them for a run that did.
const FIGURES: [FigureColumn; 9] = [
    ("sweeps", |_, s| s.sweeps.to_string()),
    ("seconds", |_, s| format!("{:.3}", s.seconds)),
    ("train_original_loss", |_, s| {
        s.train.original_loss().to_string()
    }),
    ("certificate", |_, s| optional(s.train.get("certificate"))),
    ("separated_loss", |_, s| {
        optional(s.train.get("separated_loss"))
    }),
    ("train_accuracy", |_, s| s.train.accuracy().to_string()),
    ("test_original_loss", |_, s| s.test_loss().to_string()),
    ("test_accuracy", |_, s| s.test_accuracy().to_string()),
    ("seconds_to_target", |result, _| {
        optional(result.seconds_to_target)
    }),
];

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The file, open for more rows.
pub(super) struct ResultsTable {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl ResultsTable {
    /// Makes the folder, and the file with its header.
    ///
    /// # Errors
    /// [`Error::File`] when one of them cannot be written.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(RESULTS);
        fs::create_dir_all(folder).map_err(|error| Error::file("create", folder, error))?;
        let writer =
            csv::Writer::from_path(&path).map_err(|error| Error::file("write", &path, error))?;
        let mut table = Self { path, writer };
        let figures = FIGURES.iter().map(|(name, _)| *name);
        table.write(KEYS.into_iter().chain(figures).map(String::from))?;
        Ok(table)
    }

    /// Appends the row of a run.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub(super) fn append(&mut self, result: &RunResult) -> Result<()> {
        let keys = [
            result.case.clone(),
            result.contender.clone(),
            result.setting.clone(),
            result.seed.to_string(),
        ];
        let figures = FIGURES.iter().map(|(_, cell)| match &result.summary {
            Some(summary) => cell(result, summary),
            None => "diverged".into(),
        });
        self.write(keys.into_iter().chain(figures))
    }

    fn write(&mut self, cells: impl Iterator<Item = String>) -> Result<()> {
        let written = self.writer.write_record(cells);
        written
            .and_then(|()| Ok(self.writer.flush()?))
            .map_err(|error| Error::file("write", &self.path, error))
    }
}
