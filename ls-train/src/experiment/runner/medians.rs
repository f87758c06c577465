//! `results.md`: medians over the seeds.

use std::path::Path;

use super::options::RunResult;
use super::table::MEDIANS;
use crate::experiment::markdown;
use crate::experiment::statistics::median;
use crate::run_dir::Summary;
use crate::{Result, files};

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
/// [`Error::File`](crate::Error::File) or [`Error::Disk`](crate::Error::Disk) when the file cannot be written.
pub(super) fn write(folder: &Path, results: &[RunResult]) -> Result<()> {
    let is_same = |a: &RunResult, b: &RunResult| a.case == b.case && a.contender == b.contender;
    let rows = results.chunk_by(is_same).map(row);
    let text = markdown::table(HEADER, rows);
    files::write(&folder.join(MEDIANS), text.as_bytes())
}

/// Formats the row of a contender. A run that diverged counts with the worst value that a figure can have, and has no certificate.
fn row(results: &[RunResult]) -> [String; 10] {
    let summaries = || results.iter().map(|result| result.summary.as_ref());
    let figure = |worst: f64, pick: fn(&Summary) -> f64| {
        median(summaries().map(|summary| summary.map_or(worst, pick)))
    };
    let least = |pick| figure(f64::INFINITY, pick);
    let share = |pick| format!("{:.2}", 100.0 * figure(0.0, pick));
    let certificates = summaries().filter_map(|summary| summary?.train.get("certificate"));
    let certificate = match median(certificates) {
        none if none.is_nan() => "-".into(),
        certificate => format!("{certificate:.2e}"),
    };
    [
        results[0].case.clone(),
        results[0].contender.clone(),
        results[0].setting.clone(),
        format!("{:.0}", least(|s| s.sweeps as f64)),
        format!("{:.1}", least(|s| s.seconds)),
        to_targets(results),
        format!("{:.2e}", least(|s| s.train.original_loss())),
        certificate,
        share(|s| s.train.accuracy()),
        share(Summary::test_accuracy),
    ]
}

/// Median seconds until the targets, with the sweeps in brackets where there are several.
fn to_targets(results: &[RunResult]) -> String {
    let count = results.first().map_or(0, |result| result.arrivals.len());
    let cell = |place: usize| {
        let arrivals = || results.iter().map(move |result| result.arrivals.get(place));
        let seconds = median(arrivals().map(|own| own?.seconds).map(or_infinite));
        let sweeps = arrivals().map(|own| own?.sweep.map(|sweep| sweep as f64));
        match (seconds, median(sweeps.map(or_infinite))) {
            (seconds, _) if !seconds.is_finite() => "-".into(),
            (seconds, _) if count == 1 => format!("{seconds:.1}"),
            (seconds, sweeps) => format!("{seconds:.2} ({sweeps:.0})"),
        }
    };
    match count {
        0 => "-".into(),
        _ => (0..count).map(cell).collect::<Vec<String>>().join(", "),
    }
}

fn or_infinite(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::INFINITY)
}
