//! The step of one stage.

use burn::tensor::Tensor;

use super::FoofConfig;
use super::decay::StepDecay;
use super::gradient::Gradient;
use super::memory::Memory;
use super::moments::Moments;
use crate::linalg::Affine;

/// Width of kernels that take whole steps.
const USUAL_WIDTH: f64 = 128.0;

/// What a step makes of one stage.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of these per stage and step"
)]
pub(super) enum StageStep {
    /// The stage is not fitted.
    None,
    /// Second moments or gradients are not finite.
    Unusable,
    /// New coefficients, and a number that is finite only if they are.
    Moved(Affine, Tensor<1>),
}

/// Takes a batch into the memory of a stage, and moves its coefficients.
pub(super) fn stage_step(
    config: &FoofConfig,
    memory: &mut Memory,
    Affine { kernel, bias }: Affine,
    gradient: Gradient,
    length: f64,
    decay: StepDecay,
) -> StageStep {
    if !memory.take_in(config, &gradient) {
        return StageStep::Unusable;
    }
    let rate = length * width_factor(&kernel);
    match step(config, memory, &kernel, gradient, rate, decay) {
        Some((step, check)) => {
            let moved = Affine {
                kernel: kernel - step.kernel,
                bias: bias - step.bias,
            };
            StageStep::Moved(moved, check)
        }
        None => StageStep::Unusable,
    }
}

/// The step of a stage's coefficients, and a number that is finite only if it is; `None` where the memory has no directions.
fn step(
    config: &FoofConfig,
    memory: &mut Memory,
    weights: &Tensor<2>,
    gradient: Gradient,
    rate: f64,
    decay: StepDecay,
) -> Option<(Affine, Tensor<1>)> {
    let (directions, inputs) = (memory.directions.as_ref()?, memory.inputs.as_ref()?);
    let mean = inputs.arrays().1.unsqueeze::<2>();
    let taken_off = gradient.is_data.then_some(&mean);
    let [mut kernel, bias] = gradient.rotated(directions, &mean);
    if decay.is_some() {
        kernel = decay.add(kernel, directions.rotated(weights.clone()));
    }
    let start = || Moments::start(directions, &kernel);
    let moments = memory.moments.get_or_insert_with(start);
    let step = moments.step(config, directions, [kernel, bias], taken_off, rate);
    let check = step.check.clone();
    Some((step.coefficients(mean), check))
}

/// `min(1, √(128/√(d_in d_out)))`: the rate of Adam that suits a kernel falls with its size.
fn width_factor(kernel: &Tensor<2>) -> f64 {
    let [inputs, outputs] = kernel.dims();
    let width = ((inputs * outputs) as f64).sqrt();
    (USUAL_WIDTH / width).sqrt().min(1.0)
}
