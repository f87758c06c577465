//! The path of weight decays that a run went down, from its history.

use ls_core::figure::SplitName;
use ls_core::fit::{ACCURACY, CALIBRATED_LOSS, ORIGINAL_LOSS};
use ls_core::method::WEIGHT_DECAY;

use super::columns::SWEEP;
use super::history_table::HistoryTable;

/// The end of a weight decay on a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathPoint {
    /// `λ`.
    pub decay: f64,
    /// Its last sweep.
    pub sweep: usize,
    /// `F` of the training split, mean over samples.
    pub original_loss: f64,
    /// Calibrated loss of the validation split, mean over samples.
    pub calibrated_loss: Option<f64>,
    /// Share of the validation split that is right, 0 to 1.
    pub validation_accuracy: Option<f64>,
    /// Share of the test split that is right, 0 to 1.
    pub test_accuracy: Option<f64>,
}

/// Returns the ends of the weight decays of a run, from the largest to the smallest; none for a run of one decay.
pub fn penalty_path(history: &HistoryTable) -> Vec<PathPoint> {
    let decays = history.points(SWEEP, &WEIGHT_DECAY.key());
    let ends = decays.chunk_by(|(_, a), (_, b)| a == b);
    let ends = ends.filter_map(|same| same.last().copied());
    let at = |sweep: f64, key: String| {
        let values = history.points(SWEEP, &key).into_iter();
        values
            .rev()
            .find(|(own, _)| *own == sweep)
            .map(|(_, value)| value)
    };
    let accuracy = |sweep, split| at(sweep, ACCURACY.on(split).key());
    let point = |(sweep, decay): (f64, f64)| {
        Some(PathPoint {
            decay,
            sweep: sweep as usize,
            original_loss: at(sweep, ORIGINAL_LOSS.on(SplitName::Train).key())?,
            calibrated_loss: at(sweep, CALIBRATED_LOSS.key()),
            validation_accuracy: accuracy(sweep, SplitName::Validation),
            test_accuracy: accuracy(sweep, SplitName::Test),
        })
    };
    ends.filter_map(point).collect()
}
