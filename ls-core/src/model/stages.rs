//! Networks of any hidden stages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stage::{Init, StageConfig};

/// Network of any hidden stages; an affine head follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StagesConfig {
    /// Distribution of the initial weights.
    #[serde(default = "kaiming")]
    pub init: Init,
    /// The hidden stages.
    pub stages: Vec<StageConfig>,
}

fn kaiming() -> Init {
    Init::Kaiming
}
