//! Settings of `bcd`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Bcd;
use crate::batch::BatchSize;
use crate::error::ensure;
use crate::method::{Method, MethodSettings, Task};
use crate::objective::ReportWeighting;
use crate::{Error, Result};

/// The loss of the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BcdLoss {
    /// `½ ‖a_L - e_y‖²`, as published
    #[default]
    Squared,
    /// The cross-entropy, which reports show
    CrossEntropy,
}

/// Settings of [`Bcd`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `penalty` | `γ` | 1 | 1e-9 to 1e9 |
/// | `proximity` | `α` | 5 | 0 to 1e9 |
/// | `loss` | loss of the logits | `squared` | `squared`, `cross-entropy` |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BcdConfig {
    /// Weight γ of the penalties; the loss is a sum over samples and has weight 1 [default: 1]
    pub penalty: f64,
    /// Weight α of the squared distance from the last point [default: 5]
    pub proximity: f64,
    /// Loss of the logits; reports always show the cross-entropy [default: squared]
    pub loss: BcdLoss,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

impl Default for BcdConfig {
    fn default() -> Self {
        Self {
            penalty: 1.0,
            proximity: 5.0,
            loss: BcdLoss::Squared,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for BcdConfig {
    const NAME: &'static str = "bcd";
    const ABOUT: &'static str =
        "Proximal block coordinate descent (Zeng et al. 2019) on a penalty function, in full batch";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        let inside = (1e-9..=1e9).contains(&self.penalty);
        ensure(inside, "penalty", self.penalty, "from 1e-9 to 1e9")?;
        let inside = (0.0..=1e9).contains(&self.proximity);
        ensure(inside, "proximity", self.proximity, "from 0 to 1e9")
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Full => Ok(()),
            BatchSize::Samples(count) => Err(needs_full_batch(count)),
        }
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Bcd::new(*self, task.network)?))
    }
}

/// The error about batches.
pub(super) fn needs_full_batch(size: usize) -> Error {
    Error::BatchSize {
        method: BcdConfig::NAME,
        size: size.to_string(),
        allowed: "its fits are those of the whole split; leave out the batch size",
    }
}
