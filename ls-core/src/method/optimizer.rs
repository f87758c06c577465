//! Burn's optimizers by name, with Burn's own configurations.

use burn::config::Config;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdamConfig, AdamWConfig, LionConfig, ModuleOptimizer, RmsPropConfig, SgdConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::{Error, Result};

/// Momentum of the optimizer `sgd`.
const MOMENTUM: f64 = 0.9;

/// `ε` of Adam and its kin, as published and as elsewhere. Burn's default of 1e-5 keeps Adam at chance where gradients vanish.
const EPSILON: f32 = 1e-8;

/// Name of an optimizer of Burn.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::VariantArray,
    strum::IntoStaticStr,
    strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OptimizerName {
    /// Gradient descent without momentum.
    Gd,
    /// Stochastic gradient descent with momentum 0.9.
    Sgd,
    /// Adam.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
    /// `RMSprop`.
    RmsProp,
    /// `AdaGrad`.
    AdaGrad,
    /// Lion.
    Lion,
}

/// How a configuration of Burn writes its weight decay.
enum Decay {
    /// `weight_decay = { penalty = λ }`, or none.
    Penalty,
    /// `weight_decay = λ`.
    Number,
}

/// One optimizer: a line of the registry.
struct Entry {
    /// Learning rate that is a fair first guess for small networks.
    learning_rate: f64,
    decay: Decay,
    /// Burn's configuration with the usual constants, as a table.
    defaults: fn() -> Result<toml::Table>,
    init: fn(toml::Table) -> Result<ModuleOptimizer>,
}

/// Makes an [`Entry`] from a configuration of Burn.
macro_rules! entry {
    ($config:ty, $default:expr, $rate:expr, $decay:ident) => {
        Entry {
            learning_rate: $rate,
            decay: Decay::$decay,
            defaults: || table(&$default),
            init: |table| Ok(parsed::<$config>(table)?.init()),
        }
    };
}

impl OptimizerName {
    fn entry(self) -> Entry {
        match self {
            Self::Gd => entry!(SgdConfig, SgdConfig::new(), 0.3, Penalty),
            Self::Sgd => entry!(SgdConfig, sgd(), 0.05, Penalty),
            Self::Adam => entry!(
                AdamConfig,
                AdamConfig::new().with_epsilon(EPSILON),
                1e-3,
                Penalty
            ),
            Self::AdamW => entry!(
                AdamWConfig,
                AdamWConfig::new().with_epsilon(EPSILON),
                1e-3,
                Number
            ),
            Self::RmsProp => entry!(
                RmsPropConfig,
                RmsPropConfig::new().with_epsilon(EPSILON),
                1e-3,
                Penalty
            ),
            Self::AdaGrad => entry!(
                AdaGradConfig,
                AdaGradConfig::new().with_epsilon(EPSILON),
                1e-2,
                Penalty
            ),
            Self::Lion => entry!(LionConfig, LionConfig::new(), 1e-4, Number),
        }
    }

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns a learning rate that is a fair first guess for small networks; sweeps start around it.
    pub fn learning_rate(self) -> f64 {
        self.entry().learning_rate
    }

    /// Returns a fair first guess for the blocks of `alternating`. The weights of the residuals scale plain gradients there, by a
    /// hundred and more; adaptive optimizers divide that scale out again.
    pub fn block_learning_rate(self) -> f64 {
        match self {
            Self::Gd | Self::Sgd => 1e-3,
            other => other.learning_rate(),
        }
    }
}

fn sgd() -> SgdConfig {
    let momentum = MomentumConfig::new()
        .with_momentum(MOMENTUM)
        .with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum))
}

/// An optimizer of Burn with its constants.
///
/// In files it is a name, `optimizer = "adam"`, or a table of the name and the constants that differ from the usual ones:
/// `optimizer = { name = "adam", beta_1 = 0.8 }`. The keys are those of Burn's own configuration of the optimizer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OptimizerText", into = "OptimizerText")]
pub struct OptimizerConfig {
    name: OptimizerName,
    /// Constants that differ from the usual ones.
    constants: toml::Table,
}

impl From<OptimizerName> for OptimizerConfig {
    fn from(name: OptimizerName) -> Self {
        Self {
            name,
            constants: toml::Table::new(),
        }
    }
}

impl OptimizerConfig {
    /// Sets constants of an optimizer by the keys of Burn's configuration.
    ///
    /// # Errors
    /// [`Error::Settings`] for a key or a value that the optimizer does not have.
    pub fn new(name: OptimizerName, constants: toml::Table) -> Result<Self> {
        let config = Self { name, constants };
        config.table(None).and_then(config.name.entry().init)?;
        Ok(config)
    }

    /// Returns the name.
    pub fn name(&self) -> OptimizerName {
        self.name
    }

    /// Makes a fresh optimizer, with its own weight decay or the given one.
    ///
    /// # Errors
    /// [`Error::Settings`] for a decay beyond f32.
    pub fn init(&self, weight_decay: Option<f64>) -> Result<ModuleOptimizer> {
        (self.name.entry().init)(self.table(weight_decay)?)
    }

    /// The complete configuration: usual constants, overridden ones, weight decay.
    fn table(&self, weight_decay: Option<f64>) -> Result<toml::Table> {
        let entry = self.name.entry();
        let mut table = (entry.defaults)()?;
        let optional = [
            "weight_decay",
            "grad_clipping",
            "gradient_clipping",
            "momentum",
        ];
        for (key, value) in &self.constants {
            if !table.contains_key(key) && !optional.contains(&key.as_str()) {
                let known: Vec<_> = table.keys().map(String::as_str).collect();
                return Err(Error::Settings {
                    of: format!("optimizer `{}`", self.name.name()),
                    reason: format!("it has no `{key}`; it has: {}", known.join(", ")),
                });
            }
            table.insert(key.clone(), value.clone());
        }
        if let Some(decay) = weight_decay {
            let value = match entry.decay {
                Decay::Number => decay.into(),
                Decay::Penalty => {
                    toml::Value::Table([("penalty".to_owned(), decay.into())].into_iter().collect())
                }
            };
            table.insert("weight_decay".into(), value);
        }
        Ok(table)
    }
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OptimizerText {
    Name(String),
    Table(toml::Table),
}

impl TryFrom<OptimizerText> for OptimizerConfig {
    type Error = Error;

    fn try_from(text: OptimizerText) -> Result<Self> {
        let (name, constants) = match text {
            OptimizerText::Name(name) => (name, toml::Table::new()),
            OptimizerText::Table(mut table) => match table.remove("name") {
                Some(toml::Value::String(name)) => (name, table),
                _ => {
                    return Err(Error::Settings {
                        of: "optimizer".into(),
                        reason: "there must be a `name`".into(),
                    });
                }
            },
        };
        let known = || OptimizerName::VARIANTS.iter().map(|name| name.name());
        let name = name.parse().map_err(|_| Error::UnknownName {
            kind: "optimizer",
            name,
            known: known().collect(),
        })?;
        Self::new(name, constants)
    }
}

impl From<OptimizerConfig> for OptimizerText {
    fn from(config: OptimizerConfig) -> Self {
        let name = config.name.name().to_owned();
        if config.constants.is_empty() {
            return Self::Name(name);
        }
        let mut table = config.constants;
        table.insert("name".into(), name.into());
        Self::Table(table)
    }
}

impl JsonSchema for OptimizerConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        OptimizerName::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Options take the name; tables are for files.
        OptimizerName::json_schema(generator)
    }
}

fn table(config: &impl Config) -> Result<toml::Table> {
    toml::Table::try_from(config).map_err(|error| settings(&error))
}

fn parsed<C: Config>(table: toml::Table) -> Result<C> {
    table.try_into().map_err(|error| settings(&error))
}

fn settings(reason: &dyn core::fmt::Display) -> Error {
    Error::Settings {
        of: "optimizer".into(),
        reason: reason.to_string().trim().replace('\n', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimizer_can_be_made_with_and_without_a_decay() {
        for &name in OptimizerName::VARIANTS {
            for decay in [None, Some(1e-3)] {
                assert!(OptimizerConfig::from(name).init(decay).is_ok(), "{name:?}");
            }
            let text = toml::Value::try_from(OptimizerConfig::from(name)).unwrap();
            assert_eq!(text.as_str(), Some(name.name()));
        }
    }

    #[test]
    fn constants_are_read_by_their_names_and_unknown_ones_refused() {
        let read = |text: &str| {
            let table: toml::Table = text.parse().unwrap();
            OptimizerConfig::try_from(OptimizerText::Table(table))
        };
        let adam = read("name = \"adam\"\nbeta_1 = 0.8").unwrap();
        assert_eq!(adam.table(None).unwrap()["beta_1"].as_float(), Some(0.8));
        let back = toml::Value::try_from(&adam).unwrap();
        assert_eq!(
            back.get("beta_1").and_then(toml::Value::as_float),
            Some(0.8)
        );
        let refused = read("name = \"adam\"\nbeta_3 = 0.8")
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("`beta_3`") && refused.contains("beta_1"),
            "{refused}"
        );
        let refused = read("name = \"newton\"").unwrap_err().to_string();
        assert!(
            refused.contains("newton") && refused.contains("adagrad"),
            "{refused}"
        );
        assert!(read("name = \"adam\"\nbeta_1 = \"much\"").is_err());
    }

    #[test]
    fn adam_and_its_kin_take_the_usual_epsilon() {
        for name in [
            OptimizerName::Adam,
            OptimizerName::AdamW,
            OptimizerName::RmsProp,
            OptimizerName::AdaGrad,
        ] {
            let table = OptimizerConfig::from(name).table(None).unwrap();
            // 1e-8 rounded to f32.
            let epsilon = table["epsilon"].as_float().unwrap();
            assert!((epsilon - 1e-8).abs() < 1e-15, "{name:?}: {epsilon}");
        }
    }
}
