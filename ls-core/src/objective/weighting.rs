//! Weights of the residuals in the separated loss.

use serde::{Deserialize, Serialize};

use crate::error::ensure;
use crate::linalg::Norm;
use crate::{Error, Result};

/// `κ = ½ √(max_p 2(1-p)²/(-ln p))`, rounded up: `√ce(z) ≤ √ce(ẑ) + κ ‖z - ẑ‖`. The maximum is 0.8145, at `p ≈ 0.285`.
pub const KAPPA: f64 = 0.4513;

/// How the residuals are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Weighting {
    /// `ω_l = (1 + 1/η) κ² (L-1) Π_l²`: the separated loss is an upper bound of the original loss.
    SelfAdaptive {
        /// Norm that bounds the Lipschitz constants.
        norm: Norm,
        /// `η > 0`: how much of the head's cross-entropy is given away for smaller weights.
        eta: f64,
    },
    /// `ω_l = ω`, the classical quadratic penalty: **no** bound of the original loss.
    Fixed {
        /// `ω > 0`.
        omega: f64,
    },
}

impl Weighting {
    /// Checks the constants.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] unless `η` or `ω` lies between 1e-6 and 1e6.
    pub fn check(self) -> Result<()> {
        let (field, value) = match self {
            Self::SelfAdaptive { eta, .. } => ("eta", eta),
            Self::Fixed { omega } => ("omega", omega),
        };
        ensure(
            (1e-6..=1e6).contains(&value),
            field,
            value,
            "from 1e-6 to 1e6",
        )
    }

    /// Norm in which Lipschitz constants are taken, also for the certificate under fixed weights.
    pub fn norm(self) -> Norm {
        match self {
            Self::SelfAdaptive { norm, .. } => norm,
            Self::Fixed { .. } => Norm::Frequency,
        }
    }

    /// Growth factors and weights from the Lipschitz constants `K_1, …, K_L`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when self-adaptive weights are asked for and a stage has no Lipschitz constant.
    pub fn weights(self, lipschitz: Option<&[f64]>, hidden: usize) -> Result<Weights> {
        let growth = lipschitz.map(growth_factors);
        let (head, omega) = match self {
            Self::Fixed { omega } => (1.0, vec![omega; hidden]),
            Self::SelfAdaptive { eta, .. } => {
                let growth = growth.as_ref().ok_or(Error::Unsupported {
                    update: "self-adaptive weighting",
                    stage: 0,
                    needs: "Lipschitz constant",
                })?;
                let factor = self.factor(hidden);
                let omega = growth.iter().map(|growth| factor * growth * growth);
                (1.0 + eta, omega.collect())
            }
        };
        Ok(Weights {
            head,
            growth,
            omega,
        })
    }

    /// `(1 + 1/η) κ² (L-1)`, so that `ω_l = factor · Π_l²`; 0 for fixed weights, which do not depend on `Π`.
    pub fn factor(self, hidden: usize) -> f64 {
        match self {
            Self::SelfAdaptive { eta, .. } => (1.0 + 1.0 / eta) * KAPPA * KAPPA * hidden as f64,
            Self::Fixed { .. } => 0.0,
        }
    }
}

/// `Π_l = K_{l+1} … K_L` for `l = 1, …, L-1`.
fn growth_factors(lipschitz: &[f64]) -> Vec<f64> {
    let mut growth: Vec<f64> = lipschitz
        .iter()
        .skip(1)
        .rev()
        .scan(1.0, |product, constant| {
            *product *= constant;
            Some(*product)
        })
        .collect();
    growth.reverse();
    growth
}

/// The weights of one separated loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Factor of the head's cross-entropy: `1 + η`, or 1 with fixed weights.
    pub head: f64,
    /// `Π_1, …, Π_{L-1}`; `None` when a stage has no Lipschitz constant.
    pub growth: Option<Vec<f64>>,
    /// `ω_1, …, ω_{L-1}`.
    pub omega: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kappa_bounds_the_slope_of_the_root_of_the_cross_entropy() {
        let largest = (1..100_000)
            .map(|i| f64::from(i) * 1e-5)
            .map(|p| 2.0 * (1.0 - p).powi(2) / -p.ln())
            .fold(0.0, f64::max);
        assert!(0.5 * largest.sqrt() < KAPPA);
        assert!(0.5 * largest.sqrt() > KAPPA - 1e-4);
    }

    #[test]
    fn growth_factors_multiply_what_comes_later() {
        assert_eq!(growth_factors(&[7.0, 2.0, 3.0]), [6.0, 3.0]);
        assert!(growth_factors(&[7.0]).is_empty());
    }
}
