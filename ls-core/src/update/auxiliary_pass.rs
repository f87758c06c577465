//! One pass over the auxiliary blocks, from the last stage to the first.

use burn::tensor::Tensor;

use super::AuxiliaryBlock;
use super::armijo::{ArmijoStep, Place, armijo_step};
use super::block::Linearized;
use crate::batch::Batch;
use crate::network::Network;
use crate::objective::{Weights, cross_entropy};

/// Relative length of first auxiliary steps: `ψ` has curvature of about `4 ω_l`, half from each side.
pub const FIRST_AUXILIARY_STEP: f64 = 0.25;

/// The result of a pass: all variables, and the terms of the separated loss at them.
pub struct AuxiliaryPass {
    /// `a_1, …, a_{L-1}`, `[samples, d_l]` each.
    pub values: Vec<Tensor<2>>,
    /// Lengths to start the next pass from, `[samples, 1]` each.
    pub lengths: Vec<Tensor<2>>,
    /// `r_{1,n}², …, r_{L-1,n}²`, then `ce(ẑ_n)`, `[samples]` each, as the trials found them.
    pub misfits: Vec<Tensor<1>>,
}

/// Moves all auxiliary blocks once by [`armijo_pass`](super::armijo_pass), from the last stage to the first, each against the moved
/// variable of the stage behind it.
///
/// `values` are the variables `a_l`, `lengths` the first lengths of their steps, and `first` is `f_1(x)`, where it is known. Every stage
/// is evaluated and linearized once, before anything moves: what a block changes is the input of the stage behind it, whose own block has
/// moved already.
///
/// A block stays where its weight, or one behind it, is beyond half of the largest number of the network's precision: the step would be
/// shorter than any number can tell.
pub fn auxiliary_pass(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    first: Option<Tensor<2>>,
    values: Vec<Tensor<2>>,
    lengths: Vec<Tensor<2>>,
) -> AuxiliaryPass {
    let first = first.unwrap_or_else(|| network.stages()[0].forward(batch.inputs.clone()));
    let pairs = network.stages()[1..].iter().zip(&values);
    let start = Linearization {
        place: Place::Anywhere,
        first,
        later: pairs
            .map(|(stage, value)| Linearized::new(stage, value.clone()))
            .collect(),
        values,
        lengths,
    };
    start.descend(network, weights, batch).0
}

/// The result of a pass from the feasible point.
pub struct FeasiblePass {
    /// `a_1, …, a_{L-1}`, `[samples, d_l]` each.
    pub values: Vec<Tensor<2>>,
    /// `r_{1,n}², …, r_{L-1,n}²`, then `ce(ẑ_n)`, `[samples]` each.
    pub misfits: Vec<Tensor<1>>,
    /// The logits `z` of the plain forward pass, `[samples, K]`.
    pub logits: Tensor<2>,
    /// Their cross-entropies, `[samples]`.
    pub losses: Tensor<1>,
}

/// Moves all auxiliary blocks once from the feasible point `a_l = h_l`, with one trial for each sample; `first` is `f_1(x)`, where it is
/// known.
///
/// This is a backward pass: `a_l - h_l` is `-∂ce_n/∂h_l` times a positive number for each sample. Since no block raises the separated loss,
/// and its value at the start is `head · ce(z_n)`,
///
/// `F ≤ C ≤ S ≤ head · F`
///
/// with self-adaptive weights.
pub fn feasible_pass(
    network: &Network,
    weights: &Weights,
    batch: &Batch,
    first: Option<Tensor<2>>,
) -> FeasiblePass {
    let first = first.unwrap_or_else(|| network.stages()[0].forward(batch.inputs.clone()));
    let later = &network.stages()[1..];
    let mut start = Linearization {
        place: Place::Feasible,
        first: first.clone(),
        later: Vec::with_capacity(later.len()),
        values: Vec::with_capacity(later.len()),
        lengths: Vec::with_capacity(later.len()),
    };
    let length = Tensor::full([batch.len(), 1], FIRST_AUXILIARY_STEP, &first.device());
    let mut h = first;
    for stage in later {
        let next = Linearized::new(stage, h.clone());
        start.values.push(h);
        start.lengths.push(length.clone());
        h = next.output.clone();
        start.later.push(next);
    }
    let (pass, head) = start.descend(network, weights, batch);
    // Unknown where no block could move.
    let losses = head.unwrap_or_else(|| cross_entropy::per_sample(h.clone(), &batch.labels));
    FeasiblePass {
        values: pass.values,
        misfits: pass.misfits,
        logits: h,
        losses,
    }
}

/// The stages at the variables that a pass starts from.
struct Linearization {
    place: Place,
    /// `f_1(x)`.
    first: Tensor<2>,
    /// `f_2, …, f_{L-1}` and the head at `a_1, …, a_{L-1}`.
    later: Vec<Linearized>,
    values: Vec<Tensor<2>>,
    lengths: Vec<Tensor<2>>,
}

impl Linearization {
    /// The pass, and the cross-entropies before it where the last block has moved.
    fn descend(
        self,
        network: &Network,
        weights: &Weights,
        batch: &Batch,
    ) -> (AuxiliaryPass, Option<Tensor<1>>) {
        let Self {
            place,
            first,
            mut later,
            mut values,
            mut lengths,
        } = self;
        let outputs: Vec<_> = core::iter::once(first)
            .chain(later.iter().map(|next| next.output.clone()))
            .collect();
        let mut misfits = vec![None; outputs.len()];
        let mut head = None;
        let first_that_moves = first_that_moves(network, weights);
        for l in (first_that_moves..values.len()).rev() {
            let Some(next) = later.pop() else { break };
            let block = AuxiliaryBlock {
                target: outputs[l].clone(),
                omega: weights.omega[l],
                next: &network.stages()[l + 1],
                next_loss: weights.output_loss(l + 1, &values, batch),
            };
            let length = lengths[l].clone();
            let step = armijo_step(&block, values[l].clone(), place, next, length);
            let ArmijoStep {
                value, own, next, ..
            } = step;
            values[l] = value;
            lengths[l] = step.lengths;
            head.get_or_insert(step.next_before);
            misfits[l] = Some(own.squeeze_dim(1));
            misfits[l + 1] = Some(next.squeeze_dim(1));
        }
        let unmoved = |l: usize| {
            let loss = weights.output_loss(l, &values, batch);
            loss.misfit(outputs[l].clone())
        };
        let misfits = misfits.into_iter().enumerate();
        let misfits = misfits.map(|(l, found)| found.unwrap_or_else(|| unmoved(l)));
        let misfits = misfits.collect();
        let pass = AuxiliaryPass {
            values,
            lengths,
            misfits,
        };
        (pass, head)
    }
}

/// The first block whose step the precision of the network can tell, counted from 0. Blocks are evaluated with gradients of twice their
/// weight.
fn first_that_moves(network: &Network, weights: &Weights) -> usize {
    let limit = network.largest_number() / 2.0;
    // The product of an infinite constant and a zero is NaN.
    let beyond = |&omega: &f64| omega.is_nan() || omega > limit;
    let last = weights.omega.iter().rposition(beyond);
    last.map_or(0, |last| last + 1)
}
