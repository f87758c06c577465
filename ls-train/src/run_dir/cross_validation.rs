//! The weight decay that cross-validation chose.

use serde::{Deserialize, Serialize};

use super::history_table::HistoryTable;
use super::penalty_path::penalty_path;

/// Means whose relative difference is less are equal: their sums were only rounded in another order.
const ROUNDING: f64 = 1e-12;

/// The choice of a weight decay from a path by folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Number of folds.
    pub folds: usize,
    /// `λ` with the lowest mean of calibrated losses; the larger one of two with equal means.
    pub weight_decay: f64,
    /// Figures of all decays, from the largest to the smallest.
    pub decays: Vec<DecayFigures>,
}

/// How a weight decay did on the folds, each measured by the run that held it out, after the last sweep of the decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecayFigures {
    /// `λ`.
    pub weight_decay: f64,
    /// Mean over folds of the calibrated loss of the fold, itself a mean over samples.
    pub mean_calibrated_loss: f64,
    /// Standard deviation of these losses over the folds, with the divisor `folds - 1`.
    pub calibrated_loss_deviation: f64,
    /// Mean over folds of the share of the fold that is right, 0 to 1.
    pub mean_accuracy: f64,
    /// Standard deviation of these shares, with the divisor `folds - 1`.
    pub accuracy_deviation: f64,
}

impl CrossValidation {
    /// Chooses from the histories of the runs of all folds, of which there are two or more; `None` where they share no weight decay.
    pub fn choose(histories: &[HistoryTable]) -> Option<Self> {
        let paths: Vec<_> = histories.iter().map(penalty_path).collect();
        let figures = |decay: f64| {
            let of_fold = paths.iter().map(|path| {
                let point = path.iter().find(|point| point.decay == decay)?;
                Some((point.calibrated_loss?, point.validation_accuracy?))
            });
            let (losses, accuracies): (Vec<_>, Vec<_>) =
                of_fold.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            Some(DecayFigures::of(decay, &losses, &accuracies))
        };
        let first = paths.first()?.iter();
        let decays: Vec<_> = first.filter_map(|point| figures(point.decay)).collect();
        let best = decays.iter().copied().reduce(|best, next| {
            match next.mean_calibrated_loss < best.mean_calibrated_loss * (1.0 - ROUNDING) {
                true => next,
                false => best,
            }
        });
        Some(Self {
            folds: histories.len(),
            weight_decay: best?.weight_decay,
            decays,
        })
    }
}

impl DecayFigures {
    fn of(weight_decay: f64, losses: &[f64], accuracies: &[f64]) -> Self {
        let (mean_calibrated_loss, calibrated_loss_deviation) = mean_and_deviation(losses);
        let (mean_accuracy, accuracy_deviation) = mean_and_deviation(accuracies);
        Self {
            weight_decay,
            mean_calibrated_loss,
            calibrated_loss_deviation,
            mean_accuracy,
            accuracy_deviation,
        }
    }
}

/// `x̄` and `√(Σ (x_i - x̄)² / (n - 1))`.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, (squares.sum::<f64>() / (count - 1.0)).sqrt())
}
