//! Gram matrices of a stage's inputs and their factorization.

use burn::tensor::{Device, Tensor, TensorData};
use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, MatRef, Side};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::read::to_f64;
use super::{Affine, Covariance};
use crate::shards::OnDevice;
use crate::{Error, Result};

/// Least ridge of [`Ridge::Variance`], relative to the mean square of the inputs: about the error of their variance in f32 sums of
/// their products.
const ROUNDING: f64 = 1e-7;

/// Least ridge of [`Ridge::Variance`] times `d`, where inputs vanish: a stage whose inputs are all zero still has a bias to fit.
const LEAST: f64 = 1e-12;

/// Columns of a right-hand side that one thread solves: no share, so that results do not depend on the number of threads.
const SOLVED_COLUMNS: usize = 32;

/// The measure of a damping `μ`, and the coefficients that it damps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ridge {
    /// `μ (tr Σ)/d` on the kernel, with `Σ` the covariance of the inputs, and nothing on the bias. Deep in a network inputs
    /// hardly vary about their mean, and a ridge relative to their second moment would exceed the variance.
    #[default]
    Variance,
    /// `μ (tr ÂᵀÂ/m)/(d+1)` on kernel and bias.
    SecondMoment,
}

/// The Gram matrix `ÂᵀÂ` of bordered inputs `Â = [a, 1]`, kept in its blocks `aᵀa`, `aᵀ1` and the number of rows `m`, which becomes
/// a weight under sums and exponential averages.
#[derive(Clone, Debug)]
pub struct Gram {
    cross: Tensor<2>,
    sums: Tensor<1>,
    rows: f64,
}

impl Gram {
    /// Returns the Gram matrix of `rows`, `[m, d]`.
    pub fn from_rows(rows: Tensor<2>) -> Self {
        let count = rows.dims()[0];
        Self {
            sums: rows.clone().sum_dim(0).squeeze_dim(0),
            cross: rows.clone().transpose().matmul(rows),
            rows: count as f64,
        }
    }

    /// Returns the Gram matrix of the rows of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            cross: self.cross + other.cross,
            sums: self.sums + other.sums,
            rows: self.rows + other.rows,
        }
    }

    /// Returns `t ÂᵀÂ`, the Gram matrix with the weight of the rows multiplied by `t`.
    pub fn scaled(self, t: f64) -> Self {
        Self {
            cross: self.cross * t,
            sums: self.sums * t,
            rows: self.rows * t,
        }
    }

    /// Returns the weight `m` of the rows.
    pub fn rows(&self) -> f64 {
        self.rows
    }

    /// Returns the covariance of the inputs. It loses digits where they hardly vary about their mean, as they do deep in a network.
    pub(crate) fn covariance(&self) -> Covariance {
        let mean = self.sums.clone() / self.rows;
        let column = mean.clone().unsqueeze_dim::<2>(1);
        let between = column.clone().matmul(column.transpose()) * self.rows;
        Covariance::from_arrays(self.cross.clone() - between, mean, self.rows)
    }

    /// Factors `ÂᵀÂ/m` with a ridge of `μ` in f64 on the host.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] when the inputs are not finite or `μ` is too small for their condition.
    pub fn factor(self, damping: f64, ridge: Ridge) -> Result<Cholesky> {
        let host = HostGram::read(self)?;
        let (squares, means) = host.square_means();
        let (kernel, bias) = match ridge {
            Ridge::SecondMoment => {
                let ridge = damping * (squares + 1.0) / (host.features + 1) as f64;
                (ridge, ridge)
            }
            Ridge::Variance => {
                let variance = damping * (squares - means);
                let ridge = variance.max(ROUNDING * squares).max(LEAST);
                (ridge / host.features as f64, 0.0)
            }
        };
        host.factor(kernel, bias)
    }

    /// Factors `ÂᵀÂ/m + ρ I` in f64 on the host: `ρ` is the whole ridge, on kernel and bias.
    ///
    /// # Errors
    /// As [`factor`](Self::factor).
    pub fn factor_plus(self, ridge: f64) -> Result<Cholesky> {
        HostGram::read(self)?.factor(ridge, ridge)
    }

    /// Returns `(aᵀa + ρ I)⁻¹`, `[d, d]`, of the inputs without their border.
    ///
    /// # Errors
    /// As [`factor`](Self::factor).
    pub(crate) fn inverse_plus(self, ridge: f64) -> Result<Tensor<2>> {
        let [d, _] = self.cross.dims();
        let device = self.cross.device();
        let cross = to_f64(self.cross)?;
        let matrix = Mat::from_fn(d, d, |i, j| {
            cross[i * d + j] + if i == j { ridge } else { 0.0 }
        });
        Ok(Cholesky::new(&matrix)?.inverse(&device))
    }
}

impl OnDevice for Gram {
    fn device(&self) -> Device {
        self.cross.device()
    }

    fn on(self, device: &Device) -> Self {
        Self {
            cross: self.cross.on(device),
            sums: self.sums.on(device),
            rows: self.rows,
        }
    }
}

/// A Gram matrix on the host.
struct HostGram {
    cross: Vec<f64>,
    sums: Vec<f64>,
    rows: f64,
    features: usize,
}

impl HostGram {
    /// Leaves the device: once per weight block and pass, for the host solve.
    fn read(gram: Gram) -> Result<Self> {
        let [features, _] = gram.cross.dims();
        Ok(Self {
            cross: to_f64(gram.cross)?,
            sums: to_f64(gram.sums)?,
            rows: gram.rows,
            features,
        })
    }

    /// `tr aᵀa/m` and `‖ā‖²`.
    fn square_means(&self) -> (f64, f64) {
        let (d, m) = (self.features, self.rows);
        let squares = (0..d).map(|i| self.cross[i * d + i]).sum::<f64>() / m;
        let means = self.sums.iter().map(|sum| (sum / m).powi(2)).sum::<f64>();
        (squares, means)
    }

    /// Factors `ÂᵀÂ/m` with ridges on kernel and bias.
    fn factor(&self, kernel: f64, bias: f64) -> Result<Cholesky> {
        let (d, m) = (self.features, self.rows);
        let matrix = Mat::from_fn(d + 1, d + 1, |i, j| {
            let value = match (i < d, j < d) {
                (true, true) => self.cross[i * d + j] / m,
                (true, false) => self.sums[i] / m,
                (false, true) => self.sums[j] / m,
                (false, false) => 1.0,
            };
            value
                + match i == j {
                    true if i < d => kernel,
                    true => bias,
                    false => 0.0,
                }
        });
        Cholesky::new(&matrix)
    }
}

/// Cholesky factor of a Gram matrix with its ridge.
#[derive(Clone, Debug)]
pub struct Cholesky {
    factor: Llt<f64>,
    size: usize,
}

impl Cholesky {
    /// Factors a symmetric matrix.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] for a matrix that is not.
    pub(super) fn new(matrix: &Mat<f64>) -> Result<Self> {
        let factor = Llt::new(matrix.as_ref(), Side::Lower)
            .map_err(|error| Error::NotPositiveDefinite(format!("{error:?}")))?;
        Ok(Self {
            factor,
            size: matrix.nrows(),
        })
    }

    /// Returns an estimate from below of the condition number of the factored matrix, from the diagonal of its factor.
    pub fn condition(&self) -> f64 {
        let lower = self.factor.L();
        let diagonal = (0..self.size).map(|i| lower[(i, i)]);
        let (least, most) = diagonal.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        (most / least).powi(2)
    }

    /// Returns the inverse of the factored matrix on a device, for solves that do not pass through the host.
    pub(super) fn inverse(&self, device: &Device) -> Tensor<2> {
        let n = self.size;
        let inverse = self.factor.solve(&Mat::<f64>::identity(n, n));
        let entries = (0..n * n).map(|i| inverse[(i / n, i % n)]);
        Tensor::from_data(TensorData::new(entries.collect::<Vec<_>>(), [n, n]), device)
    }

    /// Solves `(ÂᵀÂ/m + ridge) X = right` for the kernel and bias rows of `right` together, its columns in parallel.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when `right` has other rows than the factor.
    pub fn solve(&self, right: &Affine) -> Result<Affine> {
        let [d, columns] = right.kernel.dims();
        if d + 1 != self.size {
            return Err(Error::ShapeMismatch {
                what: "rows of the right-hand side".into(),
                expected: self.size,
                found: d + 1,
            });
        }
        // Leaves the device: together with the Gram matrix, for the host solve.
        let mut bordered = to_f64(right.kernel.clone())?;
        bordered.extend(to_f64(right.bias.clone())?);
        let bordered = MatRef::from_row_major_slice(&bordered, self.size, columns);
        let starts: Vec<usize> = (0..columns).step_by(SOLVED_COLUMNS).collect();
        let solve = |&start: &usize| {
            let part = bordered.subcols(start, SOLVED_COLUMNS.min(columns - start));
            self.factor.solve(part)
        };
        let parts: Vec<Mat<f64>> = starts.par_iter().map(solve).collect();
        let mut solution = vec![0.0; self.size * columns];
        for (start, part) in starts.iter().zip(&parts) {
            for (j, column) in part.col_iter().enumerate() {
                let places = solution.iter_mut().skip(start + j).step_by(columns);
                places
                    .zip(column.iter())
                    .for_each(|(place, value)| *place = *value);
            }
        }
        let device = right.kernel.device();
        let bias = solution.split_off(d * columns);
        Ok(Affine {
            kernel: Tensor::from_data(TensorData::new(solution, [d, columns]), &device),
            bias: Tensor::from_data(TensorData::new(bias, [columns]), &device),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_ridge_is_added_to_kernel_and_bias() {
        let device = Device::flex();
        let rows = Tensor::from_data([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]], &device);
        let (ridge, ones) = (0.3, Tensor::<2>::ones([3, 1], &device));
        let bordered = Tensor::cat(vec![rows.clone(), ones], 1);
        let right = Affine {
            kernel: Tensor::from_data([[1.0], [2.0]], &device),
            bias: Tensor::from_data([-1.0], &device),
        };
        let factor = Gram::from_rows(rows.clone()).factor_plus(ridge).unwrap();
        let found = factor.solve(&right).unwrap();
        let found: Tensor<2> = Tensor::cat(vec![found.kernel, found.bias.unsqueeze()], 0);
        let gram = bordered.clone().transpose().matmul(bordered) / 3.0;
        let back = to_f64(gram.matmul(found.clone()) + found * ridge).unwrap();
        for (back, expected) in back.iter().zip([1.0, 2.0, -1.0]) {
            // f32 sums of three products.
            assert!((back - expected).abs() < 1e-5, "{back} {expected}");
        }
        let inverse = Gram::from_rows(rows.clone()).inverse_plus(ridge).unwrap();
        let product = rows
            .clone()
            .transpose()
            .matmul(rows)
            .matmul(inverse.clone());
        let identity = to_f64(product + inverse * ridge).unwrap();
        for (found, expected) in identity.iter().zip([1.0, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
