//! The Burn optimizers that configurations can name.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdamConfig, AdamWConfig, LionConfig, ModuleOptimizer, RmsPropConfig, SgdConfig,
};
use serde::{Deserialize, Serialize};

/// Momentum of the optimizer `sgd`.
const MOMENTUM: f64 = 0.9;

/// An optimizer of Burn, at its own defaults but for the learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Gradient descent without momentum.
    Gd,
    /// Stochastic gradient descent with momentum 0.9.
    Sgd,
    /// Adam.
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

impl OptimizerKind {
    /// All optimizers, in the order in which help lists them.
    pub const ALL: [Self; 7] = [
        Self::Gd,
        Self::Sgd,
        Self::Adam,
        Self::AdamW,
        Self::RmsProp,
        Self::AdaGrad,
        Self::Lion,
    ];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gd => "gd",
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::RmsProp => "rmsprop",
            Self::AdaGrad => "adagrad",
            Self::Lion => "lion",
        }
    }

    /// A learning rate that is a fair first guess for small networks; sweeps start around it.
    pub fn learning_rate(self) -> f64 {
        match self {
            Self::Gd => 0.3,
            Self::Sgd => 0.05,
            Self::Adam | Self::AdamW | Self::RmsProp => 1e-3,
            Self::AdaGrad => 1e-2,
            Self::Lion => 1e-4,
        }
    }

    /// The same for the blocks of `alternating`: the weights of the residuals scale plain gradients there, by a hundred and
    /// more, and adaptive optimizers take that out again.
    pub fn block_learning_rate(self) -> f64 {
        match self {
            Self::Gd | Self::Sgd => 1e-3,
            other => other.learning_rate(),
        }
    }

    /// A fresh optimizer, with its own weight decay or the given one.
    pub fn init(self, weight_decay: Option<f64>) -> ModuleOptimizer {
        let own = weight_decay.map(|decay| decay as f32);
        let penalty = own.map(WeightDecayConfig::new);
        let sgd = SgdConfig::new().with_weight_decay(penalty.clone());
        match self {
            Self::Gd => sgd.init(),
            Self::Sgd => {
                let momentum = MomentumConfig::new()
                    .with_momentum(MOMENTUM)
                    .with_dampening(0.0);
                sgd.with_momentum(Some(momentum)).init()
            }
            Self::Adam => AdamConfig::new().with_weight_decay(penalty).init(),
            Self::AdamW => match own {
                Some(decay) => AdamWConfig::new().with_weight_decay(decay).init(),
                None => AdamWConfig::new().init(),
            },
            Self::RmsProp => RmsPropConfig::new().with_weight_decay(penalty).init(),
            Self::AdaGrad => AdaGradConfig::new().with_weight_decay(penalty).init(),
            Self::Lion => match own {
                Some(decay) => LionConfig::new().with_weight_decay(decay).init(),
                None => LionConfig::new().init(),
            },
        }
    }
}
