//! Samples and settings of a run.

use super::augmentation::Augmentation;
use super::stop::Limits;
use crate::batch::{Batch, BatchSize};

/// Samples of a run.
#[derive(Clone, Debug)]
pub struct FitData {
    /// The training split.
    pub train: Batch,
    /// Samples to choose the best weights by, if there are any.
    pub validation: Option<Batch>,
    /// The test split, which nothing is chosen by.
    pub test: Option<Batch>,
    /// Random changes of the images of every batch; measurements see the images as they are.
    pub augmentation: Option<Augmentation>,
}

impl FitData {
    /// A training split alone.
    pub fn new(train: Batch) -> Self {
        Self {
            train,
            validation: None,
            test: None,
            augmentation: None,
        }
    }
}

/// Settings of the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitConfig {
    /// Largest number of sweeps.
    pub sweeps: usize,
    /// Samples of one batch.
    pub batch_size: BatchSize,
    /// Seed of the batches and of their order.
    pub seed: u64,
    /// Sweeps from one measurement of the separated loss to the next. The last sweep is always measured, and so is every sweep of a
    /// method that lowers the separated loss itself. A run that was interrupted has one more measurement, at that sweep.
    pub measure_every: usize,
    /// Limits that end a run earlier.
    pub limits: Limits,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            sweeps: 30,
            batch_size: BatchSize::Full,
            seed: 1,
            measure_every: 1,
            limits: Limits::default(),
        }
    }
}

impl FitConfig {
    /// Stops at an original loss of the training split.
    #[must_use]
    pub fn with_target_loss(mut self, loss: f64) -> Self {
        self.limits.target_loss = Some(loss);
        self
    }
}
