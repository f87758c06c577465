//! Covariances of a stage's inputs, and the preconditioner that follows from them.

use burn::tensor::{Device, Tensor};
use faer::Mat;

use super::Affine;
use super::read::to_f64;
use super::ridge_inverse::RidgeInverse;
use crate::Result;
use crate::shards::OnDevice;

/// Least ridge, relative to the mean square of the inputs: the variance that rounding to f32 gives to inputs that do not
/// vary, `(2⁻²⁴)²`, with some room.
const ROUNDING: f64 = 1e-13;

/// Least ridge where inputs vanish altogether.
const LEAST: f64 = 1e-30;

/// Mean and scatter `Σ_n (a_n - ā)(a_n - ā)ᵀ` of inputs, with their number `m`, which becomes a weight under sums and exponential
/// averages.
///
/// Scatter is summed about the mean, not recovered from `aᵀa`: after ten stages of sigmoid, inputs vary by 1e-4 of their mean,
/// and their variance would be lost in f32.
#[derive(Clone, Debug)]
pub struct Covariance {
    scatter: Tensor<2>,
    mean: Tensor<1>,
    rows: f64,
}

impl Covariance {
    /// Returns mean and scatter of `rows`, `[m, d]`.
    pub fn from_rows(rows: Tensor<2>) -> Self {
        let count = rows.dims()[0] as f64;
        let mean = rows.clone().mean_dim(0);
        let centred = rows - mean.clone();
        Self {
            scatter: centred.clone().transpose().matmul(centred),
            mean: mean.squeeze_dim(0),
            rows: count,
        }
    }

    /// Returns mean and scatter of the rows of both.
    pub fn plus(self, other: Self) -> Self {
        let rows = self.rows + other.rows;
        let difference = other.mean - self.mean.clone();
        let column = difference.clone().unsqueeze_dim::<2>(1);
        let between = column.clone().matmul(column.transpose()) * (self.rows * other.rows / rows);
        Self {
            scatter: self.scatter + other.scatter + between,
            mean: self.mean + difference * (other.rows / rows),
            rows,
        }
    }

    /// Returns mean and scatter with the weight of the rows, and the scatter, multiplied by `t`.
    pub fn scaled(self, t: f64) -> Self {
        Self {
            scatter: self.scatter * t,
            rows: self.rows * t,
            ..self
        }
    }

    /// Returns scatter, `[d, d]`, and mean, `[d]`.
    pub(crate) fn arrays(&self) -> (Tensor<2>, Tensor<1>) {
        (self.scatter.clone(), self.mean.clone())
    }

    /// Rebuilds the value from its [`arrays`](Self::arrays) and [`rows`](Self::rows).
    pub(crate) fn from_arrays(scatter: Tensor<2>, mean: Tensor<1>, rows: f64) -> Self {
        Self {
            scatter,
            mean,
            rows,
        }
    }

    /// Returns the weight `m` of the rows.
    pub fn rows(&self) -> f64 {
        self.rows
    }

    /// Returns the preconditioner with the inverse `(Σ + μ (tr Σ)/d I)⁻¹` about `ā`, with `Σ` the scatter divided by `m`.
    ///
    /// The host factors it in f64. For many inputs that vary in few directions the inverse has low rank, and is off by up to a tenth
    /// of its eigenvalues in the others.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when the inputs are not finite or `μ` is too small for their condition.
    pub fn precondition(self, damping: f64) -> Result<Preconditioner> {
        let [d, _] = self.scatter.dims();
        let device = self.scatter.device();
        // Leaves the device: once per stage and refresh, for the host's factorization.
        let scatter = to_f64(self.scatter)?;
        let mean = to_f64(self.mean.clone())?;
        let variance = |i: usize| scatter[i * d + i] / self.rows;
        let variances = (0..d).map(variance).sum::<f64>() / d as f64;
        let squares = mean.iter().map(|mean| mean * mean).sum::<f64>() / d as f64;
        let ridge = (damping * variances)
            .max(ROUNDING * (squares + variances))
            .max(LEAST);
        let covariance = Mat::from_fn(d, d, |i, j| scatter[i * d + j] / self.rows);
        let (inverse, condition) = RidgeInverse::new(covariance, ridge, &device)?;
        Ok(Preconditioner {
            inverse,
            mean: self.mean,
            condition,
        })
    }
}

impl OnDevice for Covariance {
    fn device(&self) -> Device {
        self.scatter.device()
    }

    fn on(self, device: &Device) -> Self {
        Self {
            scatter: self.scatter.on(device),
            mean: self.mean.on(device),
            rows: self.rows,
        }
    }
}

/// The metric in which an affine map `u = (a - ā) W + c` takes its gradient steps: `(Σ + ridge)⁻¹` for `W`, 1 for `c`.
#[derive(Clone, Debug)]
pub struct Preconditioner {
    inverse: RidgeInverse,
    mean: Tensor<1>,
    condition: f64,
}

impl Preconditioner {
    /// Returns the preconditioned gradient in the coefficients `V = [W; b]` of `u = a W + b`, for rows `[m, d]` and the cotangents
    /// `[m, d_out]` of their outputs, summed over rows: `W` gets `(Σ + ridge)⁻¹ (A - ā)ᵀG`, and `b` gets `1ᵀG - ā W`.
    ///
    /// It is the gradient under a positive definite metric, whatever the mean is: a descent direction. The gradient of a
    /// `penalty` on `W` is added to that of the outputs.
    pub fn direction(
        &self,
        rows: Tensor<2>,
        cotangent: Tensor<2>,
        penalty: Option<Tensor<2>>,
    ) -> Affine {
        let mean = self.mean.clone().unsqueeze::<2>();
        let sums: Tensor<1> = cotangent.clone().sum_dim(0).squeeze_dim(0);
        let mut gradient = (rows - mean.clone()).transpose().matmul(cotangent);
        if let Some(penalty) = penalty {
            gradient = gradient + penalty;
        }
        let kernel = self.inverse.apply(gradient);
        Affine {
            bias: sums - mean.matmul(kernel.clone()).squeeze_dim(0),
            kernel,
        }
    }

    /// Returns the preconditioned form of a gradient in the coefficients, `[Aᵀ G; 1ᵀ G]` or any vector of its shape: the same metric
    /// as that of [`direction`](Self::direction). Where inputs hardly vary about their mean, rows keep more digits.
    pub(crate) fn apply(&self, gradient: &Affine) -> Affine {
        let mean = self.mean.clone().unsqueeze::<2>();
        let sums = gradient.bias.clone().unsqueeze::<2>();
        let centred = gradient.kernel.clone() - mean.clone().transpose().matmul(sums);
        let kernel = self.inverse.apply(centred);
        Affine {
            bias: gradient.bias.clone() - mean.matmul(kernel.clone()).squeeze_dim(0),
            kernel,
        }
    }

    /// Returns the inverse, or its factor, and the mean.
    pub(crate) fn arrays(&self) -> (Tensor<2>, Tensor<1>) {
        let inverse = match &self.inverse {
            RidgeInverse::Whole(inverse) => inverse,
            RidgeInverse::LowRank { factor, .. } => factor,
        };
        (inverse.clone(), self.mean.clone())
    }

    /// Returns `ρ` of an inverse of low rank; `None` for a whole one.
    pub(crate) fn ridge(&self) -> Option<f64> {
        match self.inverse {
            RidgeInverse::Whole(_) => None,
            RidgeInverse::LowRank { ridge, .. } => Some(ridge),
        }
    }

    /// Rebuilds the value from its [`arrays`](Self::arrays), [`ridge`](Self::ridge) and [`condition`](Self::condition).
    pub(crate) fn from_arrays(
        inverse: Tensor<2>,
        mean: Tensor<1>,
        ridge: Option<f64>,
        condition: f64,
    ) -> Self {
        Self {
            inverse: match ridge {
                Some(ridge) => RidgeInverse::LowRank {
                    ridge,
                    factor: inverse,
                },
                None => RidgeInverse::Whole(inverse),
            },
            mean,
            condition,
        }
    }

    /// Returns an estimate of the condition of `Σ + ridge`.
    pub fn condition(&self) -> f64 {
        self.condition
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use faer::linalg::solvers::Solve;

    use super::*;

    fn tensor(rows: &[[f64; 3]]) -> Tensor<2> {
        let values: Vec<f32> = rows.iter().flatten().map(|&v| v as f32).collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), 3]), &Device::flex())
    }

    /// Rows that vary by `spread` about a mean of some units.
    fn rows(spread: f64) -> Vec<[f64; 3]> {
        let row = |n: usize| {
            let wave = |j: f64| (1.7 * j * (n as f64 + 0.5)).sin();
            [1.0, 2.0, 3.0].map(|j| f64::from((j + spread * wave(j)) as f32))
        };
        (0..11).map(row).collect()
    }

    fn mean(rows: &[[f64; 3]], j: usize) -> f64 {
        rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64
    }

    fn covariance(rows: &[[f64; 3]]) -> Mat<f64> {
        let product = |row: &[f64; 3], i, j| (row[i] - mean(rows, i)) * (row[j] - mean(rows, j));
        Mat::from_fn(3, 3, |i, j| {
            rows.iter().map(|row| product(row, i, j)).sum::<f64>() / rows.len() as f64
        })
    }

    #[test]
    fn sums_of_two_sets_of_rows_equal_those_of_all() {
        // At 1e-3 of the mean the variance would lose all digits but one to sums of squares in f32.
        for spread in [1.0, 1e-3] {
            let rows = rows(spread);
            let (one, other) = rows.split_at(4);
            let sum = Covariance::from_rows(tensor(one)).plus(Covariance::from_rows(tensor(other)));
            assert_eq!(sum.rows(), 11.0);
            let found = to_f64(sum.scatter).unwrap();
            let expected = covariance(&rows);
            for i in 0..3 {
                for j in 0..3 {
                    let error = found[3 * i + j] / 11.0 - expected[(i, j)];
                    // Means of some units in f32, 2e-7 off, against deviations of `spread`.
                    assert!(
                        error.abs() < 1e-6 * spread,
                        "{error} of {}",
                        expected[(i, j)]
                    );
                }
            }
            for (j, found) in to_f64(sum.mean).unwrap().iter().enumerate() {
                assert!((found - mean(&rows, j)).abs() < 1e-6);
            }
        }
    }

    /// In the coordinates `(W, c)` of `u = (a - ā) W + c` the direction is `(Σ + μ (tr Σ)/d I)⁻¹ ∇_W` and `∇_c`, here in f64.
    #[test]
    fn directions_are_preconditioned_gradients_of_the_centred_map() {
        let rows = rows(0.5);
        let cotangents: Vec<[f64; 3]> = (0..11).map(|n| [0.25 * f64::from(n), -1.0, 0.5]).collect();
        let preconditioner = Covariance::from_rows(tensor(&rows))
            .precondition(0.1)
            .unwrap();
        let direction = preconditioner.direction(tensor(&rows), tensor(&cotangents), None);
        let mut matrix = covariance(&rows);
        let ridge = 0.1 * (0..3).map(|i| matrix[(i, i)]).sum::<f64>() / 3.0;
        (0..3).for_each(|i| matrix[(i, i)] += ridge);
        let gradient = Mat::from_fn(3, 3, |i, j| {
            let pairs = rows.iter().zip(&cotangents);
            pairs
                .map(|(a, g)| (a[i] - mean(&rows, i)) * g[j])
                .sum::<f64>()
        });
        let kernel = matrix.partial_piv_lu().solve(&gradient);
        let found = to_f64(direction.kernel).unwrap();
        let bias = to_f64(direction.bias).unwrap();
        for j in 0..3 {
            let shift: f64 = (0..3).map(|i| mean(&rows, i) * kernel[(i, j)]).sum();
            let sum: f64 = cotangents.iter().map(|g| g[j]).sum();
            // f32 sums of some ten products of some units each.
            assert!((bias[j] - (sum - shift)).abs() < 1e-4, "{}", bias[j]);
            for i in 0..3 {
                assert!((found[3 * i + j] - kernel[(i, j)]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn inputs_that_do_not_vary_still_have_a_preconditioner() {
        for rows in [[[0.5, 0.5, 0.5]; 4], [[0.0; 3]; 4]] {
            let preconditioner = Covariance::from_rows(tensor(&rows))
                .precondition(0.1)
                .unwrap();
            let direction = preconditioner.direction(tensor(&rows), tensor(&[[1.0; 3]; 4]), None);
            assert_eq!(to_f64(direction.kernel).unwrap(), [0.0; 9]);
            assert_eq!(to_f64(direction.bias).unwrap(), [4.0; 3]);
        }
    }
}
