//! The baseline: gradients through the whole depth and a Burn optimizer.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};

use serde::{Deserialize, Serialize};

use super::{Method, MethodState, Separated, SweepReport};
use crate::Result;
use crate::batch::Batch;
use crate::network::Network;
use crate::objective::cross_entropy;

/// Learning rate of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// Of the first step.
    pub initial: f64,
    /// Steps over which it falls linearly to zero; `None` keeps it constant.
    pub total_steps: Option<usize>,
}

impl LearningRate {
    /// After so many steps.
    pub fn at(&self, steps: usize) -> f64 {
        let left = self.total_steps.map_or(1.0, |total| {
            1.0 - steps.min(total) as f64 / total.max(1) as f64
        });
        self.initial * left
    }
}

/// Backpropagation of the original loss.
pub struct Backprop {
    optimizer: ModuleOptimizer,
    learning_rate: LearningRate,
    steps: usize,
}

impl Backprop {
    /// Any Burn optimizer.
    pub fn new(optimizer: ModuleOptimizer, learning_rate: LearningRate) -> Self {
        Self {
            optimizer,
            learning_rate,
            steps: 0,
        }
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Values {
    steps: usize,
}

/// Gradients of `F` over a batch for a network whose parameters are tracked ([`Module::train`]); empty when none is trainable.
pub fn gradients(tracked: &Network, batch: &Batch) -> GradientsParams {
    let logits = tracked.forward(batch.inputs.clone());
    let cotangent =
        cross_entropy::gradient(logits.clone().inner(), &batch.labels) / batch.len() as f64;
    // The loss's own derivative is known in closed form and keeps digits that autodiff would lose at small losses.
    let surrogate = (logits * cotangent).sum();
    // Burn refuses to go back from what depends on no tracked tensor.
    if !surrogate.is_tracked() {
        return GradientsParams::new();
    }
    GradientsParams::from_grads(surrogate.backward(), tracked)
}

impl Method for Backprop {
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<SweepReport> {
        let tracked = model.network.clone().train();
        let gradients = gradients(&tracked, batch);
        let rate = self.learning_rate.at(self.steps);
        self.steps += 1;
        let moved = self.optimizer.step(rate, tracked, gradients);
        model.network = moved.valid();
        Ok(SweepReport::counts(1, 0))
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::new(&Values { steps: self.steps })?;
        state.optimizers.push_back(self.optimizer.to_record());
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let Values { steps } = state.read()?;
        self.steps = steps;
        let optimizer = self.optimizer.clone();
        self.optimizer = optimizer.load_record(state.take_optimizer()?);
        Ok(())
    }
}
