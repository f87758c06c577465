//! Settings of `alternating`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Alternating;
use crate::error::ensure;
use crate::method::backprop::check_learning_rate;
use crate::method::{Method, MethodSettings, OptimizerConfig, Task};
use crate::objective::Weighting;
use crate::{Error, Result};

/// Settings of [`Alternating`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `weighting`, `eta`, `omega` | weights of the residuals | `spectral`, 1 | 1e-6 to 1e6 |
/// | `auxiliary-passes` | passes over the auxiliary blocks in a sweep | 1 | 1 or more |
/// | `weight-passes` | passes over the weight blocks in a sweep | 1 | 1 or more |
/// | `relaxation` | factor `α` of the displacements of auxiliary passes; with more than 1 no guarantee | 1 | 1 to 1e9 |
/// | `restart` | whether samples return to the feasible point where that lowers the separated loss | `true` | |
/// | `damping` | `μ` of the Gram matrices | 0.01 | 1e-9 to 1e12 |
/// | `optimizer` | an optimizer in place of line searches, without a guarantee | none | see [`OptimizerConfig`] |
/// | `learning-rate` | rate of its weight steps | one that suits it | above 0, at most 1e12 |
/// | `auxiliary-learning-rate` | rate of its auxiliary steps | the learning rate | above 0, at most 1e12 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AlternatingConfig {
    /// Weights of the residuals.
    #[serde(flatten)]
    pub weighting: Weighting,
    /// Passes over the auxiliary blocks in a sweep; more than one lets them run ahead of the weights [default: 1]
    pub auxiliary_passes: usize,
    /// Passes over the weight blocks in a sweep [default: 1]
    pub weight_passes: usize,
    /// Factor α of the displacements that the auxiliary passes of a sweep make: above 1 they go beyond what lowers the separated loss, and the
    /// sweep ends with a restart. Without an optimizer [default: 1]
    pub relaxation: f64,
    /// Whether samples return to the feasible point where that lowers the separated loss [default: true]
    pub restart: bool,
    /// Damping μ of the Gram matrices of line searches [default: 0.01]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Optimizer that moves the blocks in place of line searches, without a guarantee [default: none]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<OptimizerConfig>,
    /// Learning rate of the optimizer [default: one that suits it]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Learning rate of the auxiliary variables, with an optimizer [default: the learning rate]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auxiliary_learning_rate: Option<f64>,
}

/// Damping of line searches.
pub(super) const DAMPING: f64 = 0.01;

impl Default for AlternatingConfig {
    fn default() -> Self {
        Self {
            weighting: Weighting::default(),
            auxiliary_passes: 1,
            weight_passes: 1,
            relaxation: 1.0,
            restart: true,
            damping: None,
            optimizer: None,
            learning_rate: None,
            auxiliary_learning_rate: None,
        }
    }
}

impl AlternatingConfig {
    /// Moves the blocks by an optimizer in place of line searches, without a guarantee.
    #[must_use]
    pub fn with_optimizer(self, optimizer: impl Into<OptimizerConfig>) -> Self {
        Self {
            damping: None,
            optimizer: Some(optimizer.into()),
            ..self
        }
    }

    /// Refuses settings of the rule that is not chosen.
    fn check_rule(&self) -> Result<()> {
        let unused = |key: &str, reason: &str| {
            Err(Error::Settings {
                of: format!("method `{}`", Self::NAME),
                reason: format!("{key} has no meaning {reason}"),
            })
        };
        if let Some(optimizer) = &self.optimizer
            && !optimizer.name().suits_any_array()
        {
            let name = optimizer.name().name();
            let key = format!("optimizer `{name}`");
            return unused(
                &key,
                "here: rows of auxiliary variables are samples and no kernels",
            );
        }
        if self.optimizer.is_some() && self.relaxation != 1.0 {
            return unused("relaxation", "with an optimizer");
        }
        if !self.restart && self.relaxation != 1.0 {
            return unused(
                "restart = false",
                "with a relaxation above 1, whose sweeps end with a restart",
            );
        }
        match (&self.optimizer, self.damping) {
            (Some(_), Some(_)) => return unused("damping", "with an optimizer"),
            (Some(_), None) => {}
            (None, damping) => {
                let damping = damping.unwrap_or(DAMPING);
                let inside = (1e-9..=1e12).contains(&damping);
                ensure(inside, "damping", damping, "from 1e-9 to 1e12")?;
            }
        }
        for (key, rate) in [
            ("learning-rate", self.learning_rate),
            ("auxiliary-learning-rate", self.auxiliary_learning_rate),
        ] {
            match (rate, &self.optimizer) {
                (Some(_), None) => {
                    return unused(
                        key,
                        "without an optimizer: line searches find their own steps",
                    );
                }
                (Some(rate), Some(_)) => check_learning_rate(key, rate)?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

impl MethodSettings for AlternatingConfig {
    const NAME: &'static str = "alternating";
    const ABOUT: &'static str = "Alternating minimization of the separated loss, with a certificate: the scheme of the paper";

    fn check(&self) -> Result<()> {
        self.weighting.check()?;
        for (field, passes) in [
            ("auxiliary-passes", self.auxiliary_passes),
            ("weight-passes", self.weight_passes),
        ] {
            ensure(passes >= 1, field, passes as f64, "1 or more")?;
        }
        let relaxation = self.relaxation;
        let inside = (1.0..=1e9).contains(&relaxation);
        ensure(inside, "relaxation", relaxation, "from 1 to 1e9")?;
        self.check_rule()
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let method = Alternating::new(self.clone(), task.network, task.split)?;
        Ok(Box::new(method))
    }
}
