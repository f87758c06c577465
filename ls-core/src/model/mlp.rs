//! Fully connected networks.

use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::{Activation, DenseConfig, Init, Normalization, StageConfig};

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
    /// Normalization of all hidden stages, before their activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Whether the weights of all hidden stages have one bit.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub binary_weights: bool,
}

impl MlpConfig {
    /// Returns the settings with initial weights after Kaiming, and without what is optional.
    pub const fn new(hidden: Vec<usize>, activation: Activation) -> Self {
        Self {
            hidden,
            activation,
            init: Init::Kaiming,
            normalization: None,
            binary_weights: false,
        }
    }

    pub(super) fn stages(&self) -> Vec<StageConfig> {
        let dense = |&width: &usize| {
            StageConfig::from(DenseConfig {
                normalization: self.normalization,
                binary_weights: self.binary_weights,
                ..DenseConfig::new(width, self.activation)
            })
        };
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

    pub(super) fn describe(&self, input: FeatureShape, classes: usize) -> String {
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
