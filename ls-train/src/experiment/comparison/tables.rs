//! A comparison as Markdown and as CSV.

use std::path::Path;

use super::{Comparison, ContenderSummary, PairedDifference};
use crate::experiment::markdown::table;
use crate::experiment::statistics::{ConfidenceInterval, Spread};
use crate::{Error, Result, files};

/// Columns of the CSV file.
const COLUMNS: [&str; 19] = [
    "method",
    "setting",
    "runs",
    "diverged",
    "sweeps_median",
    "seconds_median",
    "original_loss_median",
    "original_loss_min",
    "original_loss_max",
    "test_accuracy_median",
    "test_accuracy_min",
    "test_accuracy_max",
    "pairs",
    "loss_factor",
    "loss_factor_low",
    "loss_factor_high",
    "test_points",
    "test_points_low",
    "test_points_high",
];

impl Comparison {
    /// Formats contenders and differences as two tables in Markdown.
    pub fn markdown(&self) -> String {
        let header = [
            "method",
            "setting",
            "sweeps",
            "seconds",
            "original loss",
            "train %",
            "test %",
        ];
        let mut text = table(header, self.contenders.iter().map(contender_row));
        text += "\nMedian (minimum to maximum) over the seeds.\n";
        let Some(first) = self.differences.first() else {
            return text;
        };
        let against = format!("against {}", first.reference);
        let header = [&*against, "pairs", "training loss", "test accuracy"];
        text += "\n";
        text += &table(header, self.differences.iter().map(difference_row));
        text += &format!(
            "\n× 25 would mean: the method's training loss is 25 times that of {0}; below 1 it is lower. Points are its test accuracy minus that \
             of {0}.\n",
            first.reference
        );
        text + "Mean over pairs of runs from equal seeds (95 % confidence interval by Student's t); losses below 1e-9 count as 1e-9.\n"
    }

    /// Writes a CSV file with a row per contender.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when it cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let failed = |error: csv::Error| Error::file("write", path, error);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).map_err(failed)?;
        for contender in &self.contenders {
            let mut differences = self.differences.iter();
            let difference = differences.find(|own| own.contender == contender.contender);
            let record = csv_record(contender, difference);
            writer.write_record(record).map_err(failed)?;
        }
        let bytes = writer.into_inner();
        let bytes = bytes.map_err(|error| Error::file("write", path, error))?;
        files::write(path, &bytes)
    }

    /// Writes a comparison as Markdown; returns the text.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when it cannot be written.
    pub fn write_markdown(&self, path: &Path) -> Result<String> {
        let text = self.markdown();
        files::write(path, text.as_bytes())?;
        Ok(text)
    }
}

fn contender_row(summary: &ContenderSummary) -> [String; 7] {
    let percent = |share: Spread| {
        let Spread { median, min, max } = share.map(|share| 100.0 * share);
        format!("{median:.2} ({min:.2} to {max:.2})")
    };
    let diverged = match summary.diverged {
        0 => String::new(),
        count => format!(", {count} of {} diverged", summary.runs),
    };
    let Spread { median, min, max } = summary.original_loss;
    [
        summary.contender.clone(),
        format!("{}{diverged}", summary.setting),
        format!("{:.0}", summary.sweeps.median),
        format!("{:.1}", summary.seconds.median),
        format!("{median:.2e} ({min:.2e} to {max:.2e})"),
        percent(summary.train_accuracy),
        percent(summary.test_accuracy),
    ]
}

fn difference_row(difference: &PairedDifference) -> [String; 4] {
    let factor = difference.loss_factor.map_or_else(
        || "-".into(),
        |i| format!("× {:.3e} ({:.1e} to {:.1e})", i.mean, i.low, i.high),
    );
    let points = difference.test_points.map_or_else(
        || "-".into(),
        |i| format!("{:+.2} points ({:+.2} to {:+.2})", i.mean, i.low, i.high),
    );
    [
        difference.contender.clone(),
        difference.pairs.to_string(),
        factor,
        points,
    ]
}

/// Returns the cells of a contender; those of a difference are empty for the reference, which has none.
fn csv_record(summary: &ContenderSummary, difference: Option<&PairedDifference>) -> Vec<String> {
    let spread = |spread: Spread| {
        let values = [spread.median, spread.min, spread.max];
        values.map(|value| value.to_string())
    };
    let interval = |interval: Option<ConfidenceInterval>| match interval {
        Some(i) => [i.mean, i.low, i.high].map(|value| value.to_string()),
        None => Default::default(),
    };
    let mut record = vec![
        summary.contender.clone(),
        summary.setting.clone(),
        summary.runs.to_string(),
        summary.diverged.to_string(),
        summary.sweeps.median.to_string(),
        summary.seconds.median.to_string(),
    ];
    record.extend(spread(summary.original_loss));
    record.extend(spread(summary.test_accuracy));
    record.push(difference.map_or_else(String::new, |d| d.pairs.to_string()));
    record.extend(interval(difference.and_then(|d| d.loss_factor)));
    record.extend(interval(difference.and_then(|d| d.test_points)));
    record
}
