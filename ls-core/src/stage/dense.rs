//! Fully connected stage.

use core::fmt;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::LARGEST_WIDTH;
use super::{
    Activation, AffineStage, AnyStage, Init, Lipschitz, Normalization, PullBack, Stage,
    StageSettings,
};
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
    /// Normalization before the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Whether weights have one bit: the kernel is `α sign W`, with the mean of `|W|` of each output for `α`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub binary_weights: bool,
}

impl DenseConfig {
    /// Returns the settings without what is optional.
    pub const fn new(width: usize, activation: Activation) -> Self {
        Self {
            width,
            activation,
            normalization: None,
            binary_weights: false,
        }
    }
}

impl fmt::Display for DenseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.width)?;
        if self.binary_weights {
            write!(f, "binary ")?;
        }
        if let Some(normalization) = self.normalization {
            write!(f, "{normalization} ")?;
        }
        write!(f, "{}", self.activation)
    }
}

impl StageSettings for DenseConfig {
    fn output_shape(&self, _input: FeatureShape) -> Result<FeatureShape> {
        let inside = (1..=LARGEST_WIDTH).contains(&self.width);
        ensure(inside, "width", self.width as f64, "from 1 to 1,000,000")?;
        if let Some(normalization) = self.normalization {
            normalization.check(self.width)?;
        }
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
    ) -> Result<Vec<AnyStage>> {
        let size = [input.features(), self.output_shape(input)?.features()];
        let stage = Dense::init(size, self.activation, init, random, device);
        let stage = stage.with_normalization(self.normalization);
        Ok(vec![stage.with_binary_weights(self.binary_weights).into()])
    }
}

/// `f(a) = s(a W + b)`, or `s(n(a W + b))` with a [`Normalization`] `n`; with binary weights, [`binarized`](crate::linalg::binarized) takes
/// the place of `W`.
#[derive(Module, Debug)]
pub struct Dense {
    /// `W`, `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    /// `b`, `[d_out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    normalization: Option<Normalization>,
    #[module(skip)]
    binary_weights: bool,
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
            normalization: None,
            binary_weights: false,
        }
    }

    /// Returns the stage with another normalization, of groups that divide its width.
    #[must_use]
    pub fn with_normalization(self, normalization: Option<Normalization>) -> Self {
        Self {
            normalization,
            ..self
        }
    }

    /// Returns the stage with or without binary weights.
    #[must_use]
    pub fn with_binary_weights(self, binary_weights: bool) -> Self {
        Self {
            binary_weights,
            ..self
        }
    }

    /// Returns the kernel that multiplies inputs.
    pub(super) fn kernel(&self) -> Tensor<2> {
        self.used_kernel(self.weight.val())
    }

    /// Returns `s(u)`, or `s(n(u))`.
    fn activate(&self, u: Tensor<2>) -> Tensor<2> {
        self.activation.apply(match self.normalization {
            Some(normalization) => normalization.apply(u),
            None => u,
        })
    }

    /// Returns the activation `s`.
    pub fn activation(&self) -> Activation {
        self.activation
    }
}

impl Stage for Dense {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let u = input.matmul(self.kernel()) + self.bias.val().unsqueeze();
        self.activate(u)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.weight.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.weight.val().dims()[1])
    }

    fn lipschitz(&self) -> Option<Lipschitz> {
        let slope = self.activation.slope()?;
        self.normalization.is_none().then(|| Lipschitz {
            offset: 0.0,
            factor: slope,
            kernel: self.kernel(),
            operator: Operator::Matrix,
        })
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        let kernel = self.kernel().inner();
        let u = input.clone().matmul(kernel.clone()) + self.bias.val().inner().unsqueeze();
        let (output, pull_back) = self.linearize_post(u, &input);
        let to_input = |cotangent| pull_back(cotangent).matmul(kernel.transpose());
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

    fn has_binary_weights(&self) -> bool {
        self.binary_weights
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        self.activate(u)
    }

    fn entrywise_activation(&self) -> Option<Activation> {
        self.normalization.is_none().then_some(self.activation)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, _output_cotangent: Tensor<2>) -> Tensor<2> {
        u_cotangent.matmul(self.kernel().inner().transpose())
    }

    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        let [d_in, d_out] = self.weight.val().dims();
        Some(vec![d_out, d_in])
    }

    fn linearize_post(&self, u: Tensor<2>, _input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        self.activation.linearize_after(self.normalization, u)
    }
}
