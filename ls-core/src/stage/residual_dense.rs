//! Fully connected stage with a skip connection.

use core::fmt;

use burn::tensor::Device;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Activation, AnyStage, Dense, Init, Residual, StageSettings};
use crate::Result;
use crate::shape::FeatureShape;

/// Settings of a [`Residual`] around a [`Dense`] stage, as wide as its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResidualDenseConfig {
    /// Activation.
    pub activation: Activation,
}

impl fmt::Display for ResidualDenseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "residual {}", self.activation)
    }
}

impl StageSettings for ResidualDenseConfig {
    fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        Ok(FeatureShape::Flat(input.features()))
    }

    fn parameters(&self, input: FeatureShape) -> Result<usize> {
        let d = input.features();
        Ok((d + 1) * d)
    }

    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Vec<AnyStage>> {
        let d = input.features();
        let inner = Dense::init([d, d], self.activation, init, random, device);
        Ok(vec![Residual::new(inner)?.into()])
    }
}
