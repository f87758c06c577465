//! Non-overlapping pooling after a convolution's activation.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Pooling over `size × size` windows that do not overlap; rows and columns that fill no window are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pooling {
    /// Largest entry of each window; Lipschitz constant 1.
    Max {
        /// Side of a window.
        size: usize,
    },
    /// Mean of each window; Lipschitz constant `1/√q` over `q` entries.
    Average {
        /// Side of a window.
        size: usize,
    },
}

impl Pooling {
    /// Side of a window.
    pub fn size(self) -> usize {
        match self {
            Self::Max { size } | Self::Average { size } => size,
        }
    }

    /// Lipschitz constant in the 2-norm.
    pub fn lipschitz(self) -> f64 {
        match self {
            Self::Max { .. } => 1.0,
            Self::Average { size } => 1.0 / size as f64,
        }
    }

    /// Pools images `[samples, channels, height, width]`.
    pub fn apply(self, images: Tensor<4>) -> Tensor<4> {
        let size = self.size();
        let [samples, channels, height, width] = images.dims();
        let (rows, columns) = (height / size, width / size);
        // Windows do not overlap, so a reshape brings each into axes of its own.
        let windows: Tensor<6> = images
            .narrow(2, 0, rows * size)
            .narrow(3, 0, columns * size)
            .reshape([samples, channels, rows, size, columns, size]);
        let pooled = match self {
            Self::Max { .. } => windows.max_dim(5).max_dim(3),
            Self::Average { .. } => windows.mean_dim(5).mean_dim(3),
        };
        pooled.reshape([samples, channels, rows, columns])
    }
}
