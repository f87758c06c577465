//! Architectures that configuration files can name.

mod cnn;
mod mlp;
mod resnet;
mod stages;

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::stage::StageLayout;
pub use cnn::CnnConfig;
pub use mlp::MlpConfig;
pub use resnet::ResnetConfig;
pub use stages::StagesConfig;

use crate::Result;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::{Init, StageConfig};

/// A network for any input shape and number of classes.
///
/// ```
/// use burn::tensor::Device;
/// use ls_core::model::{ModelConfig, StagesConfig};
/// use ls_core::shape::FeatureShape;
///
/// let stages: StagesConfig = toml::from_str(
///     r#"
///     [[stages]]
///     kind = "convolution"
///     channels = 4
///     kernel = 3
///     activation = "relu"
///     pooling = { kind = "max", size = 2 }
///
///     [[stages]]
///     kind = "dense"
///     width = 20
///     activation = "tanh"
///     "#,
/// )?;
/// let model = ModelConfig::Stages(stages);
/// let images = FeatureShape::Image { channels: 1, height: 8, width: 8 };
/// // Sizes are known before anything is allocated.
/// assert_eq!(model.layout(images, 10)?[0].output.to_string(), "4×3×3");
/// let network = model.init(images, 10, 1, &Device::flex())?;
/// assert_eq!(network.classes(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// Fully connected.
    Mlp(MlpConfig),
    /// Convolutional, by default.
    Cnn(CnnConfig),
    /// Convolutional, with residual blocks.
    Resnet(ResnetConfig),
    /// Any list of stages.
    Stages(StagesConfig),
}

impl ModelConfig {
    /// Returns the settings of the hidden stages for inputs of a shape, and the distribution of the initial weights.
    pub fn hidden_stages(&self, input: FeatureShape) -> (Vec<StageConfig>, Init) {
        match self {
            Self::Mlp(config) => (config.stages(), config.init),
            Self::Cnn(config) => (config.stages(input), config.init),
            Self::Resnet(config) => (config.stages(input), config.init),
            Self::Stages(config) => (config.stages.clone(), config.init),
        }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] or [`crate::Error::ShapeMismatch`] when the stages do not fit each other.
    pub fn init(
        &self,
        input: FeatureShape,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Network> {
        let (stages, init) = self.hidden_stages(input);
        Network::init(&stages, init, input, classes, seed, device)
    }

    /// Returns shapes and sizes of all stages, the head last. Nothing is allocated.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn layout(&self, input: FeatureShape, classes: usize) -> Result<Vec<StageLayout>> {
        let mut shape = input;
        let mut layout = Vec::new();
        for stage in self.hidden_stages(input).0 {
            layout.extend(stage.layout(shape)?);
            shape = stage.output_shape(shape)?;
        }
        layout.push(StageLayout {
            name: "affine head".into(),
            output: FeatureShape::Flat(classes),
            parameters: (shape.features() + 1) * classes,
            patches: 0,
        });
        Ok(layout)
    }

    /// Returns the architecture in short, such as `mlp 64-128x2-10 relu`.
    pub fn describe(&self, input: FeatureShape, classes: usize) -> String {
        let (text, binary) = match self {
            Self::Mlp(config) => (config.describe(input, classes), config.binary_weights),
            Self::Cnn(config) => {
                let text = format!("cnn {input}-{classes} {}", config.activation);
                (text, config.binary_weights)
            }
            Self::Resnet(config) => {
                let text = format!("resnet {input}-{classes} {}", config.activation);
                (text, config.binary_weights)
            }
            Self::Stages(config) => {
                let count = config.stages.len();
                (format!("{count} stages {input}-{classes}"), false)
            }
        };
        match binary {
            true => format!("{text}, binary weights"),
            false => text,
        }
    }
}
