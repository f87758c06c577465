//! `history.csv`: one row per sweep.

use std::fs::File;
use std::path::PathBuf;

use crate::learner::SweepRecord;
use crate::{Error, Result};

/// The columns before the residuals.
const COLUMNS: [&str; 17] = [
    "sweep",
    "seconds",
    "train_original_loss",
    "separated_loss",
    "certificate",
    "train_accuracy",
    "test_original_loss",
    "test_accuracy",
    "validation_original_loss",
    "validation_accuracy",
    "accepted",
    "rejected",
    "form",
    "scaling",
    "step",
    "damping",
    "penalized_loss",
];

/// The history of a run under way. Rows reach the file when their sweep ends.
pub struct History {
    path: PathBuf,
    hidden: usize,
    writer: csv::Writer<File>,
}

impl History {
    pub(super) fn create(path: PathBuf, hidden: usize) -> Result<Self> {
        let writer =
            csv::Writer::from_path(&path).map_err(|error| Error::file("write", &path, error))?;
        let mut history = Self {
            path,
            hidden,
            writer,
        };
        let residuals = (1..=hidden).map(|l| format!("residual_{l}"));
        let conditions = (1..=hidden + 1).map(|l| format!("condition_{l}"));
        let stages = residuals.chain(conditions);
        history.write(COLUMNS.map(String::from).into_iter().chain(stages))?;
        Ok(history)
    }

    /// Goes on with the history of a run that stands after `sweep`: later rows, of sweeps that were lost, are dropped.
    pub(super) fn resume(path: PathBuf, hidden: usize, sweep: usize) -> Result<Self> {
        let text =
            std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))?;
        let is_kept = |line: &&str| {
            let number = line.split(',').next().and_then(|cell| cell.parse().ok());
            number.is_none_or(|number: usize| number <= sweep)
        };
        // The last line may be half a row; it is that of a later sweep than any checkpoint.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let kept: String = complete.split_inclusive('\n').filter(is_kept).collect();
        super::write_atomically(&path, kept.as_bytes())?;
        let file = File::options().append(true).open(&path);
        let file = file.map_err(|error| Error::file("write", &path, error))?;
        Ok(Self {
            path,
            hidden,
            writer: csv::Writer::from_writer(file),
        })
    }

    /// Adds the row of a sweep; figures that a method does not have stay empty.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn append(&mut self, record: &SweepRecord) -> Result<()> {
        let (train, test) = (&record.train, &record.test);
        let validation = record.validation.as_ref();
        let separated = train.separated.as_ref();
        let optional = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
        let residuals = (0..self.hidden)
            .map(|l| optional(separated.and_then(|s| s.residual_square_means.get(l).copied())));
        let report = &record.report;
        let conditions = (0..=self.hidden).map(|l| optional(report.condition(l)));
        let candidate = report.candidate;
        let name = |name: Option<&'static str>| name.unwrap_or_default().to_owned();
        let row: Vec<String> = [
            record.sweep.to_string(),
            format!("{:.3}", record.elapsed.as_secs_f64()),
            train.original_loss_mean.to_string(),
            optional(separated.map(|s| s.separated_loss_mean)),
            optional(separated.and_then(|s| s.certificate_mean)),
            train.accuracy.to_string(),
            test.original_loss_mean.to_string(),
            test.accuracy.to_string(),
            optional(validation.map(|v| v.original_loss_mean)),
            optional(validation.map(|v| v.accuracy)),
            report.accepted.to_string(),
            report.rejected.to_string(),
            name(candidate.map(|c| c.form.name())),
            name(candidate.map(|c| c.scaling.name())),
            optional(candidate.map(|c| c.step)),
            optional(candidate.map(|c| c.damping)),
            optional(report.penalized_loss),
        ]
        .into_iter()
        .chain(residuals)
        .chain(conditions)
        .collect();
        self.write(row)
    }

    fn write(&mut self, row: impl IntoIterator<Item = String>) -> Result<()> {
        let written = self.writer.write_record(row);
        written
            .and_then(|()| Ok(self.writer.flush()?))
            .map_err(|error| Error::file("write", &self.path, error))
    }
}
