//! Geometry of a convolution stage.

use core::fmt;

use burn::tensor::Device;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Convolution;
use crate::error::ensure;
use crate::linalg::ConvolutionSizes;
use crate::shape::FeatureShape;
use crate::stage::settings::LARGEST_WIDTH;
use crate::stage::{Activation, AnyStage, Init, Normalization, Pooling, StageSettings};
use crate::{Error, Result};

/// Largest kernel, stride and padding. No sum or product of sizes up to it overflows.
const LARGEST_SIDE: usize = 4096;

/// Settings of a [`Convolution`] stage, with square kernels and zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConvolutionConfig {
    /// Output channels.
    pub channels: usize,
    /// Side `k` of the kernel.
    pub kernel: usize,
    /// Stride `s`.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zero padding on each side.
    #[serde(default)]
    pub padding: usize,
    /// Normalization before the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation.
    pub activation: Activation,
    /// Pooling after the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Whether weights have one bit: the kernel is `α sign W`, with the mean of `|W|` of each channel for `α`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub binary_weights: bool,
}

fn one() -> usize {
    1
}

impl fmt::Display for ConvolutionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kernel, channels, ..
        } = self;
        write!(f, "{kernel}×{kernel}×{channels} ")?;
        if self.binary_weights {
            write!(f, "binary ")?;
        }
        if let Some(normalization) = self.normalization {
            write!(f, "{normalization} ")?;
        }
        write!(f, "{}", self.activation)?;
        if self.stride != 1 {
            write!(f, ", stride {}", self.stride)?;
        }
        if self.padding != 0 {
            write!(f, ", padding {}", self.padding)?;
        }
        match self.pooling {
            Some(pooling) => write!(f, ", {pooling}"),
            None => Ok(()),
        }
    }
}

impl ConvolutionConfig {
    /// Returns the settings with stride 1, without padding, and without what is optional.
    pub const fn new(channels: usize, kernel: usize, activation: Activation) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            padding: 0,
            normalization: None,
            activation,
            pooling: None,
            binary_weights: false,
        }
    }

    /// Returns the sizes of the convolution on input images.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the kernel does not fit the image or a setting lies outside its range,
    /// [`Error::NotAnImage`] for flat inputs.
    pub(super) fn sizes(&self, input: FeatureShape) -> Result<ConvolutionSizes> {
        let [inputs, height, width] = image(input)?;
        self.check_ranges()?;
        Ok(ConvolutionSizes {
            inputs,
            outputs: self.channels,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            image: [height, width],
            positions: [self.positions(height)?, self.positions(width)?],
        })
    }

    fn check_ranges(&self) -> Result<()> {
        let Self {
            channels,
            kernel,
            stride,
            padding,
            ..
        } = *self;
        for (field, value) in [
            ("channels", channels),
            ("kernel", kernel),
            ("stride", stride),
        ] {
            ensure(value >= 1, field, value as f64, "1 or more")?;
        }
        for (field, value) in [("padding", padding), ("kernel", kernel), ("stride", stride)] {
            let inside = value <= LARGEST_SIDE;
            ensure(inside, field, value as f64, "at most 4096")?;
        }
        let inside = channels <= LARGEST_WIDTH;
        ensure(inside, "channels", channels as f64, "at most 1,000,000")
    }

    /// Returns the number of positions of the kernel along a side of the image.
    fn positions(&self, side: usize) -> Result<usize> {
        let padded = side + 2 * self.padding;
        let allowed = "at most the side of the padded image";
        ensure(padded >= self.kernel, "kernel", self.kernel as f64, allowed)?;
        Ok((padded - self.kernel) / self.stride + 1)
    }
}

impl StageSettings for ConvolutionConfig {
    fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        let [mut height, mut width] = self.sizes(input)?.positions;
        if let Some(normalization) = self.normalization {
            normalization.check(self.channels)?;
        }
        if let Some(pooling) = self.pooling {
            let size = pooling.size();
            let fits = (1..=height.min(width)).contains(&size);
            let allowed = "from 1 to the side of the image";
            ensure(fits, "pooling size", size as f64, allowed)?;
            (height, width) = (height / size, width / size);
        }
        Ok(FeatureShape::Image {
            channels: self.channels,
            height,
            width,
        })
    }

    fn parameters(&self, input: FeatureShape) -> Result<usize> {
        let [channels, ..] = image(input)?;
        Ok(self.channels * (channels * self.kernel * self.kernel + 1))
    }

    fn patches(&self, input: FeatureShape) -> Result<usize> {
        let sizes = self.sizes(input)?;
        let [rows, columns] = sizes.positions;
        Ok(rows * columns * sizes.inputs * self.kernel * self.kernel)
    }

    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Vec<AnyStage>> {
        let stage = Convolution::init(*self, input, init, random, device)?;
        Ok(vec![stage.into()])
    }
}

/// Returns channels, height and width of an image.
pub(in crate::stage) fn image(shape: FeatureShape) -> Result<[usize; 3]> {
    match shape {
        FeatureShape::Image {
            channels,
            height,
            width,
        } => Ok([channels, height, width]),
        FeatureShape::Flat(features) => Err(Error::NotAnImage { features }),
    }
}
