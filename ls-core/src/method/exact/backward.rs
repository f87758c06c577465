//! The backward pass that gives every stage its displacement.

use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::objective::cross_entropy;
use crate::stage::AffineStage;

/// The logits of a batch, and `∂ce_n/∂u_{l,n}` of all stages: of single samples, not divided by their number.
///
/// `pre_activation` is asked for `u_l` once for each stage, in their order, with the input `h_{l-1}`.
pub(super) fn backward(
    stages: &[&dyn AffineStage],
    batch: &Batch,
    mut pre_activation: impl FnMut(usize, &Tensor<2>) -> Tensor<2>,
) -> (Tensor<2>, Vec<Tensor<2>>) {
    let mut output = batch.inputs.clone();
    let mut pull_backs = Vec::with_capacity(stages.len());
    for (l, stage) in stages.iter().enumerate() {
        let u = pre_activation(l, &output);
        let (next, pull_back) = stage.linearize_post(u, &output);
        pull_backs.push(pull_back);
        output = next;
    }
    let mut cotangent = cross_entropy::gradient(output.clone(), &batch.labels);
    let mut gradients = Vec::with_capacity(stages.len());
    for (l, (stage, pull_back)) in stages.iter().zip(pull_backs).enumerate().rev() {
        let gradient = pull_back(cotangent.clone());
        if l > 0 {
            cotangent = stage.pull_to_input(gradient.clone(), cotangent);
        }
        gradients.push(gradient);
    }
    gradients.reverse();
    (output, gradients)
}
