//! Auxiliary block: gradient steps with a step size per sample.

use burn::tensor::Tensor;

use super::SUFFICIENT_DECREASE;
use crate::objective::OutputLoss;
use crate::stage::AnyStage;

const TRIALS: usize = 3;
const GROWTH: f64 = 1.5;
const SHRINK: f64 = 3.0;

/// Range of the relative steps: without it a sample whose gradient is zero for hundreds of passes would end at a step that
/// is not finite.
const STEPS: [f64; 2] = [1e-6, 1e6];

/// Keeps lengths finite where the weight of a residual vanishes, as it does behind a head of zeros.
const SMALLEST_WEIGHT: f64 = 1e-30;

/// One hidden stage's auxiliary variable with everything it meets, for the samples of a batch.
///
/// Given the weights, the separated loss is a sum over samples; the part that holds `a_l` is
/// `ψ_n(a) = ω_l ‖a_n - f_l(a_{l-1,n})‖² + next_loss_n(f_{l+1}(a_n))`.
pub struct AuxiliaryBlock<'a> {
    /// `f_l(a_{l-1})`, `[samples, d_l]`.
    pub target: Tensor<2>,
    /// `ω_l`.
    pub omega: f64,
    /// The stage that `a_l` feeds.
    pub next: &'a AnyStage,
    /// What that stage's output is compared with.
    pub next_loss: OutputLoss,
}

impl AuxiliaryBlock<'_> {
    /// `ψ_n(a)`, `[samples]`.
    pub fn per_sample(&self, value: Tensor<2>) -> Tensor<1> {
        self.own_loss().per_sample(value.clone())
            + self.next_loss.per_sample(self.next.forward(value))
    }

    /// `∂ψ_n/∂a_n`, `[samples, d_l]`.
    pub fn gradient(&self, value: Tensor<2>) -> Tensor<2> {
        self.value_and_gradient(value).1
    }

    /// `ψ_n(a)` and its derivative from one pass through the next stage.
    fn value_and_gradient(&self, value: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        let own = self.own_loss();
        let (output, pull_back) = self.next.linearize(value.clone());
        let per_sample = own.per_sample(value.clone()) + self.next_loss.per_sample(output.clone());
        let gradient = own.gradient(value) + pull_back(self.next_loss.gradient(output));
        (per_sample, gradient)
    }

    fn own_loss(&self) -> OutputLoss {
        OutputLoss::Residual {
            target: self.target.clone(),
            omega: self.omega,
        }
    }
}

/// One pass over an auxiliary block: each sample tries its own step up to three times and moves when `ψ_n` falls enough.
///
/// `steps`, `[samples, 1]`, are relative to `1/ω_l`; they grow by 1.5 after a success and shrink by 3 after a failure.
/// Returns the moved values and the steps to start the next pass from. Nothing is read from the device.
pub fn armijo_pass(
    block: &AuxiliaryBlock<'_>,
    value: Tensor<2>,
    steps: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let (before, gradient) = block.value_and_gradient(value.clone());
    let square_norm = (gradient.clone() * gradient.clone()).sum_dim(1);
    let before = before.unsqueeze_dim::<2>(1);
    let width = value.dims()[1];
    let (mut moved, mut steps) = (value.clone(), steps);
    let mut waiting = before.clone().equal(before.clone());
    for _ in 0..TRIALS {
        let length = steps.clone() / block.omega.max(SMALLEST_WEIGHT);
        let candidate = value.clone() - gradient.clone() * length.clone();
        let promised = square_norm.clone() * length * SUFFICIENT_DECREASE;
        let after = block.per_sample(candidate.clone()).unsqueeze_dim::<2>(1);
        // A comparison with NaN is false: what is not finite is not accepted.
        let falls = after.lower_equal(before.clone() - promised);
        let accepted = falls.clone().bool_and(waiting.clone());
        let rejected = falls.bool_not().bool_and(waiting.clone());
        moved = moved.mask_where(accepted.clone().repeat_dim(1, width), candidate);
        let grown = steps.clone() * GROWTH;
        let shrunk = steps.clone() / SHRINK;
        steps = steps
            .mask_where(accepted, grown)
            .mask_where(rejected.clone(), shrunk);
        waiting = rejected;
    }
    (moved, steps.clamp(STEPS[0], STEPS[1]))
}
