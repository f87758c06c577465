//! Shapes of the features of one sample.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Shape of the features of one sample, such as `8×14×14`.
///
/// Activations always have rank 2, `[samples, features]`; the shape keeps the arrangement of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureShape {
    /// A plain vector.
    Flat(usize),
    /// An image, flattened in the order channel, row, column.
    Image {
        /// Number of channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl FeatureShape {
    /// Returns the number of features, `d`.
    pub fn features(self) -> usize {
        match self {
            Self::Flat(features) => features,
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
        }
    }
}

impl fmt::Display for FeatureShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flat(features) => write!(f, "{features}"),
            Self::Image {
                channels,
                height,
                width,
            } => write!(f, "{channels}×{height}×{width}"),
        }
    }
}
