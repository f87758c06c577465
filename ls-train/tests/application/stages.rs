//! Stages that the library does not know.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use ls_core::linalg::Affine;
use ls_core::shape::FeatureShape;
use ls_core::stage::{AffineStage, Dense, Stage};

/// `u σ(u)` of an affine map: affine before its activation, and without a Lipschitz constant.
#[derive(Module, Debug)]
pub(crate) struct Swish {
    pub(crate) affine: Dense,
}

impl Stage for Swish {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.post(self.affine.forward(input.clone()), &input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.affine.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.affine.output_shape()
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl AffineStage for Swish {
    fn coefficients(&self) -> Affine {
        self.affine.coefficients()
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        self.affine.set_coefficients(coefficients);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        u.clone() * sigmoid(u)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2> {
        self.affine.pull_to_input(u_cotangent, output_cotangent)
    }
}

/// `a ⊙ exp(g)`, which is not affine in its parameters.
#[derive(Module, Debug)]
pub(crate) struct Scale {
    pub(crate) exponents: Param<Tensor<1>>,
}

impl Stage for Scale {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input * self.exponents.val().exp().unsqueeze()
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.exponents.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}
