//! The baseline: gradients through the whole depth and a Burn optimizer.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};

use super::{Method, Separated, SweepReport};
use crate::Result;
use crate::batch::Batch;
use crate::network::Network;
use crate::objective::cross_entropy;

/// Backpropagation of the original loss.
pub struct Backprop {
    optimizer: ModuleOptimizer,
    learning_rate: f64,
}

impl Backprop {
    /// Any Burn optimizer at a constant learning rate.
    pub fn new(optimizer: ModuleOptimizer, learning_rate: f64) -> Self {
        Self {
            optimizer,
            learning_rate,
        }
    }
}

/// Gradients of `F` over a batch for a network whose parameters are tracked ([`Module::train`]).
pub fn gradients(tracked: &Network, batch: &Batch) -> GradientsParams {
    let logits = tracked.forward(batch.inputs.clone());
    let cotangent =
        cross_entropy::gradient(logits.clone().inner(), &batch.labels) / batch.len() as f64;
    // The loss's own derivative is known in closed form and keeps digits that autodiff would lose at small losses.
    let surrogate = (logits * cotangent).sum();
    GradientsParams::from_grads(surrogate.backward(), tracked)
}

impl Method for Backprop {
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<SweepReport> {
        let tracked = model.network.clone().train();
        let gradients = gradients(&tracked, batch);
        let moved = self.optimizer.step(self.learning_rate, tracked, gradients);
        model.network = moved.valid();
        Ok(SweepReport::counts(1, 0))
    }
}
