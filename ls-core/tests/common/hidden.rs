//! A stage without the affine view.

use burn::module::Module;
use burn::tensor::Tensor;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Dense, Stage};

/// A dense stage that shows its forward pass alone.
#[derive(Module, Debug)]
pub(crate) struct Hidden {
    pub(crate) inner: Dense,
}

impl Stage for Hidden {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.inner.output_shape()
    }
}
