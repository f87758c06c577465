//! Architectures as configurations name them.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::{Activation, ConvolutionConfig, Init, Pooling, StageConfig};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ModelConfig {
    /// Fully connected.
    Mlp(MlpConfig),
    /// Convolutional, by default.
    Cnn(CnnConfig),
    /// Any list of stages.
    Stages(StagesConfig),
}

/// Fully connected network: widths of the hidden stages, one activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MlpConfig {
    /// `d_1, …, d_{L-1}`.
    pub hidden: Vec<usize>,
    /// Activation of all hidden stages.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub init: Init,
}

/// Two convolutions with pooling and one dense stage of 64; 5×5 kernels, or 3×3 on images smaller than 16×16.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CnnConfig {
    /// Activation of all hidden stages.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub init: Init,
}

/// A free list of hidden stages; an affine head follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StagesConfig {
    /// Distribution of the initial weights.
    #[serde(default = "kaiming")]
    pub init: Init,
    /// The hidden stages.
    pub stages: Vec<StageConfig>,
}

fn kaiming() -> Init {
    Init::Kaiming
}

/// One stage of a network that is not built yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageLayout {
    /// The stage in short.
    pub name: String,
    /// Shape of one output sample.
    pub output: FeatureShape,
    /// Number of weights and biases.
    pub parameters: usize,
    /// Entries of the patches of one sample; 0 without a convolution.
    pub patches: usize,
}

impl ModelConfig {
    /// Returns the hidden stages for inputs of a shape, and the distribution of the initial weights.
    pub fn hidden_stages(&self, input: FeatureShape) -> (Vec<StageConfig>, Init) {
        match self {
            Self::Mlp(config) => (config.stages(), config.init),
            Self::Cnn(config) => (config.stages(input), config.init),
            Self::Stages(config) => (config.stages.clone(), config.init),
        }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] or [`Error::ShapeMismatch`] when the stages do not fit each other.
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

    /// Returns shapes and sizes of all stages, the head last, without allocating any.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn layout(&self, input: FeatureShape, classes: usize) -> Result<Vec<StageLayout>> {
        let mut shape = input;
        let mut layout = Vec::new();
        for stage in self.hidden_stages(input).0 {
            // The shape comes first: it refuses what would overflow the others.
            let output = stage.output_shape(shape)?;
            let (parameters, patches) = (stage.parameters(shape)?, stage.patches(shape)?);
            shape = output;
            layout.push(StageLayout {
                name: stage.to_string(),
                output: shape,
                parameters,
                patches,
            });
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
        match self {
            Self::Mlp(config) => config.describe(input, classes),
            Self::Cnn(config) => format!("cnn {input}-{classes} {}", config.activation),
            Self::Stages(config) => {
                let count = config.stages.len();
                format!("{count} stages {input}-{classes}")
            }
        }
    }
}

impl MlpConfig {
    fn stages(&self) -> Vec<StageConfig> {
        let activation = self.activation;
        let dense = |&width: &usize| StageConfig::Dense { width, activation };
        self.hidden.iter().map(dense).collect()
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for a width of 0 or fewer than two classes.
    pub fn init(
        &self,
        input: FeatureShape,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Network> {
        Network::init(&self.stages(), self.init, input, classes, seed, device)
    }

    fn describe(&self, input: FeatureShape, classes: usize) -> String {
        let hidden = self.hidden.chunk_by(|a, b| a == b).map(|run| match run {
            [width] => width.to_string(),
            _ => format!("{}x{}", run[0], run.len()),
        });
        let widths: Vec<_> = core::iter::once(input.features().to_string())
            .chain(hidden)
            .chain([classes.to_string()])
            .collect();
        format!("mlp {} {}", widths.join("-"), self.activation)
    }
}

/// Images with a smaller side get 3×3 kernels.
const SMALL_IMAGE: usize = 16;

impl CnnConfig {
    fn stages(&self, input: FeatureShape) -> Vec<StageConfig> {
        let activation = self.activation;
        let pooled = |kernel, channels, pooling| {
            StageConfig::Convolution(ConvolutionConfig {
                channels,
                kernel,
                stride: 1,
                padding: 0,
                activation,
                pooling,
            })
        };
        let half = Some(Pooling::Max { size: 2 });
        let small = match input {
            FeatureShape::Image { height, width, .. } => height.min(width) < SMALL_IMAGE,
            FeatureShape::Flat(_) => false,
        };
        let mut stages = if small {
            vec![pooled(3, 16, None), pooled(3, 32, half)]
        } else {
            vec![pooled(5, 16, half), pooled(5, 32, half)]
        };
        stages.push(StageConfig::Dense {
            width: 64,
            activation,
        });
        stages
    }
}
