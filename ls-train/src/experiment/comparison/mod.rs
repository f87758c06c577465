//! Comparison of contenders over seeds: medians with their ranges, and differences within pairs of runs from equal seeds.
//!
//! Two runs from one seed start from the same weights and see the same data, so that their difference varies less than either run.
//! Its mean over the seeds comes with a 95 % confidence interval by Student's t. Training losses span decades and are compared by the
//! logarithm of their ratio, test accuracies by their difference in percentage points. With few seeds both intervals are rough.

mod tables;

use serde::Serialize;

use super::RunResult;
use super::statistics::{ConfidenceInterval, Spread};
use crate::run_dir::Summary;

/// Losses below this bound are noise of f32, and count as equal to it.
const FLOOR: f64 = 1e-9;

/// A contender over its seeds. Runs that diverged count with infinite loss and accuracy 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContenderSummary {
    /// Name of the contender.
    pub contender: String,
    /// Name of the setting that represents it.
    pub setting: String,
    /// Number of runs.
    pub runs: usize,
    /// Number of runs that diverged.
    pub diverged: usize,
    /// Sweeps of the runs that ended; not numbers when none did, which JSON writes as `null`, like infinite losses.
    pub sweeps: Spread,
    /// Seconds of training of the runs that ended; as for sweeps.
    pub seconds: Spread,
    /// `F` of the training split, mean over samples.
    pub original_loss: Spread,
    /// Share of correct training samples, 0 to 1.
    pub train_accuracy: Spread,
    /// Share of correct test samples, 0 to 1.
    pub test_accuracy: Spread,
}

impl ContenderSummary {
    /// Summarizes the runs of a contender, at least one.
    fn new(results: &[RunResult]) -> Self {
        let summaries = || results.iter().map(|result| result.summary.as_ref());
        let of_all = |pick: fn(&Summary) -> f64, diverged: f64| {
            Spread::new(summaries().map(|summary| summary.map_or(diverged, pick)))
        };
        let of_ended = |pick: fn(&Summary) -> f64| Spread::new(summaries().flatten().map(pick));
        Self {
            contender: results[0].contender.clone(),
            setting: results[0].setting.clone(),
            runs: results.len(),
            diverged: summaries().filter(Option::is_none).count(),
            sweeps: of_ended(|s| s.sweeps as f64),
            seconds: of_ended(|s| s.seconds),
            original_loss: of_all(|s| s.train.original_loss(), f64::INFINITY),
            train_accuracy: of_all(|s| s.train.accuracy(), 0.0),
            test_accuracy: of_all(Summary::test_accuracy, 0.0),
        }
    }
}

/// Difference between a contender and a reference, over pairs of runs from equal seeds that both ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairedDifference {
    /// Name of the contender.
    pub contender: String,
    /// Name of the reference.
    pub reference: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Ratio of the contender's training loss to that of the reference, geometric mean; `None` for fewer than two pairs.
    pub loss_factor: Option<ConfidenceInterval>,
    /// Test accuracy of the contender minus that of the reference, in percentage points; `None` for fewer than two pairs.
    pub test_points: Option<ConfidenceInterval>,
}

impl PairedDifference {
    /// Compares the runs of a contender with those of a reference, at least one each.
    fn new(results: &[RunResult], reference: &[RunResult]) -> Self {
        let pair = |result: &RunResult| {
            let other = reference.iter().find(|other| other.seed == result.seed)?;
            Some((result.summary.clone()?, other.summary.clone()?))
        };
        let pairs: Vec<(Summary, Summary)> = results.iter().filter_map(pair).collect();
        let log = |summary: &Summary| summary.train.original_loss().max(FLOOR).ln();
        let logs: Vec<f64> = pairs.iter().map(|(a, b)| log(a) - log(b)).collect();
        let points: Vec<f64> = pairs
            .iter()
            .map(|(a, b)| 100.0 * (a.test_accuracy() - b.test_accuracy()))
            .collect();
        let log_factor = ConfidenceInterval::estimate(&logs);
        Self {
            contender: results[0].contender.clone(),
            reference: reference[0].contender.clone(),
            pairs: pairs.len(),
            loss_factor: log_factor.map(|interval| interval.map(f64::exp)),
            test_points: ConfidenceInterval::estimate(&points),
        }
    }
}

/// Comparison of all contenders of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The contenders, in the order of their runs.
    pub contenders: Vec<ContenderSummary>,
    /// Differences between each contender but the first and the first, which is the reference.
    pub differences: Vec<PairedDifference>,
}

impl Comparison {
    /// Compares the contenders of one case; the first is the reference.
    pub fn new(results: &[RunResult]) -> Self {
        let groups: Vec<&[RunResult]> = results
            .chunk_by(|a, b| a.contender == b.contender)
            .collect();
        let others = groups.iter().skip(1);
        Self {
            contenders: groups
                .iter()
                .map(|group| ContenderSummary::new(group))
                .collect(),
            differences: others
                .map(|group| PairedDifference::new(group, groups[0]))
                .collect(),
        }
    }
}
