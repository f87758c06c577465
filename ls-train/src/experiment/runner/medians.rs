//! `results.md`: medians over the seeds.

use std::fs;
use std::path::Path;

use super::options::RunResult;
use crate::experiment::markdown;
use crate::experiment::statistics::median;
use crate::run_dir::Summary;
use crate::{Error, Result};

const HEADER: [&str; 10] = [
    "case",
    "contender",
    "setting",
    "sweeps",
    "seconds",
    "to target",
    "original loss",
    "certificate",
    "train %",
    "test %",
];

/// Writes the medians into a folder, a row per contender in the order of the runs.
///
/// # Errors
/// [`Error::File`] when the file cannot be written.
pub(super) fn write(folder: &Path, results: &[RunResult]) -> Result<()> {
    let is_same = |a: &RunResult, b: &RunResult| a.case == b.case && a.contender == b.contender;
    let rows = results.chunk_by(is_same).map(row);
    let path = folder.join("results.md");
    fs::write(&path, markdown::table(HEADER, rows))
        .map_err(|error| Error::file("write", &path, error))
}

/// Formats the row of a contender. Figures of runs that diverged count as infinite.
fn row(results: &[RunResult]) -> [String; 10] {
    let figure = |pick: &dyn Fn(&Summary) -> f64| {
        let summaries = results.iter().map(|result| result.summary.as_ref());
        median(summaries.map(|summary| summary.map_or(f64::INFINITY, pick)))
    };
    let seconds_to_target = |result: &RunResult| result.seconds_to_target.unwrap_or(f64::INFINITY);
    let to_target = match median(results.iter().map(seconds_to_target)) {
        seconds if seconds.is_finite() => format!("{seconds:.1}"),
        _ => "-".into(),
    };
    let certificate = match figure(&|s| s.train.get("certificate").unwrap_or(f64::NAN)) {
        none if none.is_nan() => "-".into(),
        certificate => format!("{certificate:.2e}"),
    };
    [
        results[0].case.clone(),
        results[0].contender.clone(),
        results[0].setting.clone(),
        format!("{:.0}", figure(&|s| s.sweeps as f64)),
        format!("{:.1}", figure(&|s| s.seconds)),
        to_target,
        format!("{:.2e}", figure(&|s| s.train.original_loss())),
        certificate,
        format!("{:.2}", 100.0 * figure(&|s| s.train.accuracy())),
        format!("{:.2}", 100.0 * figure(&|s| s.test_accuracy())),
    ]
}
