//! Residual stage: a skip connection around another stage.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Activation, AffineStage, Lipschitz, PullBack, Stage};
use crate::linalg::Affine;
use crate::shape::FeatureShape;
use crate::{Error, Result};

/// `f(a) = a + g(a)` with Lipschitz constant `1 + K_g`.
#[derive(Module, Debug)]
pub struct Residual<S> {
    inner: S,
}

impl<S: AffineStage> Residual<S> {
    /// Wraps a stage that keeps the shape of its input.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the shapes of its inputs and outputs differ.
    pub fn new(inner: S) -> Result<Self> {
        let (input, output) = (inner.input_shape(), inner.output_shape());
        if input == output {
            return Ok(Self { inner });
        }
        Err(Error::ShapeMismatch {
            what: format!("outputs of a residual stage on {input} inputs, which give {output}"),
            expected: input.features(),
            found: output.features(),
        })
    }
}

impl<S: AffineStage> Stage for Residual<S> {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.clone() + self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.inner.output_shape()
    }

    fn lipschitz(&self) -> Option<Lipschitz> {
        let inner = self.inner.lipschitz()?;
        Some(Lipschitz {
            offset: 1.0 + inner.offset,
            ..inner
        })
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        let (output, pull_back) = self.inner.linearize(input.clone());
        let around = |cotangent: Tensor<2>| cotangent.clone() + pull_back(cotangent);
        (input + output, Box::new(around))
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl<S: AffineStage> AffineStage for Residual<S> {
    fn coefficients(&self) -> Affine {
        self.inner.coefficients()
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        self.inner.set_coefficients(coefficients);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.rows(input)
    }

    fn rows_per_sample(&self) -> usize {
        self.inner.rows_per_sample()
    }

    fn post(&self, u: Tensor<2>, input: &Tensor<2>) -> Tensor<2> {
        input.clone() + self.inner.post(u, input)
    }

    fn entrywise_activation(&self) -> Option<Activation> {
        self.inner.entrywise_activation()
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2> {
        self.inner
            .pull_to_input(u_cotangent, output_cotangent.clone())
            + output_cotangent
    }

    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        self.inner.pytorch_weight_shape()
    }

    fn linearize_post(&self, u: Tensor<2>, input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        let (output, pull_back) = self.inner.linearize_post(u, input);
        (input.clone() + output, pull_back)
    }
}
