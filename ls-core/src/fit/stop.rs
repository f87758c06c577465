//! Reasons to stop.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The reason why a run ended. Reaching a limit is a result, not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Stop {
    /// All sweeps were done.
    SweepLimit,
    /// The method had done all that it set out to do.
    Complete,
    /// The original loss reached the target.
    Target,
    /// The validation split saw no better figures for as many sweeps as the patience.
    Patience,
    /// A method that promises descent found none for several sweeps.
    Stalled,
    /// The time was used up.
    TimeLimit,
    /// A signal or an observer asked for it.
    Interrupted,
}

impl Stop {
    /// Returns the name in files and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Limits that end a run before its last sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Original loss of the training split to stop at.
    pub target_loss: Option<f64>,
    /// Wall time spent in sweeps to stop after.
    pub time: Option<Duration>,
    /// Sweeps without better figures of the validation split to stop after.
    pub patience: Option<usize>,
}

/// A request to end the run after the current sweep, from any thread. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Makes a signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to end after the current sweep.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the run was asked to end.
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
