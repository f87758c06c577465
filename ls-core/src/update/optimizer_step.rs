//! Steps of Burn's optimizers on either kind of block: any stage, any optimizer, no guarantee.

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use super::gradients::linearized;
use super::{AuxiliaryBlock, WeightBlock};
use crate::Result;
use crate::stage::AnyStage;

/// Returns a stage after one optimizer step on its weights, along the gradient of `φ` including the derivative of `ω`. A stage
/// without trainable parameters stays.
///
/// # Errors
/// [`crate::Error::Device`] when the device failed.
pub fn optimize_weights(
    stage: &AnyStage,
    block: &WeightBlock,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
) -> Result<AnyStage> {
    let tracked = stage.clone().train();
    let (_, gradients) = linearized(&tracked, block)?;
    if gradients.is_empty() {
        return Ok(stage.clone());
    }
    Ok(optimizer.step(learning_rate, tracked, gradients).valid())
}

/// The rows of one auxiliary block as a module, so that an optimizer keeps a state for them.
#[derive(Module, Debug)]
struct Rows {
    value: Param<Tensor<2>>,
}

/// Returns the rows of an auxiliary block after one optimizer step, `[samples, d_l]`; `id` names them in the optimizer's state.
///
/// The gradient is that of `ψ_n` for each sample, not divided by the number of samples.
pub fn optimize_auxiliary(
    block: &AuxiliaryBlock<'_>,
    value: Tensor<2>,
    id: ParamId,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
) -> Tensor<2> {
    let mut gradients = GradientsParams::new();
    gradients.register(id, block.gradient(value.clone()));
    let rows = Rows {
        // Optimizers take tracked parameters only.
        value: Param::initialized(id, value.autodiff().require_grad()),
    };
    optimizer
        .step(learning_rate, rows, gradients)
        .value
        .into_value()
        .inner()
}
