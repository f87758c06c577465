//! Convolution stage with a skip connection.

use core::fmt;

use burn::tensor::Device;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activation, AnyStage, Convolution, ConvolutionConfig, Init, Residual, StageSettings};
use crate::Result;
use crate::error::ensure;
use crate::shape::FeatureShape;

/// Settings of a [`Residual`] around a [`Convolution`] with stride 1 and padding that keeps the shape of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResidualConvolutionConfig {
    /// Side of the kernel; odd.
    pub kernel: usize,
    /// Activation.
    pub activation: Activation,
}

impl ResidualConvolutionConfig {
    /// Returns the settings of the convolution inside.
    fn inner(&self, input: FeatureShape) -> Result<ConvolutionConfig> {
        let Self { kernel, activation } = *self;
        let odd = "odd, so that the stage keeps the shape of its input";
        ensure(kernel % 2 == 1, "kernel", kernel as f64, odd)?;
        let channels = match input {
            FeatureShape::Image { channels, .. } => channels,
            // The convolution refuses vectors, whatever its number of channels.
            FeatureShape::Flat(_) => 1,
        };
        Ok(ConvolutionConfig {
            padding: kernel / 2,
            ..ConvolutionConfig::new(channels, kernel, activation)
        })
    }
}

impl fmt::Display for ResidualConvolutionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, activation } = self;
        write!(f, "residual {kernel}×{kernel} {activation}")
    }
}

impl StageSettings for ResidualConvolutionConfig {
    fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        self.inner(input)?.output_shape(input)
    }

    fn parameters(&self, input: FeatureShape) -> Result<usize> {
        self.inner(input)?.parameters(input)
    }

    fn patches(&self, input: FeatureShape) -> Result<usize> {
        self.inner(input)?.patches(input)
    }

    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Vec<AnyStage>> {
        let inner = Convolution::init(self.inner(input)?, input, init, random, device)?;
        Ok(vec![Residual::new(inner)?.into()])
    }
}
