//! Restarts, sample by sample: auxiliary variables return to the forward pass where that lowers the separated loss.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::network::Network;
use crate::objective::{OutputLoss, Weights, cross_entropy};

/// Sets `a_n ← h_n` at all stages for the samples with `head · ce(z_n) < S_n(a)`, which can only lower the separated loss.
///
/// Returns the auxiliary variables, `[samples, d_l]` each. No value leaves the device.
pub fn restart(
    network: &Network,
    weights: &Weights,
    auxiliary: Vec<Tensor<2>>,
    batch: &Batch,
) -> Vec<Tensor<2>> {
    let mut feasible = network.activations(batch.inputs.clone());
    let Some(logits) = feasible.pop() else {
        return auxiliary;
    };
    let at_feasible = cross_entropy::per_sample(logits, &batch.labels) * weights.head;
    let lower = at_feasible.lower(separated_per_sample(network, weights, &auxiliary, batch));
    auxiliary
        .into_iter()
        .zip(feasible)
        .map(|(value, feasible)| {
            let width = value.dims()[1];
            let mask = lower.clone().unsqueeze_dim::<2>(1).repeat_dim(1, width);
            value.mask_where(mask, feasible)
        })
        .collect()
}

/// Returns `S_n(a) = head · ce(ẑ_n) + Σ_l ω_l r_{l,n}²`, `[samples]`.
fn separated_per_sample(
    network: &Network,
    weights: &Weights,
    auxiliary: &[Tensor<2>],
    batch: &Batch,
) -> Tensor<1> {
    let mut previous = batch.inputs.clone();
    let mut sum = Tensor::zeros([batch.len()], &previous.device());
    for ((stage, value), &omega) in network.stages().iter().zip(auxiliary).zip(&weights.omega) {
        let target = value.clone();
        sum = sum + OutputLoss::Residual { target, omega }.per_sample(stage.forward(previous));
        previous = value.clone();
    }
    let logits = network.stages()[network.hidden()].forward(previous);
    sum + cross_entropy::per_sample(logits, &batch.labels) * weights.head
}
