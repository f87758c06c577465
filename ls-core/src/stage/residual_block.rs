//! Several stages with one skip connection around them.

use core::fmt;

use burn::tensor::Device;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::residual::check_sum;
use super::{AnyStage, Init, Residual, ResidualPlace, StageConfig, StageLayout, StageSettings};
use crate::error::ensure;
use crate::shape::FeatureShape;
use crate::{Error, Result};

/// Settings of a residual block, `x ↦ x + g_k(… g_1(x))`: dense and convolution stages whose last output has the shape of the block's
/// input.
///
/// Each of them becomes a stage of its own, a [`Residual`], which methods fit as they fit any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResidualBlockConfig {
    /// The stages that the skip connection leads around, of kinds `dense` and `convolution`.
    pub stages: Vec<StageConfig>,
}

impl fmt::Display for ResidualBlockConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages: Vec<_> = self.stages.iter().map(ToString::to_string).collect();
        write!(f, "residual ({})", stages.join("; "))
    }
}

impl ResidualBlockConfig {
    /// Returns the stages with the shapes of their inputs.
    fn inner(&self, input: FeatureShape) -> Result<Vec<(&StageConfig, FeatureShape)>> {
        let count = self.stages.len() as f64;
        ensure(
            count > 0.0,
            "stages of a residual block",
            count,
            "1 or more",
        )?;
        let mut shape = input;
        let mut inner = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            if !matches!(stage, StageConfig::Dense(_) | StageConfig::Convolution(_)) {
                return Err(no_inner(stage));
            }
            inner.push((stage, shape));
            shape = stage.output_shape(shape)?;
        }
        check_sum(input, shape)?;
        Ok(inner)
    }

    /// Returns the place of stage `l`, counted from 0.
    fn place(&self, l: usize, input: FeatureShape) -> ResidualPlace {
        let skipped = input.features();
        match (l == 0, l + 1 == self.stages.len()) {
            (true, true) => ResidualPlace::Only,
            (true, false) => ResidualPlace::First,
            (false, false) => ResidualPlace::Inner { skipped },
            (false, true) => ResidualPlace::Last { skipped },
        }
    }

    /// Returns the sum of a figure of all stages.
    fn sum(
        &self,
        input: FeatureShape,
        figure: impl Fn(&StageConfig, FeatureShape) -> Result<usize>,
    ) -> Result<usize> {
        let inner = self.inner(input)?;
        inner
            .into_iter()
            .map(|(stage, shape)| figure(stage, shape))
            .sum()
    }
}

/// The error for a stage that a skip connection cannot lead around together with others.
fn no_inner(stage: &StageConfig) -> Error {
    Error::Settings {
        of: "residual-block".into(),
        reason: format!("`{stage}` is neither a dense nor a convolution stage"),
    }
}

impl StageSettings for ResidualBlockConfig {
    fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        self.inner(input)?;
        Ok(input)
    }

    fn parameters(&self, input: FeatureShape) -> Result<usize> {
        self.sum(input, |stage, shape| stage.parameters(shape))
    }

    fn patches(&self, input: FeatureShape) -> Result<usize> {
        self.sum(input, |stage, shape| stage.patches(shape))
    }

    fn layout(&self, input: FeatureShape) -> Result<Vec<StageLayout>> {
        let inner = self.inner(input)?;
        let mut layout = Vec::with_capacity(inner.len());
        for (l, (stage, shape)) in inner.into_iter().enumerate() {
            let own = stage.output_shape(shape)?;
            let output = match self.place(l, input) {
                ResidualPlace::Only | ResidualPlace::Last { .. } => own,
                // The skipped features travel beside the stage's own.
                ResidualPlace::First | ResidualPlace::Inner { .. } => {
                    FeatureShape::Flat(input.features() + own.features())
                }
            };
            layout.push(StageLayout {
                name: format!("residual {stage}"),
                output,
                parameters: stage.parameters(shape)?,
                patches: stage.patches(shape)?,
            });
        }
        Ok(layout)
    }

    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Vec<AnyStage>> {
        let mut stages = Vec::with_capacity(self.stages.len());
        for (l, (config, shape)) in self.inner(input)?.into_iter().enumerate() {
            let place = self.place(l, input);
            for stage in config.init(shape, init, random, device)? {
                stages.push(match stage {
                    AnyStage::Dense(dense) => Residual::at(place, dense).into(),
                    AnyStage::Convolution(conv) => Residual::at(place, conv).into(),
                    _ => return Err(no_inner(config)),
                });
            }
        }
        Ok(stages)
    }
}
