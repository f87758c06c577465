//! Architectures that configuration files can name.

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::{Activation, ConvolutionConfig, DenseConfig, Init, Pooling, StageConfig};

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
    /// Any list of stages.
    Stages(StagesConfig),
}

/// Fully connected network: widths of the hidden stages, one activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CnnConfig {
    /// Activation of all hidden stages.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub init: Init,
}

/// Network of any hidden stages; an affine head follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// Shapes and sizes of one stage, known before the network is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageLayout {
    /// Settings of the stage in short, such as `128 relu`.
    pub name: String,
    /// Shape of one output sample.
    pub output: FeatureShape,
    /// Number of weights and biases.
    pub parameters: usize,
    /// Number of entries of all patches of one sample, `positions · c_in k²`; 0 for a stage that is no convolution.
    pub patches: usize,
}

impl StageLayout {
    fn new(stage: &StageConfig, input: FeatureShape) -> Result<Self> {
        Ok(Self {
            name: stage.to_string(),
            // First, since it refuses settings whose sizes would overflow.
            output: stage.output_shape(input)?,
            parameters: stage.parameters(input)?,
            patches: stage.patches(input)?,
        })
    }

    fn head(input: FeatureShape, classes: usize) -> Self {
        Self {
            name: "affine head".into(),
            output: FeatureShape::Flat(classes),
            parameters: (input.features() + 1) * classes,
            patches: 0,
        }
    }
}

impl ModelConfig {
    /// Returns the settings of the hidden stages for inputs of a shape, and the distribution of the initial weights.
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
            let stage = StageLayout::new(&stage, shape)?;
            shape = stage.output;
            layout.push(stage);
        }
        layout.push(StageLayout::head(shape, classes));
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
        let dense = |&width: &usize| DenseConfig { width, activation }.into();
        self.hidden.iter().map(dense).collect()
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] for a width of 0 or fewer than two classes.
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
        let convolution = |kernel, channels, pooling| {
            StageConfig::from(ConvolutionConfig {
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
            vec![convolution(3, 16, None), convolution(3, 32, half)]
        } else {
            vec![convolution(5, 16, half), convolution(5, 32, half)]
        };
        let width = 64;
        stages.push(DenseConfig { width, activation }.into());
        stages
    }
}
