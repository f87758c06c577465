//! Kernel and bias of an affine map as one value.

use burn::tensor::{Device, Tensor};

use crate::shards::OnDevice;

/// Coefficients `V = [W; b]` of an affine map `u = a W + b`, or a direction in their space.
#[derive(Clone, Debug)]
pub struct Affine {
    /// `W`, `[d_in, d_out]`.
    pub kernel: Tensor<2>,
    /// `b`, `[d_out]`.
    pub bias: Tensor<1>,
}

impl Affine {
    /// Returns `rows · W + b`, `[rows, d_in]` to `[rows, d_out]`.
    pub fn apply(&self, rows: Tensor<2>) -> Tensor<2> {
        rows.matmul(self.kernel.clone()) + self.bias.clone().unsqueeze()
    }

    /// Pulls the cotangent `G`, `[rows, d_out]`, of the output back to the coefficients: `Âᵀ G` with `Â = [rows, 1]`.
    pub fn pull_back(rows: Tensor<2>, cotangent: Tensor<2>) -> Self {
        Self {
            bias: cotangent.clone().sum_dim(0).squeeze_dim(0),
            kernel: rows.transpose().matmul(cotangent),
        }
    }

    /// Returns `self + t · direction`.
    pub fn moved(&self, direction: &Self, t: f64) -> Self {
        Self {
            kernel: self.kernel.clone() + direction.kernel.clone() * t,
            bias: self.bias.clone() + direction.bias.clone() * t,
        }
    }

    /// Returns `self + other`.
    pub fn plus(&self, other: &Self) -> Self {
        self.moved(other, 1.0)
    }

    /// Returns `t · self`.
    pub fn scaled(&self, t: f64) -> Self {
        Self {
            kernel: self.kernel.clone() * t,
            bias: self.bias.clone() * t,
        }
    }

    /// Returns `V M` for a matrix `M`, `[d_out, d_out]`.
    pub fn times(&self, matrix: Tensor<2>) -> Self {
        let row = self.bias.clone().unsqueeze::<2>();
        Self {
            kernel: self.kernel.clone().matmul(matrix.clone()),
            bias: row.matmul(matrix).squeeze_dim(0),
        }
    }

    /// Returns the sum of entrywise products, `⟨self, other⟩`, `[1]`.
    pub fn inner(&self, other: &Self) -> Tensor<1> {
        (self.kernel.clone() * other.kernel.clone()).sum()
            + (self.bias.clone() * other.bias.clone()).sum()
    }
}

impl OnDevice for Affine {
    fn device(&self) -> Device {
        self.kernel.device()
    }

    fn on(self, device: &Device) -> Self {
        Self {
            kernel: self.kernel.on(device),
            bias: self.bias.on(device),
        }
    }
}
