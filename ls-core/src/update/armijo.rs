//! Auxiliary variables: gradient steps with a line search for each sample, all samples at once.

use burn::tensor::Tensor;

use super::block::Linearized;
use super::{AuxiliaryBlock, Backtracking, SUFFICIENT_DECREASE};
use crate::device::runs_on_host;
use crate::linalg::is_all;

/// The search of each sample. The range of lengths keeps them finite: a sample whose gradient is zero accepts every trial, for
/// hundreds of passes.
const SEARCH: Backtracking = Backtracking {
    growth: 1.5,
    shrink: 3.0,
    trials: 3,
    expands: false,
    lengths: [1e-6, 1e6],
};

/// Keeps lengths finite where the weight of a residual vanishes, as it does behind a head of zeros.
const SMALLEST_WEIGHT: f64 = 1e-30;

/// Where the value of a block stands before its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the output of its stage, where its residual and the gradient of that vanish. There is one trial: unless `η` is large, self-adaptive
    /// weights bound the curvature, and samples reject it only where their decrease drowns in rounding; in a network that has converged these
    /// are many.
    Feasible,
    /// Anywhere else.
    Anywhere,
}

/// The result of a step of all samples of a block.
pub(super) struct ArmijoStep {
    /// `a_l`, `[samples, d_l]`.
    pub value: Tensor<2>,
    /// Lengths to start the next step from, `[samples, 1]`.
    pub lengths: Tensor<2>,
    /// `r_{l,n}²`, `[samples, 1]`.
    pub own: Tensor<2>,
    /// `r_{l+1,n}²` or the cross-entropy, without its weight, `[samples, 1]`.
    pub next: Tensor<2>,
    /// That before the step, `[samples]`.
    pub next_before: Tensor<1>,
}

/// Moves each sample of an auxiliary block along its own gradient, by the first of up to three falling lengths at which `ψ_n` falls
/// sufficiently; a sample without one stays.
///
/// `lengths`, `[samples, 1]`, are relative to `1/ω_l`; they grow by 1.5 after a success and shrink by 3 after a failure.
/// Returns the moved values, `[samples, d_l]`, and the lengths to start the next pass from.
pub fn armijo_pass(
    block: &AuxiliaryBlock<'_>,
    value: Tensor<2>,
    lengths: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let next = Linearized::new(block.next, value.clone());
    let step = armijo_step(block, value, Place::Anywhere, next, lengths);
    (step.value, step.lengths)
}

/// Makes the step of [`armijo_pass`] with the next stage linearized at the value.
///
/// No value leaves the device, but for one on the processors of this machine, where that costs nothing: trials end once every sample
/// has a length.
pub(super) fn armijo_step(
    block: &AuxiliaryBlock<'_>,
    value: Tensor<2>,
    place: Place,
    next: Linearized,
    lengths: Tensor<2>,
) -> ArmijoStep {
    let on_host = runs_on_host(&value.device());
    let column = |per_sample: Tensor<1>| per_sample.unsqueeze_dim::<2>(1);
    let (other, gradient) = block.next_misfit_and_gradient(next);
    let next_before = other.clone();
    let mut other = column(other);
    let (mut own, gradient) = match place {
        Place::Feasible => (other.zeros_like(), gradient),
        Place::Anywhere => {
            let (own, own_gradient) = block.own_misfit_and_gradient(value.clone());
            (column(own), own_gradient + gradient)
        }
    };
    let square_norm = (gradient.clone() * gradient.clone()).sum_dim(1);
    let total =
        |own: Tensor<2>, other: Tensor<2>| own * block.omega + other * block.next_loss.weight();
    let before = total(own.clone(), other.clone());
    let curvature = block.omega.max(SMALLEST_WEIGHT);
    let moved_by = |length: &Tensor<2>| value.clone() - gradient.clone() * length.clone();
    let mut lengths = lengths;
    let mut waiting = before.clone().equal(before.clone());
    // The lengths that were accepted, 0 where none was.
    let mut accepted_lengths = lengths.zeros_like();
    let trials = match place {
        Place::Feasible => 1,
        Place::Anywhere => SEARCH.trials,
    };
    for trial in 0..trials {
        let length = lengths.clone() / curvature;
        let candidate = moved_by(&length);
        let promised = square_norm.clone() * length.clone() * SUFFICIENT_DECREASE;
        let own_after = column(block.own_misfit(candidate.clone()));
        let output = block.next.forward(candidate.clone());
        let other_after = column(block.next_loss.misfit(output));
        let after = total(own_after.clone(), other_after.clone());
        // A comparison with NaN is false: values that are not finite are not accepted.
        let falls = after.lower_equal(before.clone() - promised);
        let grown = lengths.clone() * SEARCH.growth;
        if trial == 0 && on_host && is_all(falls.clone()) {
            return ArmijoStep {
                value: candidate,
                lengths: clamped(grown),
                own: own_after,
                next: other_after,
                next_before,
            };
        }
        let accepted = falls.clone().bool_and(waiting.clone());
        let rejected = falls.bool_not().bool_and(waiting.clone());
        accepted_lengths = accepted_lengths.mask_where(accepted.clone(), length);
        own = own.mask_where(accepted.clone(), own_after);
        other = other.mask_where(accepted.clone(), other_after);
        let shrunk = lengths.clone() / SEARCH.shrink;
        lengths = lengths
            .mask_where(accepted, grown)
            .mask_where(rejected.clone(), shrunk);
        waiting = rejected;
        if on_host && is_all(waiting.clone().bool_not()) {
            break;
        }
    }
    // Where a gradient is not finite, a length of 0 alone would not keep the value.
    let stays = accepted_lengths.clone().equal_scalar(0.0);
    let stays = stays.expand(value.dims());
    ArmijoStep {
        value: moved_by(&accepted_lengths).mask_where(stays, value.clone()),
        lengths: clamped(lengths),
        own,
        next: other,
        next_before,
    }
}

fn clamped(lengths: Tensor<2>) -> Tensor<2> {
    let [shortest, longest] = SEARCH.lengths;
    lengths.clamp(shortest, longest)
}
