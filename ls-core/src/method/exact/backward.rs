//! The backward pass that gives every stage its displacement, or the gradient of its parameters.
//!
//! A stage with the affine view responds to its input with pre-activations `u_l`, which its activation follows. One without is a
//! map like any other: its response is its output `h_l`.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::linalg::Affine;
use crate::objective::cross_entropy;
use crate::stage::{AffineStage, AnyStage, PullBack};
use crate::update::tracked;

/// `u_l` at the given coefficients; for a stage without the affine view, which has none, its output.
pub(super) fn response(
    stage: &AnyStage,
    coefficients: Option<&Affine>,
    input: &Tensor<2>,
) -> Tensor<2> {
    match (stage.affine(), coefficients) {
        (Some(stage), Some(coefficients)) => coefficients.apply(stage.rows(input.clone())),
        _ => stage.forward(input.clone()),
    }
}

/// The output that follows a response.
pub(super) fn output(stage: &AnyStage, response: Tensor<2>, input: &Tensor<2>) -> Tensor<2> {
    match stage.affine() {
        Some(stage) => stage.post(response, input),
        None => response,
    }
}

/// Whether the parameters of the stages without the affine view get gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// They do not.
    Standing,
    /// Of the loss as it is measured.
    Moving,
    /// Of the loss as in training, which dropout makes another one.
    Training,
}

/// What a backward pass over a batch finds.
pub(super) struct Backward {
    /// The logits.
    pub logits: Tensor<2>,
    /// `∂ce_n/∂u_{l,n}`, or `∂ce_n/∂h_{l,n}` of a stage without the affine view: of single samples, not divided by their number.
    pub gradients: Vec<Tensor<2>>,
    /// The gradients of `Σ_n ce_n` by [`Parameters`], by stage; empty for a stage with the affine view.
    pub parameters: Vec<GradientsParams>,
}

/// One pass forward and back.
///
/// `pre_activation` is asked for `u_l` once for each stage with the affine view, in their order, with the input `h_{l-1}`; the
/// others compute their outputs themselves. `see` is shown the input and the response of every stage.
pub(super) fn backward(
    stages: &[AnyStage],
    batch: &Batch,
    parameters: Parameters,
    pre_activation: impl Fn(usize, &Tensor<2>) -> Tensor<2>,
    mut see: impl FnMut(&Tensor<2>, &Tensor<2>),
) -> Backward {
    let mut h = batch.inputs.clone();
    let mut links: Vec<Link<'_>> = Vec::with_capacity(stages.len());
    for (l, stage) in stages.iter().enumerate() {
        let is_first = l == 0;
        let (response, next, link) = match stage.affine() {
            Some(affine) => {
                let u = pre_activation(l, &h);
                let (next, pull_back) = affine.linearize_post(u.clone(), &h);
                (u, next, through_affine(affine, pull_back, is_first))
            }
            None => {
                let (next, link) = through_any(stage, h.clone(), parameters, is_first);
                (next.clone(), next, link)
            }
        };
        see(&h, &response);
        links.push(link);
        h = next;
    }
    let mut cotangent = cross_entropy::gradient(h.clone(), &batch.labels);
    let mut found = Backward {
        logits: h,
        gradients: Vec::with_capacity(stages.len()),
        parameters: Vec::with_capacity(stages.len()),
    };
    for link in links.into_iter().rev() {
        let pulled = link(cotangent);
        cotangent = pulled.to_input;
        found.gradients.push(pulled.gradient);
        found.parameters.push(pulled.parameters);
    }
    found.gradients.reverse();
    found.parameters.reverse();
    found
}

/// What comes of a cotangent of a stage's output.
struct Pulled {
    /// By the response.
    gradient: Tensor<2>,
    /// By the input; of the first stage, whose inputs nobody asks about, anything.
    to_input: Tensor<2>,
    parameters: GradientsParams,
}

type Link<'a> = Box<dyn FnOnce(Tensor<2>) -> Pulled + 'a>;

fn through_affine(stage: &dyn AffineStage, pull_back: PullBack, is_first: bool) -> Link<'_> {
    Box::new(move |cotangent| {
        let gradient = pull_back(cotangent.clone());
        let to_input = if is_first {
            cotangent
        } else {
            stage.pull_to_input(gradient.clone(), cotangent)
        };
        Pulled {
            gradient,
            to_input,
            parameters: GradientsParams::new(),
        }
    })
}

fn through_any(
    stage: &AnyStage,
    input: Tensor<2>,
    parameters: Parameters,
    is_first: bool,
) -> (Tensor<2>, Link<'static>) {
    let tracked = match parameters {
        Parameters::Standing => {
            let (output, pull_back) = stage.linearize(input);
            let link = move |cotangent: Tensor<2>| Pulled {
                gradient: cotangent.clone(),
                to_input: if is_first {
                    cotangent
                } else {
                    pull_back(cotangent)
                },
                parameters: GradientsParams::new(),
            };
            return (output, Box::new(link));
        }
        Parameters::Moving => tracked(stage),
        Parameters::Training => stage.clone().train(),
    };
    let leaf = input.autodiff().require_grad();
    let output = tracked.forward(leaf.clone());
    let value = output.clone().inner();
    let link = move |cotangent: Tensor<2>| {
        let gradients = (output * cotangent.clone()).sum().backward();
        let to_input = leaf.grad(&gradients);
        Pulled {
            to_input: to_input.unwrap_or_else(|| leaf.inner().zeros_like()),
            gradient: cotangent,
            parameters: GradientsParams::from_grads(gradients, &tracked),
        }
    };
    (value, Box::new(link))
}

#[cfg(test)]
#[path = "backward_tests.rs"]
mod tests;
