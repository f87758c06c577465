//! The loss of a stage's output: its distance from a target, or the cross-entropy with labels.

use burn::tensor::{Int, Tensor};

use super::cross_entropy;

/// The term of the separated loss that a stage's output enters, per sample.
#[derive(Clone, Debug)]
pub enum OutputLoss {
    /// `ω ‖a_{l,n} - f_l(·)‖²` at a hidden stage.
    Residual {
        /// `a_l`, `[samples, d_l]`.
        target: Tensor<2>,
        /// `ω_l`.
        omega: f64,
    },
    /// `factor · ce(·, y_n)` at the head.
    CrossEntropy {
        /// `y`, `[samples]`.
        labels: Tensor<1, Int>,
        /// `1 + η`, or 1 with fixed weights.
        factor: f64,
    },
}

impl OutputLoss {
    /// Returns the term of each sample, `[samples]`, for outputs `[samples, d]`.
    pub fn per_sample(&self, output: Tensor<2>) -> Tensor<1> {
        self.misfit(output) * self.weight()
    }

    /// Returns the term of each sample without its weight, `[samples]`: `r_{l,n}²`, or the cross-entropy.
    pub fn misfit(&self, output: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Residual { target, .. } => square_norms(target.clone() - output),
            Self::CrossEntropy { labels, .. } => cross_entropy::per_sample(output, labels),
        }
    }

    /// Returns `ω_l`, or the factor of the cross-entropy.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Residual { omega, .. } => *omega,
            Self::CrossEntropy { factor, .. } => *factor,
        }
    }

    /// Returns the derivative of each sample's term by its output, `[samples, d]`.
    pub fn gradient(&self, output: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Residual { target, omega } => (output - target.clone()) * (2.0 * omega),
            Self::CrossEntropy { labels, factor } => {
                cross_entropy::gradient(output, labels) * *factor
            }
        }
    }

    /// Returns [`misfit`](Self::misfit) and [`gradient`](Self::gradient).
    pub fn misfit_and_gradient(&self, output: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        match self {
            Self::Residual { target, omega } => {
                let difference = output - target.clone();
                (square_norms(difference.clone()), difference * (2.0 * omega))
            }
            Self::CrossEntropy { labels, factor } => {
                let (value, gradient) = cross_entropy::value_and_gradient(output, labels);
                (value, gradient * *factor)
            }
        }
    }

    /// Returns an upper bound of the second derivative by the output: `2 ω`, or `½ factor` for the cross-entropy.
    pub fn curvature(&self) -> f64 {
        match self {
            Self::Residual { omega, .. } => 2.0 * omega,
            Self::CrossEntropy { factor, .. } => 0.5 * factor,
        }
    }
}

/// Returns `‖v_n‖²`, `[samples]`, of rows `[samples, d]`.
pub(crate) fn square_norms(rows: Tensor<2>) -> Tensor<1> {
    (rows.clone() * rows).sum_dim(1).squeeze_dim(1)
}
