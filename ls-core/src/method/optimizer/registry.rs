//! The optimizers that configurations can name, each with the usual constants of its field.

use burn::module::ParamGroup;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, LambConfig, LionConfig,
    ModuleOptimizer, RmsPropConfig, SgdConfig,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::OptimizerName;
use super::muon::MuonAdamWConfig;
use super::soap::SoapConfig;
use crate::{Error, Result};

/// Momentum of the optimizer `sgd`.
const MOMENTUM: f64 = 0.9;

/// `ε` of Adam and its kin, as published and as elsewhere. Burn's default of 1e-5 keeps Adam at chance where gradients vanish.
const EPSILON: f32 = 1e-8;

/// How a configuration writes its weight decay.
pub(super) enum Decay {
    /// `weight_decay = { penalty = λ }`, or none.
    Penalty,
    /// `weight_decay = λ`.
    Number,
}

/// One optimizer: a line of the registry.
pub(super) struct Entry {
    /// Learning rate that is a fair first guess for small networks.
    pub(super) learning_rate: f64,
    pub(super) decay: Decay,
    /// Configuration with the usual constants, as a table.
    pub(super) defaults: fn() -> Result<toml::Table>,
    /// Makes the optimizer. The parameters of the group, if there is one, are those of the head.
    pub(super) init: fn(toml::Table, Option<ParamGroup>) -> Result<ModuleOptimizer>,
}

/// Makes an [`Entry`] from a configuration, with a check of its table where its values are not all possible.
macro_rules! entry {
    ($config:ty, $default:expr, $rate:expr, $decay:ident) => {
        entry!($config, $default, $rate, $decay, |config, _| Ok(
            config.init()
        ))
    };
    ($config:ty, $default:expr, $rate:expr, $decay:ident, $init:expr) => {
        entry!($config, $default, $rate, $decay, $init, |_| Ok(()))
    };
    ($config:ty, $default:expr, $rate:expr, $decay:ident, $init:expr, $check:expr) => {
        Entry {
            learning_rate: $rate,
            decay: Decay::$decay,
            defaults: || table(&$default),
            init: |table, head| {
                let check: fn(&toml::Table) -> Result<()> = $check;
                check(&table)?;
                let init: fn($config, Option<ParamGroup>) -> Result<ModuleOptimizer> = $init;
                init(parsed(table)?, head)
            },
        }
    };
}

impl OptimizerName {
    pub(super) fn entry(self) -> Entry {
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
            Self::Adan => entry!(AdanConfig, AdanConfig::new(), 3e-3, Number),
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
            Self::AdaFactor => entry!(
                AdafactorConfig,
                AdafactorConfig::new(),
                1e-2,
                Number,
                |config, _| Ok(config.init()),
                check_adafactor
            ),
            Self::Lamb => entry!(LambConfig, LambConfig::new(), 1e-2, Number),
            Self::Lion => entry!(LionConfig, LionConfig::new(), 1e-4, Number),
            Self::Muon => entry!(
                MuonAdamWConfig,
                MuonAdamWConfig::default(),
                3e-3,
                Number,
                |config, head| Ok(config.init(head))
            ),
            Self::Soap => entry!(
                SoapConfig,
                SoapConfig::default(),
                3e-3,
                Number,
                |config, _| config.check().map(|()| config.init())
            ),
        }
    }
}

fn sgd() -> SgdConfig {
    let momentum = MomentumConfig::new()
        .with_momentum(MOMENTUM)
        .with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum))
}

/// Refuses the values that Burn's Adafactor would panic at.
fn check_adafactor(table: &toml::Table) -> Result<()> {
    let number = |key: &str| match table.get(key) {
        Some(toml::Value::Integer(value)) => *value as f64,
        value => value.and_then(toml::Value::as_float).unwrap_or(f64::NAN),
    };
    let refused = |key: &str, allowed: &str| {
        let value = number(key);
        settings(&format!("`{key}` = {value} is not possible: {allowed}"))
    };
    for key in ["epsilon_1", "epsilon_2", "clip_threshold"] {
        let value = number(key);
        if !(value > 0.0 && value.is_finite()) {
            return Err(refused(key, "above 0"));
        }
    }
    let (rate, decay) = (number("decay_rate"), number("weight_decay"));
    if rate.is_nan() || rate >= 0.0 {
        return Err(refused("decay_rate", "below 0"));
    }
    if decay.is_nan() || decay < 0.0 {
        return Err(refused("weight_decay", "0 or more"));
    }
    Ok(())
}

fn table(config: &impl Serialize) -> Result<toml::Table> {
    toml::Table::try_from(config).map_err(|error| settings(&error))
}

fn parsed<C: DeserializeOwned>(table: toml::Table) -> Result<C> {
    table.try_into().map_err(|error| settings(&error))
}

/// Makes the error about impossible settings of an optimizer, on one line.
fn settings(reason: &dyn core::fmt::Display) -> Error {
    Error::Settings {
        of: "optimizer".into(),
        reason: reason.to_string().trim().replace('\n', " "),
    }
}
