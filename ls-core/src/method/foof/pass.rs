//! A forward and a backward pass over one batch.

use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::Result;
use crate::batch::Batch;
use crate::linalg::scalar_f64;
use crate::method::backward::{Backward, Parameters, Regularization, backward, response};
use crate::method::stage_role::MethodStage;
use crate::objective::cross_entropy;
use crate::stage::AffineStage;
use crate::update::add_gradients;

/// A forward and a backward pass over a batch.
pub(super) struct Pass {
    /// `h_{l-1}`.
    pub inputs: Vec<Tensor<2>>,
    /// `∂ce_n/∂u_{l,n}`, or `∂ce_n/∂h_{l,n}`.
    pub gradients: Vec<Tensor<2>>,
    /// Gradients of `Σ_n ce_n` by the parameters of the stages that are not fitted, by stage.
    parameters: Vec<GradientsParams>,
    /// `F` of the batch.
    pub loss: f64,
    /// `F` of equal probabilities.
    pub guess: f64,
}

impl Pass {
    pub(super) fn new(
        parts: &[MethodStage<'_>],
        batch: &Batch,
        regularization: Regularization,
    ) -> Result<Self> {
        let mut inputs = Vec::with_capacity(parts.len());
        let Backward {
            logits,
            gradients,
            parameters,
        } = backward(
            parts,
            batch,
            Parameters::Training,
            regularization,
            |l, input| {
                let coefficients = parts[l].affine().map(AffineStage::coefficients);
                response(&parts[l], coefficients.as_ref(), input)
            },
            |input, _| inputs.push(input.clone()),
        );
        let classes = logits.dims()[1] as f64;
        let losses = cross_entropy::per_sample(logits, &batch.labels);
        // Leaves the device once per step: a run that blows up has to be noticed before it is averaged into anything.
        let loss = scalar_f64(losses.mean())?;
        Ok(Self {
            inputs,
            gradients,
            parameters,
            loss,
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
}
