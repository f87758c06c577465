//! Auxiliary variables: gradient steps with a line search for each sample, all samples at once.

use burn::tensor::{Bool, Tensor};

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

impl Place {
    fn trials(self) -> usize {
        match self {
            Self::Feasible => 1,
            Self::Anywhere => SEARCH.trials,
        }
    }
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
    let (line, mut own, mut other) = Line::new(block, value, place, next);
    let next_before = other.clone();
    let mut waiting = line.before.clone().equal(line.before.clone());
    // The lengths that were accepted, 0 where none was.
    let (mut accepted_lengths, mut lengths) = (lengths.zeros_like(), lengths);
    for trial in 0..place.trials() {
        let length = lengths.clone() / block.omega.max(SMALLEST_WEIGHT);
        let found = line.at(&length);
        let grown = lengths.clone() * SEARCH.growth;
        if trial == 0 && on_host && is_all(found.falls.clone()) {
            return ArmijoStep {
                value: found.value,
                lengths: clamped(grown),
                own: found.own,
                next: found.other,
                next_before: next_before.squeeze_dim(1),
            };
        }
        let accepted = found.falls.clone().bool_and(waiting.clone());
        let rejected = found.falls.bool_not().bool_and(waiting);
        accepted_lengths = accepted_lengths.mask_where(accepted.clone(), length);
        own = own.mask_where(accepted.clone(), found.own);
        other = other.mask_where(accepted.clone(), found.other);
        let shrunk = lengths.clone() / SEARCH.shrink;
        lengths = lengths
            .mask_where(accepted, grown)
            .mask_where(rejected.clone(), shrunk);
        waiting = rejected;
        if on_host && is_all(waiting.clone().bool_not()) {
            break;
        }
    }
    ArmijoStep {
        value: line.moved(accepted_lengths),
        lengths: clamped(lengths),
        own,
        next: other,
        next_before: next_before.squeeze_dim(1),
    }
}

/// All samples of a block along their gradients.
struct Line<'a> {
    block: &'a AuxiliaryBlock<'a>,
    value: Tensor<2>,
    gradient: Tensor<2>,
    /// `‖∇ψ_n‖²`, `[samples, 1]`.
    square_norm: Tensor<2>,
    /// `ψ_n` at the value, `[samples, 1]`.
    before: Tensor<2>,
}

/// A trial of all samples, `[samples, 1]` but for the value.
struct Trial {
    value: Tensor<2>,
    own: Tensor<2>,
    other: Tensor<2>,
    falls: Tensor<2, Bool>,
}

impl<'a> Line<'a> {
    /// The line, and the misfits of the own and the next stage at its start.
    fn new(
        block: &'a AuxiliaryBlock<'a>,
        value: Tensor<2>,
        place: Place,
        next: Linearized,
    ) -> (Self, Tensor<2>, Tensor<2>) {
        let (other, gradient) = block.next_misfit_and_gradient(next);
        let other = column(other);
        let (own, gradient) = match place {
            Place::Feasible => (other.zeros_like(), gradient),
            Place::Anywhere => {
                let (own, own_gradient) = block.own_misfit_and_gradient(value.clone());
                (column(own), own_gradient + gradient)
            }
        };
        let line = Self {
            square_norm: (gradient.clone() * gradient.clone()).sum_dim(1),
            before: total(block, &own, &other),
            block,
            value,
            gradient,
        };
        (line, own, other)
    }

    /// Each sample at its length.
    fn at(&self, length: &Tensor<2>) -> Trial {
        let value = self.value.clone() - self.gradient.clone() * length.clone();
        let own = column(self.block.own_misfit(value.clone()));
        let output = self.block.next.forward(value.clone());
        let other = column(self.block.next_loss.misfit(output));
        let promised = self.square_norm.clone() * length.clone() * SUFFICIENT_DECREASE;
        // A comparison with NaN is false: values that are not finite are not accepted.
        let falls = total(self.block, &own, &other).lower_equal(self.before.clone() - promised);
        Trial {
            value,
            own,
            other,
            falls,
        }
    }

    /// Each sample at the length that it has accepted. Where a gradient is not finite, a length of 0 alone would not keep the value.
    fn moved(self, lengths: Tensor<2>) -> Tensor<2> {
        let stays = lengths.clone().equal_scalar(0.0).expand(self.value.dims());
        let moved = self.value.clone() - self.gradient * lengths;
        moved.mask_where(stays, self.value)
    }
}

/// `ψ_n` of misfits.
fn total(block: &AuxiliaryBlock<'_>, own: &Tensor<2>, other: &Tensor<2>) -> Tensor<2> {
    own.clone() * block.omega + other.clone() * block.next_loss.weight()
}

fn column(per_sample: Tensor<1>) -> Tensor<2> {
    per_sample.unsqueeze_dim(1)
}

fn clamped(lengths: Tensor<2>) -> Tensor<2> {
    let [shortest, longest] = SEARCH.lengths;
    lengths.clamp(shortest, longest)
}
