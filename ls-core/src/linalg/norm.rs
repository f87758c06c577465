//! Matrix norms, bounded from above.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::read::{scalar_f64, to_f64};
use crate::Result;

/// Number of squarings in the spectral bound. With `d` equal singular values the bound is too large by `d^(1/(4·2^m))` before the
/// row-sum cut below: 0.4 % at `d = 64`, and much less once the singular values differ.
const SQUARINGS: usize = 8;

/// Keeps square roots and divisions away from zero; smaller squares of single precision numbers do not count.
const TINY: f32 = 1e-30;

/// `√TINY`: the scale of a power that vanishes.
const ROOT_OF_TINY: f32 = 1e-15;

/// The upper bound of the largest singular value that enters the Lipschitz constants.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Norm {
    /// `‖W‖_F`: cheap and smooth, up to `√d` too large; acts as a ridge penalty on the later stages.
    Frobenius,
    /// Gram iteration: the Schatten norm `(tr (WᵀW)^k)^{1/2k}` with `k = 2^(m+1)`, by repeated squaring, cut by the
    /// largest row sum of the last power; both are true upper bounds of `‖W‖₂`. For a convolution times the overlap of its
    /// patches, which overrates large kernels about threefold.
    Spectral,
    /// As `Spectral` for a matrix. For a convolution the smaller of that and the largest norm that the kernel's Fourier
    /// transform takes at any frequency: within some percent on images much larger than the kernel.
    Frequency,
}

impl Norm {
    /// Returns an upper bound of `‖W‖₂`, differentiable in `W`.
    ///
    /// The factor `1 + max(d_in, d_out) ε` with f32's `ε = 2⁻²³` allows for rounding: the worst case of the longest sum involved,
    /// relative to the Frobenius norm; errors of later squarings are divided by the growing root. Tests compare with singular
    /// values in f64.
    ///
    /// # Shapes
    /// `matrix`: `[d_in, d_out]`; returns `[1]`.
    pub fn bound(self, matrix: Tensor<2>) -> Tensor<1> {
        let [rows, columns] = matrix.dims();
        let rounding = 1.0 + rows.max(columns) as f32 * f32::EPSILON;
        let frobenius = frobenius(matrix.clone());
        let value = match self {
            Self::Frobenius => frobenius,
            Self::Spectral | Self::Frequency => {
                let unit = matrix / frobenius.clone().unsqueeze();
                frobenius * spectral_of_unit(unit)
            }
        };
        value * rounding
    }

    /// Returns the bound as a number.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value(self, matrix: Tensor<2>) -> Result<f64> {
        // Leaves the device: Lipschitz constants and their products are kept on the host, in f64.
        scalar_f64(self.bound(matrix))
    }

    /// Returns the bound and its derivative, which is `W/‖W‖_F` for the Frobenius norm.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value_and_gradient(self, matrix: Tensor<2>) -> Result<(f64, Tensor<2>)> {
        let (bound, gradient) = differentiate(matrix, |leaf| self.bound(leaf));
        Ok((scalar_f64(bound)?, gradient))
    }
}

/// Returns a function of a matrix, `[1]`, and its derivative, by Burn's autodiff.
pub(super) fn differentiate(
    matrix: Tensor<2>,
    function: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> (Tensor<1>, Tensor<2>) {
    let leaf = matrix.clone().autodiff().require_grad();
    let value = function(leaf.clone());
    let gradient = leaf
        .grad(&value.backward())
        .unwrap_or_else(|| matrix.zeros_like());
    (value.inner(), gradient)
}

/// Returns `‖W‖_F`, `[1]`.
pub(super) fn frobenius(matrix: Tensor<2>) -> Tensor<1> {
    // Scaling by the largest entry keeps the squares of very large weights finite.
    let scale = matrix.clone().detach().abs().max().clamp_min(TINY);
    let scaled = matrix / scale.clone().unsqueeze();
    (((scaled.clone() * scaled).sum() + TINY).sqrt() * scale).clamp_min(TINY)
}

/// Returns an upper bound of `‖W‖₂` for a matrix with `‖W‖_F = 1`, `[1]`.
fn spectral_of_unit(unit: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = unit.dims();
    let gram = if rows < columns {
        unit.clone().matmul(unit.transpose())
    } else {
        unit.clone().transpose().matmul(unit)
    };
    root_of_norm(gram.unsqueeze(), SQUARINGS, |g| g.clone().matmul(g))
}

/// Returns upper bounds of `√‖G‖₂` for several Hermitian positive semidefinite matrices `G`, by Gram iteration: `‖G‖₂ = √‖G²‖₂`
/// for each of the `squarings`, then `‖G‖₂ ≤ ‖G‖_F` or the largest row sum, whichever is smaller.
///
/// With `d` equal singular values the Frobenius norm is too large by `d^(1/(4·2^squarings))`.
///
/// # Shapes
/// `gram`: `[count, d, d]`, or `[count, d, 2d]` as the halves `[Re, -Im]` of complex matrices; `square` keeps the form.
/// Returns `[count]`.
/// # Source
/// Delattre, Barthélemy, Araujo and Allauzen, ICML 2023, arXiv 2305.16173.
pub(super) fn root_of_norm(
    gram: Tensor<3>,
    squarings: usize,
    square: impl Fn(Tensor<3>) -> Tensor<3>,
) -> Tensor<1> {
    let mut scales = Vec::with_capacity(squarings + 1);
    let mut power = gram;
    for i in 0..=squarings {
        if i > 0 {
            power = square(power);
        }
        // Scaled to Frobenius norm 1, no power overflows and the largest singular value does not underflow.
        let squares = (power.clone() * power.clone()).sum_dim(2).sum_dim(1);
        let scale = (squares + TINY).sqrt();
        power = power / scale.clone();
        scales.push(scale);
    }
    // The Frobenius norm of the scaled power is 1; the row sum is exact for orthogonal matrices.
    let row_sum = power.abs().sum_dim(2).max_dim(1);
    // ‖G_{i+1}‖₂ = c_{i+1} ‖G_{i+1}/c_{i+1}‖₂ = ‖G_i/c_i‖₂², unrolled from the last power to `√‖G_0‖₂`.
    let root = |norm: Tensor<3>, scale: Tensor<3>| (norm * scale).sqrt();
    let norm = scales.into_iter().rev();
    let norm = norm.fold(row_sum.clamp(ROOT_OF_TINY, 1.0), root);
    norm.flatten(0, 2)
}

/// Returns the largest singular value of a small matrix, by an f64 singular value decomposition on the host: for reports and tests.
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
