//! The registry of methods, as configurations name them.

use ls_core::batch::Batch;
use ls_core::linalg::{Norm, Ridge};
use ls_core::method::{
    Alternating, AlternatingConfig, Backprop, BlockRule, Exact, ExactConfig, LearningRate, Method,
    MiniBatchConfig, Scaling, Storage,
};
use ls_core::network::Network;
use ls_core::objective::Weighting;
use serde::{Deserialize, Serialize};

use super::{OptimizerKind, positive};
use crate::{Error, Result};

/// How a run trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum MethodConfig {
    /// Restarted separation with exact weight blocks.
    Exact(ExactSettings),
    /// Alternating minimization of the separated loss.
    Alternating(AlternatingSettings),
    /// Gradients through the whole depth.
    Backprop(BackpropSettings),
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::Exact(ExactSettings::default())
    }
}

/// Settings of `exact`. What is absent is chosen anew in every sweep, by what it achieves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ExactSettings {
    /// Step `τ`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Damping `μ` of the Gram matrices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Scaling of the displacements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// What is kept of the samples between the passes of a sweep.
    pub storage: Storage,
    /// Samples of a chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<usize>,
    /// What the damping is relative to.
    pub ridge: Ridge,
    /// Patches that enter a convolution's Gram matrix.
    pub gram_rows: usize,
    /// `λ` of the penalty `λ/2 Σ ‖W_l‖²`.
    pub weight_decay: f64,
    /// Weights of the residuals in the separated loss that is reported.
    pub weighting: Weighting,
}

impl Default for ExactSettings {
    fn default() -> Self {
        let core = ExactConfig::default();
        Self {
            step: core.step,
            damping: core.damping,
            scaling: core.scaling,
            storage: core.storage,
            chunk: core.chunk,
            ridge: core.ridge,
            gram_rows: core.gram_rows,
            weight_decay: core.weight_decay,
            weighting: core.weighting,
        }
    }
}

/// Settings of `alternating`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AlternatingSettings {
    /// Weights of the residuals.
    pub weighting: Weighting,
    /// Passes over the auxiliary blocks in a sweep.
    pub auxiliary_passes: usize,
    /// Passes over the weight blocks in a sweep.
    pub weight_passes: usize,
    /// Whether samples return to the feasible point where that lowers the separated loss.
    pub restart: bool,
    /// How the blocks move.
    pub update: BlockUpdate,
}

impl Default for AlternatingSettings {
    fn default() -> Self {
        Self {
            weighting: Weighting::SelfAdaptive {
                norm: Norm::Spectral,
                eta: 1.0,
            },
            auxiliary_passes: 1,
            weight_passes: 1,
            restart: true,
            update: BlockUpdate::LineSearch { damping: 0.01 },
        }
    }
}

/// How the blocks of `alternating` move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BlockUpdate {
    /// Line searches: the separated loss never rises.
    LineSearch {
        /// Damping `μ` of the Gram matrices.
        damping: f64,
    },
    /// A Burn optimizer: no guarantee.
    #[serde(rename_all = "kebab-case")]
    Optimizer {
        /// Which one.
        optimizer: OptimizerKind,
        /// Learning rate of the weights.
        learning_rate: f64,
        /// Learning rate of the auxiliary variables.
        auxiliary_learning_rate: f64,
    },
}

/// Settings of `backprop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackpropSettings {
    /// Which optimizer.
    pub optimizer: OptimizerKind,
    /// Its learning rate at the start.
    pub learning_rate: f64,
    /// What becomes of the learning rate.
    #[serde(default)]
    pub schedule: Schedule,
    /// Weight decay of the optimizer [default: its own].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// What becomes of a learning rate over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls linearly to zero.
    Linear,
}

impl Schedule {
    /// All schedules, in the order in which help lists them.
    pub const ALL: [Self; 2] = [Self::Constant, Self::Linear];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
        }
    }
}

impl MethodConfig {
    /// Name on the command line, in files and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact(_) => "exact",
            Self::Alternating(_) => "alternating",
            Self::Backprop(_) => "backprop",
        }
    }

    /// Whether the method keeps auxiliary variables, and so has a separated loss, a certificate and residuals.
    pub fn is_separated(&self) -> bool {
        matches!(self, Self::Exact(_) | Self::Alternating(_))
    }

    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Exact(settings) => Ok(settings.core(1).check()?),
            Self::Alternating(settings) => settings.check(),
            Self::Backprop(settings) => settings.check(),
        }
    }

    /// Starts the method for a network, its whole training split, and the number of batches of the whole run.
    ///
    /// # Errors
    /// [`Error::Core`] when the settings do not suit the network.
    pub fn init(
        &self,
        network: &Network,
        split: &Batch,
        total_steps: usize,
    ) -> Result<Box<dyn Method>> {
        Ok(match self {
            Self::Exact(settings) => Box::new(Exact::new(settings.core(total_steps), network)?),
            Self::Alternating(settings) => {
                let rule = settings.update.init();
                Box::new(Alternating::new(settings.core(), rule, network, split)?)
            }
            Self::Backprop(settings) => {
                let learning_rate = LearningRate {
                    initial: settings.learning_rate,
                    total_steps: match settings.schedule {
                        Schedule::Constant => None,
                        Schedule::Linear => Some(total_steps),
                    },
                };
                let optimizer = settings.optimizer.init(settings.weight_decay);
                Box::new(Backprop::new(optimizer, learning_rate))
            }
        })
    }
}

impl BackpropSettings {
    fn check(&self) -> Result<()> {
        positive("learning-rate", self.learning_rate)?;
        match self.weight_decay {
            Some(decay) if !(0.0..=1e3).contains(&decay) => Err(Error::InvalidConfig {
                field: "weight-decay",
                value: decay.to_string(),
                allowed: "it must be from 0 to 1000",
            }),
            _ => Ok(()),
        }
    }
}

impl ExactSettings {
    fn core(&self, total_steps: usize) -> ExactConfig {
        let mini_batch = MiniBatchConfig::default();
        ExactConfig {
            step: self.step,
            damping: self.damping,
            scaling: self.scaling,
            storage: self.storage,
            chunk: self.chunk,
            ridge: self.ridge,
            gram_rows: self.gram_rows,
            weight_decay: self.weight_decay,
            weighting: self.weighting,
            mini_batch: MiniBatchConfig {
                step: self.step.unwrap_or(mini_batch.step),
                damping: self.damping.unwrap_or(mini_batch.damping),
                scaling: self.scaling.unwrap_or(mini_batch.scaling),
                total_steps: Some(total_steps),
                ..mini_batch
            },
        }
    }
}

impl AlternatingSettings {
    fn check(&self) -> Result<()> {
        self.weighting.check()?;
        for (field, passes) in [
            ("auxiliary-passes", self.auxiliary_passes),
            ("weight-passes", self.weight_passes),
        ] {
            if passes == 0 {
                return Err(Error::InvalidConfig {
                    field,
                    value: "0".into(),
                    allowed: "it must be 1 or more",
                });
            }
        }
        match self.update {
            BlockUpdate::LineSearch { damping } => positive("damping", damping),
            BlockUpdate::Optimizer {
                learning_rate,
                auxiliary_learning_rate,
                ..
            } => {
                positive("learning-rate", learning_rate)?;
                positive("auxiliary-learning-rate", auxiliary_learning_rate)
            }
        }
    }

    fn core(&self) -> AlternatingConfig {
        AlternatingConfig {
            weighting: self.weighting,
            auxiliary_passes: self.auxiliary_passes,
            weight_passes: self.weight_passes,
            restart: self.restart,
        }
    }
}

impl BlockUpdate {
    /// A Burn optimizer at rates that suit it.
    pub fn with(optimizer: OptimizerKind) -> Self {
        let rate = optimizer.block_learning_rate();
        Self::Optimizer {
            optimizer,
            learning_rate: rate,
            auxiliary_learning_rate: rate,
        }
    }

    fn init(&self) -> BlockRule {
        match *self {
            Self::LineSearch { damping } => BlockRule::LineSearch { damping },
            Self::Optimizer {
                optimizer,
                learning_rate,
                auxiliary_learning_rate,
            } => BlockRule::Optimizer {
                weights: optimizer.init(None),
                auxiliary: optimizer.init(None),
                learning_rate,
                auxiliary_learning_rate,
            },
        }
    }
}
