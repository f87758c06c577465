//! The backward pass that gives every stage its displacement, or the gradient of its parameters.
//!
//! A stage that is fitted responds to its input with pre-activations `u_l`, which its activation follows. The response of any
//! other is its output `h_l`.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::batch::Batch;
use crate::linalg::Affine;
use crate::method::dropout::Dropout;
use crate::method::stage_role::{MethodStage, StageRole};
use crate::objective::cross_entropy;
use crate::stage::{AffineStage, AnyStage, PullBack};
use crate::update::tracked;

/// `u_l` at the given coefficients; for a stage that is not fitted, which has none, its output.
pub(super) fn response(
    part: &MethodStage<'_>,
    coefficients: Option<&Affine>,
    input: &Tensor<2>,
) -> Tensor<2> {
    match (part.affine(), coefficients) {
        (Some(stage), Some(coefficients)) => {
            stage.pre_activations(coefficients, stage.rows(input.clone()))
        }
        _ => part.stage.forward(input.clone()),
    }
}

/// The output that follows a response.
pub(super) fn output(part: &MethodStage<'_>, response: Tensor<2>, input: &Tensor<2>) -> Tensor<2> {
    match part.affine() {
        Some(stage) => stage.post(response, input),
        None => response,
    }
}

/// Whether the parameters of the stages that move along gradients get them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// They do not.
    None,
    /// Of the loss as it is measured.
    Measured,
    /// Of the loss as in training, which dropout makes another one.
    Training,
}

/// What makes the loss of a pass another one than that which is reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Regularization {
    /// Share of every label that is spread over all classes.
    pub label_smoothing: f64,
    pub dropout: Option<Dropout>,
}

/// What a backward pass over a batch finds.
pub(super) struct Backward {
    /// The logits.
    pub logits: Tensor<2>,
    /// `∂ce_n/∂u_{l,n}`, or `∂ce_n/∂h_{l,n}` of a stage that is not fitted: of single samples, not divided by their number. Of
    /// stages before the first that moves, anything.
    pub gradients: Vec<Tensor<2>>,
    /// The gradients of `Σ_n ce_n` by [`Parameters`], by stage; empty for a stage that does not move along them.
    pub parameters: Vec<GradientsParams>,
}

/// One pass forward and back.
///
/// `pre_activation` is asked for `u_l` once for each stage that is fitted, in their order, with the input `h_{l-1}`; the others
/// compute their outputs themselves. `see` is shown the input and the response of every stage.
pub(super) fn backward(
    parts: &[MethodStage<'_>],
    batch: &Batch,
    parameters: Parameters,
    regularization: Regularization,
    pre_activation: impl Fn(usize, &Tensor<2>) -> Tensor<2>,
    mut see: impl FnMut(&Tensor<2>, &Tensor<2>),
) -> Backward {
    let mut h = batch.inputs.clone().inner();
    let mut links: Vec<Link<'_>> = Vec::with_capacity(parts.len());
    // Nobody asks for gradients before it.
    let first = parts.iter().position(|part| part.role != StageRole::Frozen);
    let first = first.unwrap_or(parts.len());
    for (l, part) in parts.iter().enumerate() {
        let is_first = l == first;
        let (response, next, mut link) = if let Some(affine) = part.affine() {
            let u = pre_activation(l, &h);
            let (next, pull_back) = affine.linearize_post(u.clone(), &h);
            (u, next, through_affine(affine, pull_back, is_first))
        } else {
            let (next, link) = match part.role {
                StageRole::Frozen if l < first => (part.stage.forward(h.clone()), nowhere()),
                StageRole::Frozen => through_any(part.stage, h.clone(), Parameters::None, false),
                _ => through_any(part.stage, h.clone(), parameters, is_first),
            };
            (next.clone(), next, link)
        };
        see(&h, &response);
        let dropout = regularization.dropout.filter(|_| l + 1 < parts.len());
        let factors = dropout.and_then(|dropout| dropout.factors(l, part.stage, &next));
        (h, link) = match factors {
            Some(factors) => (next * factors.clone(), after_factors(link, factors)),
            None => (next, link),
        };
        links.push(link);
    }
    let mut cotangent =
        cross_entropy::smoothed_gradient(h.clone(), &batch.labels, regularization.label_smoothing);
    let mut found = Backward {
        logits: h,
        gradients: Vec::with_capacity(parts.len()),
        parameters: Vec::with_capacity(parts.len()),
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
    /// By the input; of the first stage that moves, whose inputs nobody asks about, anything.
    to_input: Tensor<2>,
    parameters: GradientsParams,
}

type Link<'a> = Box<dyn FnOnce(Tensor<2>) -> Pulled + 'a>;

/// Through a stage whose outputs are multiplied by factors.
fn after_factors(link: Link<'_>, factors: Tensor<2>) -> Link<'_> {
    Box::new(move |cotangent| link(cotangent * factors))
}

/// Through a stage before all that move.
fn nowhere() -> Link<'static> {
    Box::new(|cotangent| Pulled {
        gradient: cotangent.clone(),
        to_input: cotangent,
        parameters: GradientsParams::new(),
    })
}

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
        Parameters::None => {
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
        Parameters::Measured => tracked(stage),
        Parameters::Training => stage.clone().train(),
    };
    let leaf = input.autodiff().require_grad();
    let output = tracked.forward(leaf.clone());
    let value = output.clone().inner();
    let link = move |cotangent: Tensor<2>| {
        // Burn refuses to go back from what depends on no tracked tensor.
        let gradients = output
            .is_tracked()
            .then(|| (output * cotangent.clone()).sum().backward());
        let to_input = gradients.as_ref().and_then(|found| leaf.grad(found));
        let parameters = gradients.map(|found| GradientsParams::from_grads(found, &tracked));
        Pulled {
            to_input: to_input.unwrap_or_else(|| leaf.inner().zeros_like()),
            gradient: cotangent,
            parameters: parameters.unwrap_or_default(),
        }
    };
    (value, Box::new(link))
}

#[cfg(test)]
#[path = "backward_tests.rs"]
mod tests;
