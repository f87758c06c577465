//! Blocks moved by a Burn optimizer: any stage, any optimizer, no guarantee.

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use super::{AuxiliaryBlock, WeightBlock};
use crate::stage::AnyStage;

/// One optimizer step on a stage's weights, along the gradient of `φ` including the derivative of `ω`. A stage without trainable
/// parameters stays.
pub fn optimize_weights(
    stage: &AnyStage,
    block: &WeightBlock,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
) -> AnyStage {
    let tracked = stage.clone().train();
    let gradients = weight_gradients(&tracked, block);
    if gradients.is_empty() {
        return stage.clone();
    }
    optimizer.step(learning_rate, tracked, gradients).valid()
}

/// The gradient of `φ` at a stage whose parameters are tracked ([`Module::train`]); empty when none is trainable.
pub(super) fn weight_gradients(tracked: &AnyStage, block: &WeightBlock) -> GradientsParams {
    let output = tracked.forward(block.input.clone());
    let samples = block.input.dims()[0] as f64;
    let cotangent = block.loss.gradient(output.clone().inner()) / samples;
    let mut surrogate = (output * cotangent).sum();
    if let Some(form) = tracked.lipschitz() {
        let constant = block.penalty.norm.bound(form.kernel) * form.factor + form.offset;
        surrogate = surrogate + constant.clone() * constant * block.penalty.coefficient;
    }
    // Burn refuses to go back from what depends on no tracked tensor.
    if !surrogate.is_tracked() {
        return GradientsParams::new();
    }
    GradientsParams::from_grads(surrogate.backward(), tracked)
}

/// The rows of one auxiliary block as a module, so that an optimizer keeps a state for them.
#[derive(Module, Debug)]
struct Rows {
    value: Param<Tensor<2>>,
}

/// One optimizer step on the rows of an auxiliary block; `id` names them in the optimizer's state.
///
/// The gradient is that of each sample's own part of the separated loss, not divided by the number of samples.
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
