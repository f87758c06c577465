//! The auxiliary variables of methods that move the weights alone: one pass of auxiliary steps from the feasible point.

use burn::tensor::Tensor;

use super::Separated;
use super::chunks::{default_chunk, for_each_chunk, wave};
use super::separation::reported_weights;
use crate::Result;
use crate::batch::{Batch, Selection};
use crate::network::Network;
use crate::objective::{Measurement, SampleFigures, Weighting, Weights, measure};
use crate::update::feasible_pass;

/// Sets the auxiliary variables of a model to the result of one [`feasible_pass`] over a split at its weights, and measures the split
/// there: `F ≤ C ≤ S ≤ (1+η) F` with self-adaptive weights. A model without auxiliary variables is measured without them.
///
/// The terms of the separated loss are those that the steps were accepted by, not those of the stored variables: where `ω` is as large as
/// the inverse of the rounding, another evaluation could find another residual.
pub(super) fn separate(
    model: &mut Separated,
    weighting: Weighting,
    split: &Batch,
) -> Result<Measurement> {
    let network = &model.network;
    if model.auxiliary.stages() != network.hidden() {
        return measure(network, None, split);
    }
    let weights = reported_weights(weighting, network)?;
    let Passes { figures, values } = passes(network, &weights, split)?;
    let measurement = Measurement::new(figures, Some(&weights))?;
    let whole = values.into_iter().map(|chunks| Tensor::cat(chunks, 0));
    model.auxiliary.scatter(&Selection::All, whole.collect());
    Ok(measurement)
}

/// The passes over all chunks of a split.
struct Passes {
    figures: Vec<SampleFigures>,
    /// `a_l`, by stage and chunk.
    values: Vec<Vec<Tensor<2>>>,
}

fn passes(network: &Network, weights: &Weights, split: &Batch) -> Result<Passes> {
    let chunks: Vec<_> = split.chunks(default_chunk(network)).collect();
    let mut all = Passes {
        figures: Vec::with_capacity(chunks.len()),
        values: vec![Vec::with_capacity(chunks.len()); network.hidden()],
    };
    for_each_chunk(
        chunks.len(),
        wave(&split.inputs.device()),
        |c| Ok(pass(network, weights, &chunks[c])),
        |(figures, values)| {
            all.figures.push(figures);
            for (chunks, value) in all.values.iter_mut().zip(values) {
                chunks.push(value);
            }
        },
    )?;
    Ok(all)
}

/// The figures of a chunk, and its auxiliary variables.
fn pass(network: &Network, weights: &Weights, chunk: &Batch) -> (SampleFigures, Vec<Tensor<2>>) {
    let (pass, logits) = feasible_pass(network, weights, chunk);
    let mut terms = pass.misfits;
    // The loss of the head comes first.
    terms.rotate_right(1);
    (SampleFigures::new(logits, terms, chunk), pass.values)
}
