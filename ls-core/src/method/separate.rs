//! The auxiliary variables of methods that move the weights alone: one pass of auxiliary steps from the feasible point.

use burn::tensor::Tensor;

use super::Separated;
use super::chunks::{default_chunk, for_each_chunk, wave};
use super::separation::reported_weights;
use crate::Result;
use crate::batch::Batch;
use crate::network::Network;
use crate::objective::{Measurement, SampleFigures, Weighting, Weights, cross_entropy, measure};
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
    let chunks: Vec<_> = split.chunks(default_chunk(network)).collect();
    let mut figures = Vec::with_capacity(chunks.len());
    for_each_chunk(
        chunks.len(),
        wave(&split.inputs.device()),
        |c| Ok((pass(network, &weights, &chunks[c]), c)),
        |((own, values), c)| {
            figures.push(own);
            model.auxiliary.scatter(&chunks[c].selection, values);
        },
    )?;
    Measurement::new(figures, Some(&weights))
}

/// The figures of a chunk, and its auxiliary variables.
fn pass(network: &Network, weights: &Weights, chunk: &Batch) -> (SampleFigures, Vec<Tensor<2>>) {
    let (pass, logits, losses) = feasible_pass(network, weights, chunk);
    let mut terms = pass.misfits;
    // The loss of the head comes first.
    terms.rotate_right(1);
    let correct = cross_entropy::correct(logits, &chunk.labels);
    (SampleFigures::new(losses, correct, terms), pass.values)
}
