//! `results.csv`: a row per run, `arrivals.csv`: a row per target, and `figures.csv`: a row per figure of a method, all written as soon as a
//! run ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::options::RunResult;
use crate::run_dir::Summary;
use crate::{Error, Result};

/// Name of the file.
pub(super) const RESULTS: &str = "results.csv";

/// Name of the file of the methods' own figures.
const METHOD_FIGURES: &str = "figures.csv";

/// Name of the file of the arrivals at targets.
const ARRIVALS: &str = "arrivals.csv";

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
        optional(result.seconds_to_target())
    }),
];

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The files, open for more rows.
pub(super) struct ResultsTable {
    results: TableFile,
    /// A case has any number of targets.
    arrivals: TableFile,
    /// Every method has figures of its own, so each gets a row, not a column.
    figures: TableFile,
}

impl ResultsTable {
    /// Makes the folder, and the files with their headers.
    ///
    /// # Errors
    /// [`Error::File`] when one of them cannot be written.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::file("create", folder, error))?;
        let mut table = Self {
            results: TableFile::create(folder.join(RESULTS))?,
            arrivals: TableFile::create(folder.join(ARRIVALS))?,
            figures: TableFile::create(folder.join(METHOD_FIGURES))?,
        };
        let keys = || KEYS.into_iter().map(String::from);
        let figures = FIGURES.iter().map(|(name, _)| String::from(*name));
        table.results.write(keys().chain(figures))?;
        let arrival = ["target", "sweeps", "seconds"].map(String::from);
        table.arrivals.write(keys().chain(arrival))?;
        let pair = ["figure", "value"].map(String::from);
        table.figures.write(keys().chain(pair))?;
        Ok(table)
    }

    /// Appends the rows of a run.
    ///
    /// # Errors
    /// [`Error::File`] when they cannot be written.
    pub(super) fn append(&mut self, result: &RunResult) -> Result<()> {
        let keys = || {
            [
                result.case.clone(),
                result.contender.clone(),
                result.setting.clone(),
                result.seed.to_string(),
            ]
            .into_iter()
        };
        let figures = FIGURES.iter().map(|(_, cell)| match &result.summary {
            Some(summary) => cell(result, summary),
            None => "diverged".into(),
        });
        self.results.write(keys().chain(figures))?;
        for arrival in &result.arrivals {
            let sweeps = arrival.sweep.map_or_else(String::new, |n| n.to_string());
            let cells = [
                arrival.target.to_string(),
                sweeps,
                optional(arrival.seconds),
            ];
            self.arrivals.write(keys().chain(cells))?;
        }
        let own = result.summary.iter().flat_map(|summary| &summary.figures);
        for (name, value) in own {
            let pair = [name.clone(), value.to_string()];
            self.figures.write(keys().chain(pair))?;
        }
        Ok(())
    }
}

struct TableFile {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl TableFile {
    fn create(path: PathBuf) -> Result<Self> {
        let writer = csv::Writer::from_path(&path);
        let writer = writer.map_err(|error| Error::file("write", &path, error))?;
        Ok(Self { path, writer })
    }

    fn write(&mut self, cells: impl Iterator<Item = String>) -> Result<()> {
        let written = self.writer.write_record(cells);
        written
            .and_then(|()| Ok(self.writer.flush()?))
            .map_err(|error| Error::file("write", &self.path, error))
    }
}
