//! Fully connected stage.

use core::fmt;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::LARGEST_WIDTH;
use super::{Activation, AffineStage, AnyStage, Init, Lipschitz, PullBack, Stage, StageSettings};
use crate::Result;
use crate::error::ensure;
use crate::linalg::{Affine, Operator};
use crate::shape::FeatureShape;

/// Settings of a [`Dense`] stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DenseConfig {
    /// Number of output features, `d_out`.
    pub width: usize,
    /// Activation.
    pub activation: Activation,
}

impl fmt::Display for DenseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.width, self.activation)
    }
}

impl StageSettings for DenseConfig {
    fn output_shape(&self, _input: FeatureShape) -> Result<FeatureShape> {
        let inside = (1..=LARGEST_WIDTH).contains(&self.width);
        ensure(inside, "width", self.width as f64, "from 1 to 1,000,000")?;
        Ok(FeatureShape::Flat(self.width))
    }

    fn parameters(&self, input: FeatureShape) -> Result<usize> {
        Ok((input.features() + 1) * self.width)
    }

    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<AnyStage> {
        let size = [input.features(), self.output_shape(input)?.features()];
        Ok(Dense::init(size, self.activation, init, random, device).into())
    }
}

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
    /// Returns a stage with weights drawn by `init` and zero biases.
    pub fn init(
        [d_in, d_out]: [usize; 2],
        activation: Activation,
        init: Init,
        random: &mut dyn Rng,
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

    /// Returns a stage with the given coefficients.
    pub fn from_coefficients(coefficients: Affine, activation: Activation) -> Self {
        Self {
            weight: Param::from_tensor(coefficients.kernel),
            bias: Param::from_tensor(coefficients.bias),
            activation,
        }
    }

    /// Returns the activation `s`.
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
        // Mapping keeps the parameters' identities, which are the keys of optimizer states.
        self.weight = self.weight.clone().map(|_| coefficients.kernel);
        self.bias = self.bias.clone().map(|_| coefficients.bias);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        self.activation.apply(u)
    }

    fn entrywise_activation(&self) -> Option<Activation> {
        Some(self.activation)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, _output_cotangent: Tensor<2>) -> Tensor<2> {
        u_cotangent.matmul(self.weight.val().inner().transpose())
    }

    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        let [d_in, d_out] = self.weight.val().dims();
        Some(vec![d_out, d_in])
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
