//! Residual convolutional networks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shape::FeatureShape;
use crate::stage::{
    Activation, ConvolutionConfig, Init, Normalization, Pooling, ResidualBlockConfig, StageConfig,
};

/// A residual network of three levels of 16, 32 and 64 channels, each with one block of two 3×3 convolutions (He et al. 2016, arXiv
/// 1512.03385); for small images, and of a size that a few processors train.
///
/// The first convolution halves the sides of images from 24 pixels on by pooling, and a convolution of stride 2 leads from level to level.
/// The last, 1×1, is pooled over the whole image. In a block the first convolution has an activation, and the second has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResnetConfig {
    /// Activation of all hidden stages, but for the last ones of blocks.
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

/// Channels of the levels.
const LEVELS: [usize; 3] = [16, 32, 64];

/// Channels of the last hidden stage.
const LAST: usize = 128;

/// Images with smaller sides are not pooled at the start.
const LARGE_IMAGE: usize = 24;

impl Default for ResnetConfig {
    fn default() -> Self {
        Self {
            activation: Activation::Relu,
            init: Init::Kaiming,
            normalization: Some(Normalization::Group { groups: 4 }),
            binary_weights: false,
        }
    }
}

impl ResnetConfig {
    /// Returns the hidden stages for images of a shape. A vector has no sides; the first convolution refuses it.
    pub(super) fn stages(&self, input: FeatureShape) -> Vec<StageConfig> {
        let mut side = match input {
            FeatureShape::Image { height, width, .. } => height.min(width),
            FeatureShape::Flat(_) => 1,
        };
        let mut stages = Vec::new();
        for (level, channels) in LEVELS.into_iter().enumerate() {
            let entry = self.convolution(channels, 3);
            stages.push(match level {
                0 if side >= LARGE_IMAGE => {
                    side /= 2;
                    let pooling = Some(Pooling::Max { size: 2 });
                    ConvolutionConfig { pooling, ..entry }.into()
                }
                0 => entry.into(),
                _ => {
                    side = side.div_ceil(2);
                    ConvolutionConfig { stride: 2, ..entry }.into()
                }
            });
            stages.push(self.block(channels));
        }
        let size = side;
        let pooling = Some(Pooling::Average { size });
        let last = self.convolution(LAST, 1);
        stages.push(ConvolutionConfig { pooling, ..last }.into());
        stages
    }

    fn convolution(&self, channels: usize, kernel: usize) -> ConvolutionConfig {
        ConvolutionConfig {
            padding: kernel / 2,
            normalization: self.normalization,
            binary_weights: self.binary_weights,
            ..ConvolutionConfig::new(channels, kernel, self.activation)
        }
    }

    fn block(&self, channels: usize) -> StageConfig {
        let first = self.convolution(channels, 3);
        let last = ConvolutionConfig {
            activation: Activation::Identity,
            ..first
        };
        let stages = vec![first.into(), last.into()];
        ResidualBlockConfig { stages }.into()
    }
}
