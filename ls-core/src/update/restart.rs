//! Restarts, sample by sample: auxiliary variables return to the forward pass where that lowers the separated loss.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::network::Network;
use crate::objective::{Weights, cross_entropy};

/// Sets `a_n ← h_n` at all stages for the samples with `head · ce(z_n) < S_n(a)`, which can only lower the separated loss.
///
/// `first` is the output of the first stage, `f_1(x)`, where it is known. Returns the auxiliary variables, `[samples, d_l]` each. No value
/// leaves the device.
pub fn restart(
    network: &Network,
    weights: &Weights,
    first: Option<&Tensor<2>>,
    auxiliary: Vec<Tensor<2>>,
    batch: &Batch,
) -> Vec<Tensor<2>> {
    if auxiliary.is_empty() {
        return auxiliary;
    }
    let first = match first {
        Some(first) => first.clone(),
        None => network.stages()[0].forward(batch.inputs.clone()),
    };
    let mut h = first.clone();
    let mut feasible = Vec::with_capacity(auxiliary.len());
    for stage in &network.stages()[1..] {
        let next = stage.forward(h.clone());
        feasible.push(core::mem::replace(&mut h, next));
    }
    let at_feasible = cross_entropy::per_sample(h, &batch.labels) * weights.head;
    let separated = separated_per_sample(&first, network, weights, &auxiliary, batch);
    // A sample whose separated loss is not a number returns as well.
    let lower = separated.lower_equal(at_feasible).bool_not();
    auxiliary
        .into_iter()
        .zip(feasible)
        .map(|(value, feasible)| {
            let mask = lower.clone().unsqueeze_dim::<2>(1).expand(value.dims());
            value.mask_where(mask, feasible)
        })
        .collect()
}

/// Returns `S_n(a) = head · ce(ẑ_n) + Σ_l ω_l r_{l,n}²`, `[samples]`.
fn separated_per_sample(
    first: &Tensor<2>,
    network: &Network,
    weights: &Weights,
    auxiliary: &[Tensor<2>],
    batch: &Batch,
) -> Tensor<1> {
    let later = network.stages()[1..].iter().zip(auxiliary);
    let later = later.map(|(stage, value)| stage.forward(value.clone()));
    let outputs = core::iter::once(first.clone()).chain(later);
    let terms = outputs.enumerate().map(|(l, output)| {
        let loss = weights.output_loss(l, auxiliary, batch);
        loss.per_sample(output)
    });
    let zero = Tensor::zeros([batch.len()], &batch.inputs.device());
    terms.fold(zero, |sum, term| sum + term)
}
