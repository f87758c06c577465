//! The network of a run: an architecture of the library, or one of an application.

use burn::tensor::Device;
use ls_core::model::ModelConfig;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The network of a run, as its configuration file holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub enum RunNetwork {
    /// An architecture of the library.
    Library(ModelConfig),
    /// A network that an application made, such as one with stages of its own, by its name. The application alone can make it
    /// again.
    Application(String),
}

/// The `kind` of a network that an application made.
const APPLICATION: &str = "application";

impl TryFrom<toml::Table> for RunNetwork {
    type Error = String;

    fn try_from(table: toml::Table) -> core::result::Result<Self, String> {
        if table.get("kind").and_then(toml::Value::as_str) != Some(APPLICATION) {
            let config = table.try_into().map(Self::Library);
            return config.map_err(|error: toml::de::Error| error.message().to_owned());
        }
        match table.get("name") {
            Some(toml::Value::String(name)) => Ok(Self::Application(name.clone())),
            _ => Err("model: the network of an application must have a `name`".into()),
        }
    }
}

impl From<RunNetwork> for toml::Table {
    fn from(network: RunNetwork) -> Self {
        match network {
            // Architectures are words, numbers and lists of tables, which TOML holds: a test converts them there and back.
            RunNetwork::Library(config) => Self::try_from(config).unwrap_or_default(),
            RunNetwork::Application(name) => {
                let pairs = [("kind", APPLICATION.to_owned()), ("name", name)];
                let pairs = pairs.map(|(key, value)| (key.to_owned(), value.into()));
                pairs.into_iter().collect()
            }
        }
    }
}

impl From<ModelConfig> for RunNetwork {
    fn from(config: ModelConfig) -> Self {
        Self::Library(config)
    }
}

impl RunNetwork {
    /// Returns the architecture.
    ///
    /// # Errors
    /// [`Error::ApplicationNetwork`] for a network that an application made.
    pub fn library(&self) -> Result<&ModelConfig> {
        match self {
            Self::Library(config) => Ok(config),
            Self::Application(name) => Err(Error::ApplicationNetwork { name: name.clone() }),
        }
    }

    /// Builds the network.
    ///
    /// # Errors
    /// [`Error::ApplicationNetwork`] for a network that an application made, [`Error::Core`] for stages that do not fit.
    pub fn init(
        &self,
        input: FeatureShape,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Network> {
        Ok(self.library()?.init(input, classes, seed, device)?)
    }

    /// Returns the architecture in short, such as `mlp 64-128x2-10 relu`.
    pub fn describe(&self, input: FeatureShape, classes: usize) -> String {
        match self {
            Self::Library(config) => config.describe(input, classes),
            Self::Application(name) => format!("{name} {input}-{classes}"),
        }
    }
}
