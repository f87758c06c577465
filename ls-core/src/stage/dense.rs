//! Fully connected stage.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::{Activation, AffineStage, Init, Lipschitz, PullBack, Stage};
use crate::linalg::{Affine, Operator};
use crate::shape::FeatureShape;

/// `f(a) = s(a W + b)`.
#[derive(Module, Debug)]
pub struct Dense {
    /// `W`, `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    /// `b`, `[d_out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl Dense {
    /// A stage with initialised weights and zero biases.
    pub fn init(
        [d_in, d_out]: [usize; 2],
        activation: Activation,
        init: Init,
        random: &mut impl rand::Rng,
        device: &Device,
    ) -> Self {
        let weight = init.matrix([d_in, d_out], activation, random, device);
        Self::from_coefficients(
            Affine {
                kernel: weight,
                bias: Tensor::zeros([d_out], device),
            },
            activation,
        )
    }

    /// A stage with the given coefficients.
    pub fn from_coefficients(coefficients: Affine, activation: Activation) -> Self {
        Self {
            weight: Param::from_tensor(coefficients.kernel),
            bias: Param::from_tensor(coefficients.bias),
            activation,
        }
    }

    /// The activation `s`.
    pub fn activation(&self) -> Activation {
        self.activation
    }
}

impl Stage for Dense {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let u = input.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        self.activation.apply(u)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.weight.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.weight.val().dims()[1])
    }

    fn lipschitz(&self) -> Option<Lipschitz> {
        Some(Lipschitz {
            offset: 0.0,
            factor: self.activation.slope(),
            kernel: self.weight.val(),
            operator: Operator::Matrix,
        })
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        let coefficients = self.coefficients();
        let (output, pull_back) = self.linearize_post(coefficients.apply(input.clone()), &input);
        let to_input = |cotangent| pull_back(cotangent).matmul(coefficients.kernel.transpose());
        (output, Box::new(to_input))
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl AffineStage for Dense {
    fn coefficients(&self) -> Affine {
        Affine {
            kernel: self.weight.val().inner(),
            bias: self.bias.val().inner(),
        }
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        // Mapping keeps the parameters' identity, which optimizer states and records are keyed by.
        self.weight = self.weight.clone().map(|_| coefficients.kernel);
        self.bias = self.bias.clone().map(|_| coefficients.bias);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        self.activation.apply(u)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, _output_cotangent: Tensor<2>) -> Tensor<2> {
        u_cotangent.matmul(self.weight.val().inner().transpose())
    }

    fn linearize_post(&self, u: Tensor<2>, _input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        let activation = self.activation;
        let h = activation.apply(u.clone());
        let output = h.clone();
        (
            output,
            Box::new(move |cotangent| activation.pull_back(u, h, cotangent)),
        )
    }
}
