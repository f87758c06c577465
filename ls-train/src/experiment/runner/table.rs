//! `results.csv`: a row per run, `arrivals.csv`: a row per target, and `figures.csv`: a row per figure of a method, all written as soon as a
//! run ends.

use std::path::Path;

use super::options::RunResult;
use crate::files::Rows;
use crate::run_dir::Summary;
use crate::{Error, Result, files};

/// Name of the file.
const RESULTS: &str = "results.csv";

/// Name of the file of the methods' own figures.
const METHOD_FIGURES: &str = "figures.csv";

/// Name of the file of the arrivals at targets.
const ARRIVALS: &str = "arrivals.csv";

/// Name of the file of the medians.
pub(super) const MEDIANS: &str = "results.md";

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
    results: Rows,
    /// A case has any number of targets.
    arrivals: Rows,
    /// Every method has figures of its own, so each gets a row, not a column.
    figures: Rows,
}

impl ResultsTable {
    /// Refuses a folder with files that results would replace.
    ///
    /// # Errors
    /// [`Error::ResultsExist`] when there is one of them, [`Error::File`] when the folder cannot be read.
    pub(super) fn ensure_none(folder: &Path) -> Result<()> {
        for file in [RESULTS, ARRIVALS, METHOD_FIGURES, MEDIANS] {
            if files::exists(&folder.join(file))? {
                let path = folder.into();
                return Err(Error::ResultsExist { path, file });
            }
        }
        Ok(())
    }

    /// Makes the folder, and the files with their headers.
    ///
    /// # Errors
    /// [`Error::ResultsExist`] when there is one of them, [`Error::File`] or [`Error::Disk`] when one cannot be written.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        Self::ensure_none(folder)?;
        files::create_folder(folder)?;
        let table = |name: &str, columns: &[&str]| {
            let names = [&KEYS[..], columns].concat();
            Rows::create(&folder.join(name), &(names.join(",") + "\n"))
        };
        Ok(Self {
            results: table(RESULTS, &FIGURES.map(|(name, _)| name))?,
            arrivals: table(ARRIVALS, &["target", "sweeps", "seconds"])?,
            figures: table(METHOD_FIGURES, &["figure", "value"])?,
        })
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
        self.results.add(keys().chain(figures))?;
        for arrival in &result.arrivals {
            let sweeps = arrival.sweep.map_or_else(String::new, |n| n.to_string());
            let cells = [
                arrival.target.to_string(),
                sweeps,
                optional(arrival.seconds),
            ];
            self.arrivals.add(keys().chain(cells))?;
        }
        let own = result.summary.iter().flat_map(|summary| &summary.figures);
        for (name, value) in own {
            let pair = [name.clone(), value.to_string()];
            self.figures.add(keys().chain(pair))?;
        }
        Ok(())
    }
}
