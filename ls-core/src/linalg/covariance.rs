//! Covariances of a stage's inputs, and the preconditioner that they make.

use burn::tensor::Tensor;
use faer::Mat;

use super::read::to_f64;
use super::{Affine, Cholesky};
use crate::Result;

/// Least ridge, relative to the mean square of the inputs: the variance that rounding to f32 gives to inputs that do not
/// vary, `(2⁻²⁴)²`, with some room.
const ROUNDING: f64 = 1e-13;

/// Mean and scatter `Σ_n (a_n - ā)(a_n - ā)ᵀ` of inputs, whose number `m` sums and exponential averages make a weight.
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
    /// Of `rows`, `[m, d]`.
    pub fn of(rows: Tensor<2>) -> Self {
        let count = rows.dims()[0] as f64;
        let mean = rows.clone().mean_dim(0);
        let centred = rows - mean.clone();
        Self {
            scatter: centred.clone().transpose().matmul(centred),
            mean: mean.squeeze_dim(0),
            rows: count,
        }
    }

    /// Of the rows of both.
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

    /// The rows with another weight.
    pub fn scaled(self, t: f64) -> Self {
        Self {
            scatter: self.scatter * t,
            rows: self.rows * t,
            ..self
        }
    }

    /// `m`.
    pub fn rows(&self) -> f64 {
        self.rows
    }

    /// `(Σ + μ (tr Σ)/d I)⁻¹` about `ā`, with `Σ` the scatter divided by `m`, in f64 on the host.
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
        let ridge = (damping * variances).max(ROUNDING * (squares + variances));
        let matrix = Mat::from_fn(d, d, |i, j| {
            scatter[i * d + j] / self.rows + if i == j { ridge } else { 0.0 }
        });
        let factor = Cholesky::new(&matrix)?;
        Ok(Preconditioner {
            condition: factor.condition(),
            inverse: factor.inverse(&device),
            mean: self.mean,
        })
    }
}

/// The metric in which an affine map `u = (a - ā) W + c` takes its gradient steps: `(Σ + ridge)⁻¹` for `W`, 1 for `c`.
#[derive(Clone, Debug)]
pub struct Preconditioner {
    inverse: Tensor<2>,
    mean: Tensor<1>,
    condition: f64,
}

impl Preconditioner {
    /// The preconditioned gradient in the coefficients `V = [W; b]` of `u = a W + b`, for rows `[m, d]` and the cotangents
    /// `[m, d_out]` of their outputs, summed over rows: `W` gets `(Σ + ridge)⁻¹ (A - ā)ᵀG`, and `b` gets `1ᵀG - ā W`.
    ///
    /// It is the gradient under a positive definite metric, whatever the mean is: a descent direction.
    pub fn direction(&self, rows: Tensor<2>, cotangent: Tensor<2>) -> Affine {
        let mean = self.mean.clone().unsqueeze::<2>();
        let sums: Tensor<1> = cotangent.clone().sum_dim(0).squeeze_dim(0);
        let gradient = (rows - mean.clone()).transpose().matmul(cotangent);
        let kernel = self.inverse.clone().matmul(gradient);
        Affine {
            bias: sums - mean.matmul(kernel.clone()).squeeze_dim(0),
            kernel,
        }
    }

    /// Estimate of the condition of `Σ + ridge`.
    pub fn condition(&self) -> f64 {
        self.condition
    }
}
