//! Matrix norms, bounded from above.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::read::{scalar_f64, to_f64};
use crate::Result;

/// Squarings in the spectral bound. With `d` equal singular values the bound is too large by `d^(1/(4·2^m))` before the
/// row-sum cut below: 0.4 % at `d = 64`, and much less once the singular values differ.
const SQUARINGS: i32 = 8;

/// Keeps square roots and divisions away from zero; squares of single precision numbers below it do not count.
const TINY: f32 = 1e-30;

/// Which upper bound of the largest singular value enters the Lipschitz constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// `‖W‖_F`: cheap and smooth, up to `√d` too large; acts as a ridge penalty on the later stages.
    Frobenius,
    /// Gram iteration: the Schatten norm `(tr (WᵀW)^k)^{1/2k}` with `k = 2^(m+1)`, by repeated squaring, cut by the
    /// largest row sum of the last power; both are true upper bounds of `‖W‖₂`.
    Spectral,
}

impl Norm {
    /// An upper bound of `‖W‖₂`, differentiable in `W`.
    ///
    /// Rounding is allowed for by the factor `1 + max(d_in, d_out) ε` with f32's `ε = 2⁻²³`: the worst case of the longest sum
    /// involved, relative to the Frobenius norm; errors of later squarings are divided by the growing root. Tests compare
    /// with singular values in f64.
    ///
    /// # Shapes
    /// `matrix`: `[d_in, d_out]`; returns `[1]`.
    pub fn bound(self, matrix: Tensor<2>) -> Tensor<1> {
        let [rows, columns] = matrix.dims();
        let rounding = 1.0 + rows.max(columns) as f32 * f32::EPSILON;
        let frobenius = frobenius(matrix.clone());
        let value = match self {
            Self::Frobenius => frobenius,
            Self::Spectral => frobenius.clone() * relative_spectral(matrix, frobenius),
        };
        value * rounding
    }

    /// The bound as a number.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value(self, matrix: Tensor<2>) -> Result<f64> {
        // Leaves the device: Lipschitz constants and their products are kept on the host, in f64.
        scalar_f64(self.bound(matrix))
    }

    /// Value and derivative of the bound; the Frobenius norm's is `W/‖W‖_F`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value_and_gradient(self, matrix: Tensor<2>) -> Result<(f64, Tensor<2>)> {
        let leaf = matrix.clone().autodiff().require_grad();
        let bound = self.bound(leaf.clone());
        let gradient = leaf
            .grad(&bound.backward())
            .unwrap_or_else(|| matrix.zeros_like());
        Ok((scalar_f64(bound.inner())?, gradient))
    }
}

fn frobenius(matrix: Tensor<2>) -> Tensor<1> {
    // Scaling by the largest entry keeps the squares of very large weights finite.
    let scale = matrix.clone().detach().abs().max().clamp_min(TINY);
    let scaled = matrix / scale.clone().unsqueeze();
    (((scaled.clone() * scaled).sum() + TINY).sqrt() * scale).clamp_min(TINY)
}

/// `‖W‖₂ / ‖W‖_F`, from above.
fn relative_spectral(matrix: Tensor<2>, frobenius_norm: Tensor<1>) -> Tensor<1> {
    let [rows, columns] = matrix.dims();
    let unit = matrix / frobenius_norm.unsqueeze();
    let mut power = if rows < columns {
        unit.clone().matmul(unit.transpose())
    } else {
        unit.clone().transpose().matmul(unit)
    };
    // ‖G_0‖₂ = c_0 ‖G_0/c_0‖₂ and ‖G_i/c_i‖₂² = ‖G_{i+1}‖₂, hence log ‖G_0‖₂ = Σ log c_i / 2^i + log ‖G_m/c_m‖₂ / 2^m.
    let mut logarithm = Tensor::zeros([1], &power.device());
    for i in 0..=SQUARINGS {
        let scale = ((power.clone() * power.clone()).sum() + TINY).sqrt();
        logarithm = logarithm + scale.clone().log() / 2_f32.powi(i);
        power = power / scale.unsqueeze();
        if i < SQUARINGS {
            power = power.clone().matmul(power);
        }
    }
    // ‖G‖₂ ≤ 1 by the Frobenius scaling, and ‖G‖₂ ≤ max row sum; the latter is exact for orthogonal matrices.
    let row_sum = power.abs().sum_dim(1).max().clamp(TINY, 1.0);
    ((logarithm + row_sum.log() / 2_f32.powi(SQUARINGS)) * 0.5).exp()
}

/// Largest singular value of a small matrix, by an f64 singular value decomposition on the host: for reports and tests.
///
/// # Errors
/// [`crate::Error::Device`] when the device failed.
pub fn exact_spectral_norm(matrix: Tensor<2>) -> Result<f64> {
    let [rows, columns] = matrix.dims();
    let values = to_f64(matrix)?;
    let matrix = faer::Mat::from_fn(rows, columns, |i, j| values[i * columns + j]);
    let largest = matrix
        .singular_values()
        .map_err(|error| crate::Error::Device(format!("{error:?}")))?
        .first()
        .copied();
    Ok(largest.unwrap_or(0.0))
}
