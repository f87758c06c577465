//! Gradients in the parameters of a module, by Burn's autodiff.

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::WeightBlock;
use crate::Result;
use crate::shards::OnDevice;
use crate::stage::AnyStage;

/// Returns the output of a stage whose parameters are tracked, `[samples, d_l]`, and the gradient of `φ` in them, from one
/// forward pass; the gradient is empty when no parameter is trainable.
///
/// # Errors
/// [`crate::Error::Device`] when the device failed.
pub(super) fn linearized(
    tracked: &AnyStage,
    block: &WeightBlock,
) -> Result<(Tensor<2>, GradientsParams)> {
    let output = tracked.forward(block.input.clone());
    let value = output.clone().inner();
    let samples = block.input.dims()[0] as f64;
    let cotangent = block.loss.gradient(value.clone()) / samples;
    let mut surrogate = (output * cotangent).sum();
    if let Some(form) = tracked.lipschitz().filter(|_| block.has_penalty()) {
        let (constant, derivative) = form.value_and_gradient(block.penalty.norm)?;
        let pressure = derivative * (2.0 * block.penalty.coefficient * constant);
        surrogate = surrogate + (form.kernel * pressure).sum();
    }
    // Burn refuses to go back from a tensor that depends on no tracked one.
    let gradients = if surrogate.is_tracked() {
        GradientsParams::from_grads(surrogate.backward(), tracked)
    } else {
        GradientsParams::new()
    };
    Ok((value, gradients))
}

/// Returns a copy of a module whose parameters are tracked while it behaves as in validation, without dropout: its gradient
/// is that of the objective which trials evaluate.
pub(crate) fn tracked<M: Module>(module: &M) -> M {
    module.clone().train().map(&mut AsInValidation)
}

struct AsInValidation;

impl ModuleMapper for AsInValidation {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

/// Returns a copy of the gradients of a module: optimizers consume those that they are given.
pub(crate) fn copied(module: &impl Module, gradients: &GradientsParams) -> GradientsParams {
    let mut copy = GradientsParams::new();
    add_gradients(module, &mut copy, gradients, 1.0);
    copy
}

/// Adds `factor · term` to `sum` for all parameters of a module; a parameter that has no gradient in either keeps none.
pub(crate) fn add_gradients(
    module: &impl Module,
    sum: &mut GradientsParams,
    term: &GradientsParams,
    factor: f64,
) {
    module.visit(&mut Add { sum, term, factor });
}

struct Add<'a> {
    sum: &'a mut GradientsParams,
    term: &'a GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let Some(term) = self.term.get::<D>(parameter.id) else {
            return;
        };
        // The gradient of a copy comes back to its parameter.
        let term = (term * self.factor).on(&parameter.val().device());
        let sum = match self.sum.remove::<D>(parameter.id) {
            Some(sum) => sum + term,
            None => term,
        };
        self.sum.register(parameter.id, sum);
    }
}
