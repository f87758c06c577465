//! A forward and a backward pass over one batch.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::Result;
use crate::batch::Batch;
use crate::linalg::to_f64;
use crate::method::Scaling;
use crate::method::backward::{Backward, Parameters, backward, response};
use crate::method::stage_role::MethodStage;
use crate::objective::cross_entropy;
use crate::stage::AffineStage;
use crate::update::add_gradients;

/// A forward and a backward pass over a batch.
pub(super) struct Pass {
    /// `h_{l-1}`.
    pub inputs: Vec<Tensor<2>>,
    /// `u_l`, or `h_l` of a stage that is not fitted.
    responses: Vec<Tensor<2>>,
    /// `∂ce_n/∂u_{l,n}`, or `∂ce_n/∂h_{l,n}`.
    pub gradients: Vec<Tensor<2>>,
    /// Gradients of `Σ_n ce_n` by the parameters of the stages that are not fitted, by stage.
    parameters: Vec<GradientsParams>,
    /// `c_l`.
    pub scales: Vec<f64>,
    /// `F` of the batch.
    pub loss: f64,
    /// `F` of equal probabilities.
    pub guess: f64,
}

impl Pass {
    pub(super) fn new(parts: &[MethodStage<'_>], batch: &Batch) -> Result<Self> {
        let mut inputs = Vec::with_capacity(parts.len());
        let mut responses = Vec::with_capacity(parts.len());
        let Backward {
            logits,
            gradients,
            parameters,
        } = backward(
            parts,
            batch,
            Parameters::Training,
            |l, input| {
                let coefficients = parts[l].affine().map(AffineStage::coefficients);
                response(&parts[l], coefficients.as_ref(), input)
            },
            |input, response| {
                inputs.push(input.clone());
                responses.push(response.clone());
            },
        );
        let classes = logits.dims()[1] as f64;
        let losses = cross_entropy::per_sample(logits, &batch.labels);
        let squares = gradients.iter().map(|g| (g.clone() * g.clone()).sum());
        // Leaves the device once per step: a run that blows up has to be noticed before it is averaged into anything.
        let figures = to_f64(Tensor::cat(
            core::iter::once(losses.mean()).chain(squares).collect(),
            0,
        ))?;
        let dims: Vec<_> = gradients.iter().map(Tensor::dims).collect();
        let fitted: Vec<_> = parts.iter().map(MethodStage::is_fitted).collect();
        let scales = Scaling::Norm.factors(&figures[1..], &dims, &fitted);
        Ok(Self {
            inputs,
            responses,
            gradients,
            parameters,
            scales,
            loss: figures[0],
            guess: classes.ln(),
        })
    }

    /// Gradients of the batch's mean loss by the parameters of the stages that are not fitted.
    pub(super) fn parameter_gradients(&self, parts: &[MethodStage<'_>]) -> GradientsParams {
        let mut mean = GradientsParams::new();
        let share = 1.0 / self.inputs[0].dims()[0] as f64;
        for (part, gradients) in parts.iter().zip(&self.parameters) {
            add_gradients(part.stage, &mut mean, gradients, share);
        }
        mean
    }

    /// `a_l = post(u_l - τ c_l ∂ce/∂u_l)` of the hidden stages; `h_l` of those that are not fitted.
    pub(super) fn targets(self, parts: &[MethodStage<'_>], length: f64) -> Vec<Tensor<2>> {
        let mut input = self.inputs[0].clone();
        let pairs = self.responses.into_iter().zip(self.gradients);
        let hidden = pairs.take(parts.len() - 1).enumerate();
        hidden
            .map(|(l, (u, gradient))| {
                input = match parts[l].affine() {
                    Some(stage) => stage.post(u - gradient * (length * self.scales[l]), &input),
                    None => u,
                };
                input.clone()
            })
            .collect()
    }
}
