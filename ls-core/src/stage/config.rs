//! Stages as configurations name them: shapes and sizes are known before anything is allocated.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Activation, AnyStage, ConvolutionConfig, Dense, Init, Residual};
use crate::Result;
use crate::error::ensure;
use crate::shape::FeatureShape;

/// Wider stages are a slip of the keyboard, and sizes below it cannot overflow.
pub(super) const WIDEST: usize = 1_000_000;

/// One hidden stage; its input shape follows from the stage before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StageConfig {
    /// Fully connected.
    Dense {
        /// Number of features.
        width: usize,
        /// Activation.
        activation: Activation,
    },
    /// Convolution, with optional pooling.
    Convolution(ConvolutionConfig),
    /// Fully connected with a skip connection, as wide as its input.
    ResidualDense {
        /// Activation.
        activation: Activation,
    },
    /// Convolution with a skip connection, stride 1 and padding that keeps the shape of its input.
    ResidualConvolution {
        /// Side of the kernel; odd.
        kernel: usize,
        /// Activation.
        activation: Activation,
    },
}

impl StageConfig {
    /// Shape of one output sample.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] or [`crate::Error::ShapeMismatch`] when the stage does not fit its input.
    pub fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        match self {
            Self::Dense { width, .. } => {
                let sensible = (1..=WIDEST).contains(width);
                ensure(sensible, "width", *width as f64, "from 1 to 1,000,000")?;
                Ok(FeatureShape::Flat(*width))
            }
            Self::Convolution(config) => config.output_shape(input),
            Self::ResidualDense { .. } => Ok(FeatureShape::Flat(input.features())),
            Self::ResidualConvolution { kernel, activation } => {
                same_shape(*kernel, *activation, input)?.output_shape(input)
            }
        }
    }

    /// Number of weights and biases.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn parameters(&self, input: FeatureShape) -> Result<usize> {
        let d = input.features();
        Ok(match self {
            Self::Dense { width, .. } => (d + 1) * width,
            Self::ResidualDense { .. } => (d + 1) * d,
            Self::Convolution(config) => config.parameters(input)?,
            Self::ResidualConvolution { kernel, activation } => {
                same_shape(*kernel, *activation, input)?.parameters(input)?
            }
        })
    }

    /// Entries of the patches of one sample, which a weight step holds all at once; 0 where the inputs serve as they are.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn patches(&self, input: FeatureShape) -> Result<usize> {
        match self {
            Self::Dense { .. } | Self::ResidualDense { .. } => Ok(0),
            Self::Convolution(config) => config.patches(input),
            Self::ResidualConvolution { kernel, activation } => {
                same_shape(*kernel, *activation, input)?.patches(input)
            }
        }
    }

    /// A stage with initialised weights.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut impl rand::Rng,
        device: &Device,
    ) -> Result<AnyStage> {
        let d = input.features();
        Ok(match self {
            Self::Dense { width, activation } => {
                self.output_shape(input)?;
                AnyStage::Dense(Dense::init([d, *width], *activation, init, random, device))
            }
            Self::ResidualDense { activation } => {
                let inner = Dense::init([d, d], *activation, init, random, device);
                AnyStage::ResidualDense(Residual::new(inner)?)
            }
            Self::Convolution(config) => {
                AnyStage::Convolution(config.init(input, init, random, device)?)
            }
            Self::ResidualConvolution { kernel, activation } => {
                let config = same_shape(*kernel, *activation, input)?;
                let inner = config.init(input, init, random, device)?;
                AnyStage::ResidualConvolution(Residual::new(inner)?)
            }
        })
    }
}

impl core::fmt::Display for StageConfig {
    /// In short, such as `128 relu` or `5×5×16 relu, max 2`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Dense { width, activation } => write!(f, "{width} {activation}"),
            Self::Convolution(config) => write!(f, "{config}"),
            Self::ResidualDense { activation } => write!(f, "residual {activation}"),
            Self::ResidualConvolution { kernel, activation } => {
                write!(f, "residual {kernel}×{kernel} {activation}")
            }
        }
    }
}

/// The convolution inside a residual stage.
fn same_shape(
    kernel: usize,
    activation: Activation,
    input: FeatureShape,
) -> Result<ConvolutionConfig> {
    let odd = "odd, so that the stage keeps the shape of its input";
    ensure(kernel % 2 == 1, "kernel", kernel as f64, odd)?;
    let channels = match input {
        FeatureShape::Image { channels, .. } => channels,
        FeatureShape::Flat(_) => 1,
    };
    Ok(ConvolutionConfig {
        channels,
        kernel,
        stride: 1,
        padding: kernel / 2,
        activation,
        pooling: None,
    })
}
