//! Small convolutional networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::FeatureShape;
use crate::stage::{
    Activation, ConvolutionConfig, DenseConfig, Init, Normalization, Pooling, StageConfig,
};

/// Two convolutions with pooling and one dense stage of 64; 5×5 kernels, or 3×3 on images smaller than 16×16.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CnnConfig {
    /// Activation of all hidden stages.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub init: Init,
    /// Normalization of all hidden stages, before their activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Whether the weights of all hidden stages have one bit.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub binary_weights: bool,
}

/// Images with a smaller side get 3×3 kernels.
const SMALL_IMAGE: usize = 16;

impl CnnConfig {
    /// Returns the settings with initial weights after Kaiming, and without what is optional.
    pub const fn new(activation: Activation) -> Self {
        Self {
            activation,
            init: Init::Kaiming,
            normalization: None,
            binary_weights: false,
        }
    }

    pub(super) fn stages(&self, input: FeatureShape) -> Vec<StageConfig> {
        let Self {
            activation,
            normalization,
            binary_weights,
            ..
        } = *self;
        let convolution = |kernel, channels, pooling| {
            StageConfig::from(ConvolutionConfig {
                pooling,
                normalization,
                binary_weights,
                ..ConvolutionConfig::new(channels, kernel, activation)
            })
        };
        let half = Some(Pooling::Max { size: 2 });
        let small = match input {
            FeatureShape::Image { height, width, .. } => height.min(width) < SMALL_IMAGE,
            FeatureShape::Flat(_) => false,
        };
        let mut stages = if small {
            vec![convolution(3, 16, None), convolution(3, 32, half)]
        } else {
            vec![convolution(5, 16, half), convolution(5, 32, half)]
        };
        let width = 64;
        stages.push(
            DenseConfig {
                normalization,
                binary_weights,
                ..DenseConfig::new(width, activation)
            }
            .into(),
        );
        stages
    }
}
