//! Optimizers by name: those of Burn, with Burn's own configurations, and SOAP.

mod muon;
mod registry;
mod soap;

use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

pub use soap::{Soap, SoapConfig, SoapState};

use crate::network::Network;
use crate::{Error, Result};
use registry::Decay;

/// Name of an optimizer.
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
    /// Adan.
    Adan,
    /// `RMSprop`.
    RmsProp,
    /// `AdaGrad`.
    AdaGrad,
    /// Adafactor.
    AdaFactor,
    /// LAMB.
    Lamb,
    /// Lion.
    Lion,
    /// Muon for the kernels of hidden stages, Adam with decoupled weight decay for the rest.
    Muon,
    /// SOAP: Adam in the eigenbasis of Shampoo's preconditioner.
    Soap,
}

impl OptimizerName {
    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns a learning rate that is a fair first guess for small networks; sweeps start around it.
    pub fn learning_rate(self) -> f64 {
        self.entry().learning_rate
    }

    /// Tells whether the optimizer takes arrays of any meaning. SOAP and Muon take matrices for kernels.
    pub(super) fn suits_any_array(self) -> bool {
        !matches!(self, Self::Muon | Self::Soap)
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

/// An optimizer with its constants.
///
/// In files it is a name, `optimizer = "adam"`, or a table of the name and the constants that differ from the usual ones:
/// `optimizer = { name = "adam", beta_1 = 0.8 }`. The keys are those of Burn's own configuration of the optimizer, or of [`SoapConfig`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "OptimizerText", into = "OptimizerText")]
pub struct OptimizerConfig {
    name: OptimizerName,
    /// Constants that differ from the usual ones.
    constants: toml::Table,
}

/// Keys of Burn's configurations that are absent from the table of a default.
const OPTIONAL: [&str; 4] = [
    "weight_decay",
    "grad_clipping",
    "gradient_clipping",
    "momentum",
];

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
        config.init(None)?;
        Ok(config)
    }

    /// Returns the name.
    pub fn name(&self) -> OptimizerName {
        self.name
    }

    /// Makes a fresh optimizer of any module, with its own weight decay or the given one.
    ///
    /// # Errors
    /// [`Error::Settings`] for a decay beyond f32.
    pub fn init(&self, weight_decay: Option<f64>) -> Result<ModuleOptimizer> {
        (self.name.entry().init)(self.table(weight_decay)?, None)
    }

    /// Makes a fresh optimizer of a network, as [`init`](Self::init) does. Muon leaves the head to Adam.
    ///
    /// # Errors
    /// As [`init`](Self::init).
    pub fn init_for(
        &self,
        network: &Network,
        weight_decay: Option<f64>,
    ) -> Result<ModuleOptimizer> {
        // By path and not by identity: a run that resumes has its optimizer before its weights.
        let head = format!(r"^stages\.{}\.", network.hidden());
        let head = ParamGroup::from_regex(head).ok();
        (self.name.entry().init)(self.table(weight_decay)?, head)
    }

    /// The complete configuration: usual constants, overridden ones, weight decay.
    fn table(&self, weight_decay: Option<f64>) -> Result<toml::Table> {
        let entry = self.name.entry();
        let mut table = (entry.defaults)()?;
        for (key, value) in &self.constants {
            if !table.contains_key(key) && !OPTIONAL.contains(&key.as_str()) {
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

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::{Distribution, Tensor};

    use super::*;
    use crate::batch::Batch;
    use crate::linalg::to_f64;
    use crate::method::gradients;
    use crate::model::{MlpConfig, ModelConfig};
    use crate::shape::FeatureShape;
    use crate::stage::Activation;

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
        for text in [
            "name = \"adafactor\"\ndecay_rate = 0.5",
            "name = \"adafactor\"\nepsilon_1 = 0",
            "name = \"soap\"\nbeta_1 = 1.0",
            "name = \"soap\"\nprecondition_frequency = 0",
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(
                !refused.contains('\n') && refused.contains('_'),
                "{refused}"
            );
        }
    }

    #[test]
    fn muon_moves_hidden_kernels_by_rotations_and_leaves_the_head_to_adam() {
        let device = burn::tensor::Device::flex();
        let (shape, config) = (
            FeatureShape::Flat(6),
            MlpConfig::new(vec![6], Activation::Tanh),
        );
        let network = ModelConfig::Mlp(config).init(shape, 3, 1, &device).unwrap();
        let muon = OptimizerConfig::from(OptimizerName::Muon);
        let mut optimizer = muon.init_for(&network, None).unwrap();
        let batch = Batch::full(
            Tensor::random([9, 6], Distribution::Normal(0.0, 1.0), &device),
            Tensor::from_data([0, 1, 2, 0, 1, 2, 0, 1, 2], &device),
        );
        let tracked = network.clone().train();
        let gradients = gradients(&tracked, &batch);
        let moved = optimizer.step(1.0, tracked, gradients).valid();
        let step = |l: usize| {
            let kernel =
                |network: &Network| network.stages()[l].affine().unwrap().coefficients().kernel;
            kernel(&network) - kernel(&moved)
        };
        // Adam's first step has length 1 in every entry.
        let head = (step(1).abs() - 1.0).abs().max().into_scalar::<f64>();
        assert!(head < 1e-3, "{head}");
        // Muon's has singular values in the band of its iteration, 0.7 to 1.2, times 0.2 √6; a small one may lag behind.
        let hidden = to_f64((step(0) * step(0)).sum()).unwrap()[0];
        let unit = 6.0 * (0.2 * 6.0_f64.sqrt()).powi(2);
        assert!((0.4..1.5).contains(&(hidden / unit)), "{hidden} of {unit}");
    }

    #[test]
    fn adam_and_its_kin_take_the_usual_epsilon() {
        for name in [
            OptimizerName::Adam,
            OptimizerName::AdamW,
            OptimizerName::Adan,
            OptimizerName::RmsProp,
            OptimizerName::AdaGrad,
            OptimizerName::Muon,
            OptimizerName::Soap,
        ] {
            let table = OptimizerConfig::from(name).table(None).unwrap();
            // 1e-8 rounded to f32.
            let epsilon = table["epsilon"].as_float().unwrap();
            assert!((epsilon - 1e-8).abs() < 1e-15, "{name:?}: {epsilon}");
        }
    }
}
