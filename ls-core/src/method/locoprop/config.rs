//! Settings of `locoprop`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocoProp;
use crate::Result;
use crate::batch::BatchSize;
use crate::error::ensure;
use crate::method::backprop::check_learning_rate;
use crate::method::{Method, MethodSettings, OptimizerConfig, OptimizerName, Schedule, Task};
use crate::objective::ReportWeighting;

/// The local loss of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LocalLoss {
    /// Squared distance of the pre-activations from their targets: LocoProp-S
    Squared,
    /// Bregman divergence that belongs to the activation: LocoProp-M
    #[default]
    Matching,
}

/// Settings of [`LocoProp`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `local-loss` | local loss | `matching` | `squared`, `matching` |
/// | `target-step` | `γ` | 10 | above 0, at most 1e12 |
/// | `local-steps` | `K` | 10 | 1 to 1000 |
/// | `optimizer` | inner optimizer | `RMSProp`, averages 0.9, momentum 0.999, `ε` 1e-5 | see [`OptimizerConfig`] |
/// | `learning-rate` | its rate | 1e-5 | above 0, at most 1e12 |
/// | `schedule` | course of the rate over the run | `linear` | `constant`, `linear`, `cosine` |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LocoPropConfig {
    /// Loss that every stage lowers towards its targets [default: matching]
    pub local_loss: LocalLoss,
    /// Length γ of the gradient step of the batch's mean loss that makes the targets [default: 10]
    pub target_step: f64,
    /// Steps of every stage towards the targets of a batch [default: 10]
    pub local_steps: usize,
    /// Optimizer of the local steps [default: rmsprop with averages of 0.9, momentum 0.999 and ε 1e-5]
    pub optimizer: OptimizerConfig,
    /// Learning rate of the local steps [default: 1e-5]
    pub learning_rate: f64,
    /// Course of the learning rate over the run [default: linear]
    pub schedule: Schedule,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

/// Samples of a batch where a run names none.
const USUAL_BATCH_SIZE: usize = 1000;

/// `RMSProp` with the constants of the authors' program.
fn usual_optimizer() -> OptimizerConfig {
    let constants = [("alpha", 0.9), ("momentum", 0.999), ("epsilon", 1e-5)];
    let constants = constants.map(|(key, value)| (key.to_owned(), value.into()));
    OptimizerConfig::new(OptimizerName::RmsProp, toml::Table::from_iter(constants))
        .unwrap_or_else(|_| OptimizerName::RmsProp.into())
}

impl Default for LocoPropConfig {
    fn default() -> Self {
        Self {
            local_loss: LocalLoss::Matching,
            target_step: 10.0,
            local_steps: 10,
            optimizer: usual_optimizer(),
            learning_rate: 1e-5,
            schedule: Schedule::Linear,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for LocoPropConfig {
    const NAME: &'static str = "locoprop";
    const ABOUT: &'static str =
        "Local steps to targets one gradient step away (Amid et al. 2022), in batches";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        check_learning_rate("target-step", self.target_step)?;
        check_learning_rate("learning-rate", self.learning_rate)?;
        let inside = (1..=1000).contains(&self.local_steps);
        ensure(
            inside,
            "local-steps",
            self.local_steps as f64,
            "from 1 to 1000",
        )
    }

    fn usual_batch_size(&self) -> BatchSize {
        BatchSize::Samples(USUAL_BATCH_SIZE)
    }

    fn depends_on_length(&self) -> bool {
        self.schedule != Schedule::Constant
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(LocoProp::new(
            self.clone(),
            task.network,
            task.total_steps,
        )?))
    }
}
