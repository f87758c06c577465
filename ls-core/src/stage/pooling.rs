//! Non-overlapping pooling after a convolution's activation.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

/// Pooling over `size × size` windows that do not overlap; rows and columns that fill no window are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pooling {
    /// Largest entry of each window; Lipschitz constant 1.
    #[strum(to_string = "max {size}")]
    Max {
        /// Side of a window.
        size: usize,
    },
    /// Mean of each window; Lipschitz constant `1/√q` over `q` entries.
    #[strum(to_string = "average {size}")]
    Average {
        /// Side of a window.
        size: usize,
    },
}

impl Pooling {
    /// Returns the side of a window.
    pub fn size(self) -> usize {
        match self {
            Self::Max { size } | Self::Average { size } => size,
        }
    }

    /// Returns the Lipschitz constant in the 2-norm.
    pub fn lipschitz(self) -> f64 {
        match self {
            Self::Max { .. } => 1.0,
            Self::Average { size } => 1.0 / size as f64,
        }
    }

    /// Pools images `[samples, channels, height, width]`.
    pub fn apply(self, images: Tensor<4>) -> Tensor<4> {
        let [samples, channels, height, width] = images.dims();
        let (rows, columns) = (height / self.size(), width / self.size());
        let windows = self.windows(images);
        let pooled = match self {
            Self::Max { .. } => windows.max_dim(5).max_dim(3),
            Self::Average { .. } => windows.mean_dim(5).mean_dim(3),
        };
        pooled.reshape([samples, channels, rows, columns])
    }

    /// Pulls a cotangent of the pooled images back to the images. Several largest entries of one window share its cotangent
    /// evenly, which gives a subgradient.
    pub fn pull_back(
        self,
        images: Tensor<4>,
        pooled: Tensor<4>,
        cotangent: Tensor<4>,
    ) -> Tensor<4> {
        let size = self.size();
        let [samples, channels, height, width] = images.dims();
        let [_, _, rows, columns] = pooled.dims();
        let shape = [samples, channels, rows, size, columns, size];
        let one_per_window = [samples, channels, rows, 1, columns, 1];
        let spread = |tensor: Tensor<4>| tensor.reshape(one_per_window).expand(shape);
        let windows = match self {
            Self::Max { .. } => {
                let largest = self.windows(images).equal(spread(pooled)).float();
                let count = largest.clone().sum_dim(5).sum_dim(3);
                largest * (cotangent.reshape(one_per_window) / count)
            }
            Self::Average { .. } => spread(cotangent / (size * size) as f64),
        };
        let covered = windows.reshape([samples, channels, rows * size, columns * size]);
        // The cotangent of rows and columns that fill no window is zero.
        let device = covered.device();
        let beside = [samples, channels, rows * size, width - columns * size];
        let below = [samples, channels, height - rows * size, width];
        let padded = if beside[3] == 0 {
            covered
        } else {
            Tensor::cat(vec![covered, Tensor::zeros(beside, &device)], 3)
        };
        if below[2] == 0 {
            padded
        } else {
            Tensor::cat(vec![padded, Tensor::zeros(below, &device)], 2)
        }
    }

    /// Returns the windows, `[samples, channels, rows, size, columns, size]`. They do not overlap, so a reshape suffices.
    fn windows(self, images: Tensor<4>) -> Tensor<6> {
        let size = self.size();
        let [samples, channels, height, width] = images.dims();
        let (rows, columns) = (height / size, width / size);
        images
            .narrow(2, 0, rows * size)
            .narrow(3, 0, columns * size)
            .reshape([samples, channels, rows, size, columns, size])
    }
}
