//! The auxiliary variables of methods that move the weights alone: one pass of auxiliary steps from the feasible point.

use burn::tensor::Tensor;

use super::Separated;
use super::chunks::{default_chunk, for_each_chunk, wave};
use super::separation::reported_weights;
use crate::Result;
use crate::batch::Batch;
use crate::network::{Network, Replicas};
use crate::objective::{Measurement, SampleFigures, Weighting, Weights, cross_entropy, measure};
use crate::shards::for_each_chunk as for_each_chunk_on_shards;
use crate::update::feasible_pass;

/// Sets the auxiliary variables of a model to the result of one [`feasible_pass`] over a split at its weights, and measures the split
/// there: `F ≤ C ≤ S ≤ (1+η) F` with self-adaptive weights. A model without auxiliary variables is measured without them.
///
/// The samples pass in chunks of `chunk`, or of a size that suits the network; `known` is `u_1` of each chunk, where a method has kept it.
///
/// Of a split in shards the variables are dropped after the measurement, and those of the model stay as they are: they are as many numbers
/// as all samples together have hidden units, too many to send home after every sweep, and no step depends on them.
///
/// The terms of the separated loss are those that the steps were accepted by, not those of the stored variables: where `ω` is as large as
/// the inverse of the rounding, another evaluation could find another residual.
pub(super) fn separate(
    model: &mut Separated,
    weighting: Weighting,
    split: &Batch,
    chunk: Option<usize>,
    known: Option<&[Tensor<2>]>,
) -> Result<Measurement> {
    let network = &model.network;
    if model.auxiliary.stages() != network.hidden() {
        return measure(network, None, split);
    }
    let weights = reported_weights(weighting, network)?;
    let size = chunk.unwrap_or_else(|| default_chunk(network));
    let chunks = split.chunks_on_shards(size);
    let home = split.inputs.device();
    let replicas = Replicas::new(network, home.clone());
    let mut figures = Vec::with_capacity(chunks.len());
    let compute = |c: usize| {
        let chunk = &chunks[c];
        let network = replicas.on(&chunk.inputs.device());
        let known = known
            .zip(network.stages()[0].affine())
            .map(|(known, affine)| affine.post(known[c].clone(), &chunk.inputs));
        Ok((pass(known, &network, &weights, chunk), c))
    };
    if split.is_sharded() {
        let devices = chunks.iter().map(|chunk| chunk.inputs.device());
        let devices: Vec<_> = devices.collect();
        for_each_chunk_on_shards(&devices, compute, |((own, _), _)| figures.push(own))?;
    } else {
        for_each_chunk(chunks.len(), wave(&home), compute, |((own, values), c)| {
            figures.push(own);
            model.auxiliary.scatter(&chunks[c].selection, values);
        })?;
    }
    Measurement::new(figures, Some(&weights), &home)
}

/// Sets the auxiliary variables of a model to those that `values` gives for a chunk of samples, and measures a split there. A model
/// without auxiliary variables is measured without them.
pub(super) fn measure_at(
    model: &mut Separated,
    weighting: Weighting,
    split: &Batch,
    values: impl Fn(&Network, &Batch) -> Vec<Tensor<2>>,
) -> Result<Measurement> {
    let network = &model.network;
    if model.auxiliary.stages() != network.hidden() {
        return measure(network, None, split);
    }
    for chunk in split.chunks(default_chunk(network)) {
        let values = values(network, &chunk);
        model.auxiliary.scatter(&chunk.selection, values);
    }
    let weights = reported_weights(weighting, network)?;
    measure(network, Some((&model.auxiliary, &weights)), split)
}

/// The figures of a chunk, and its auxiliary variables.
fn pass(
    first: Option<Tensor<2>>,
    network: &Network,
    weights: &Weights,
    chunk: &Batch,
) -> (SampleFigures, Vec<Tensor<2>>) {
    let pass = feasible_pass(network, weights, chunk, first);
    let mut terms = pass.misfits;
    // The loss of the head comes first.
    terms.rotate_right(1);
    let correct = cross_entropy::correct(pass.logits, &chunk.labels);
    let figures = SampleFigures::new(pass.losses, correct, Some((terms, weights)));
    (figures, pass.values)
}
