//! Settings of a stage: its shapes and sizes are known before anything is allocated.

use core::fmt::Display;

use burn::tensor::Device;
use rand::Rng;

use super::{AnyStage, Init};
use crate::Result;
use crate::shape::FeatureShape;

/// Largest number of features or channels of a stage. No product of sizes up to it overflows.
pub(super) const LARGEST_WIDTH: usize = 1_000_000;

/// Shapes and sizes of one stage, known before the network is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageLayout {
    /// Settings of the stage in short, such as `128 relu`.
    pub name: String,
    /// Shape of one output sample.
    pub output: FeatureShape,
    /// Number of weights and biases.
    pub parameters: usize,
    /// Number of entries of all patches of one sample, `positions · c_in k²`; 0 for a stage that is no convolution.
    pub patches: usize,
}

/// Settings of one kind of stage, as configuration files hold them. The shape of the inputs follows from the stage before.
///
/// They print in short, such as `128 relu`.
pub trait StageSettings: Display {
    /// Returns the shape of one output sample.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`], [`crate::Error::ShapeMismatch`] or [`crate::Error::NotAnImage`] when the stage does not
    /// fit its inputs or a setting lies outside its range.
    fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape>;

    /// Returns the number of weights and biases, for settings that [`output_shape`](Self::output_shape) accepts.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn parameters(&self, input: FeatureShape) -> Result<usize>;

    /// Returns the number of entries of all patches of one sample: `positions · c_in k²` for a convolution, 0 (the default) for
    /// a stage whose kernel multiplies its inputs directly.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn patches(&self, _input: FeatureShape) -> Result<usize> {
        Ok(0)
    }

    /// Returns shapes and sizes of the stages, in order: of one, but for a block of several.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn layout(&self, input: FeatureShape) -> Result<Vec<StageLayout>> {
        Ok(vec![StageLayout {
            name: self.to_string(),
            // First, since it refuses settings whose sizes would overflow.
            output: self.output_shape(input)?,
            parameters: self.parameters(input)?,
            patches: self.patches(input)?,
        }])
    }

    /// Returns the stages of [`layout`](Self::layout), with weights drawn by `init`.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Vec<AnyStage>>;
}
