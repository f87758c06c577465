//! The state of a run between two sweeps.

use serde::{Deserialize, Serialize};

use super::record::SweepRecord;
use crate::method::{Method, Separated};
use crate::network::Network;

/// Counters of a run after a sweep. With the model, the memory of the method and the best network, they are everything that a run
/// needs to resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FitState {
    /// Sweeps done.
    pub sweep: usize,
    /// Seconds spent in them.
    pub seconds: f64,
    /// Least value of the method's objective so far.
    pub least: f64,
    /// Sweeps since it last fell noticeably.
    pub waited: usize,
    /// The sweep with the lowest calibrated loss of the validation split, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<BestSweep>,
}

impl Default for FitState {
    /// Before the first sweep.
    fn default() -> Self {
        Self {
            sweep: 0,
            seconds: 0.0,
            least: f64::INFINITY,
            waited: 0,
            best: None,
        }
    }
}

/// The sweep with the lowest calibrated loss of the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BestSweep {
    /// Number of the sweep.
    pub sweep: usize,
    /// The least loss that any scale of the logits has on the validation split, mean over samples.
    pub calibrated_loss_mean: f64,
}

impl BestSweep {
    /// The sweep of a record, if it has a validation split.
    pub(super) fn of(record: &SweepRecord) -> Option<Self> {
        Some(Self {
            sweep: record.sweep,
            calibrated_loss_mean: record.calibrated_loss_mean?,
        })
    }

    /// Whether its loss is lower.
    pub(super) fn is_better_than(&self, other: &Self) -> bool {
        self.calibrated_loss_mean < other.calibrated_loss_mean
    }
}

/// A run between two sweeps, to be saved.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// Its counters.
    pub state: &'a FitState,
    /// Weights and auxiliary variables; those of `exact` and `foof` belong to the last measurement of the separated loss.
    pub model: &'a Separated,
    /// The method with its memory.
    pub method: &'a dyn Method,
    /// The network with the lowest calibrated loss of the validation split, if there is one.
    pub best: Option<&'a Network>,
}
