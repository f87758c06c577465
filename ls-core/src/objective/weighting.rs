//! Weights of the residuals in the separated loss.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OutputLoss;
use crate::batch::Batch;
use crate::error::ensure;
use crate::linalg::Norm;
use crate::network::LipschitzConstant;
use crate::{Error, NoLipschitzConstant, Result};

/// `κ = ½ √(max_p 2(1-p)²/(-ln p))`, rounded up: `√ce(z) ≤ √ce(ẑ) + κ ‖z - ẑ‖`. The maximum is 0.8145, at `p ≈ 0.285`.
pub const KAPPA: f64 = 0.4513;

/// The rule by which the residuals are weighted.
///
/// In files it is the keys `weighting`, with `eta` or `omega`, of the table of its method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WeightingKeys", into = "WeightingKeys")]
#[schemars(with = "WeightingKeys")]
pub enum Weighting {
    /// `ω_l = (1 + 1/η) κ² (L-1) Π_l²`: the separated loss is an upper bound of the original loss.
    SelfAdaptive {
        /// Norm that bounds the Lipschitz constants.
        norm: Norm,
        /// `η > 0`: the share of the head's cross-entropy that is given away for smaller weights.
        eta: f64,
    },
    /// `ω_l = ω`, the classical quadratic penalty: **no** bound of the original loss.
    Fixed {
        /// `ω > 0`.
        omega: f64,
    },
}

/// The form in files.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
struct WeightingKeys {
    /// Weights of the residuals in the separated loss that is reported or lowered [default: spectral]
    weighting: WeightingName,
    /// η of the self-adaptive weights [default: 1; 0.1 in the reports of `exact` and `foof`]
    #[serde(skip_serializing_if = "Option::is_none")]
    eta: Option<f64>,
    /// ω of the fixed weights [default: 1]
    #[serde(skip_serializing_if = "Option::is_none")]
    omega: Option<f64>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WeightingName {
    /// Self-adaptive, from spectral norms; for convolutions times the overlap of their patches
    #[default]
    Spectral,
    /// As spectral, but smaller for convolutions: at most the largest norm at any frequency
    Frequency,
    /// Self-adaptive, from Frobenius norms; for convolutions times the overlap of their patches
    Frobenius,
    /// One number for all residuals; no bound
    Fixed,
}

impl Default for Weighting {
    /// Self-adaptive weights from spectral norms with `η = 1`.
    fn default() -> Self {
        Self::SelfAdaptive {
            norm: Norm::Spectral,
            eta: 1.0,
        }
    }
}

/// `η` and `ω` where nothing is said.
const USUAL: f64 = 1.0;

/// `η` of reports where nothing is said.
const USUAL_OF_REPORTS: f64 = 0.1;

/// The weighting by which methods report a separated loss that they do not lower, with a default of its own: `η = 0.1`.
///
/// One pass from the feasible point leaves `F ≤ S ≤ (1+η) F`, so a small `η` makes `S` tight. It also makes `ω` large and the pass short:
/// below 0.1 in f32 the variables of more and more stages cannot leave the feasible point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WeightingKeys", into = "WeightingKeys")]
#[schemars(with = "WeightingKeys")]
pub struct ReportWeighting(pub Weighting);

impl Default for ReportWeighting {
    fn default() -> Self {
        Self(Weighting::SelfAdaptive {
            norm: Norm::Spectral,
            eta: USUAL_OF_REPORTS,
        })
    }
}

impl From<Weighting> for ReportWeighting {
    fn from(weighting: Weighting) -> Self {
        Self(weighting)
    }
}

impl From<Weighting> for WeightingKeys {
    fn from(weighting: Weighting) -> Self {
        Self::of(weighting, USUAL)
    }
}

impl From<ReportWeighting> for WeightingKeys {
    fn from(ReportWeighting(weighting): ReportWeighting) -> Self {
        Self::of(weighting, USUAL_OF_REPORTS)
    }
}

impl TryFrom<WeightingKeys> for Weighting {
    type Error = &'static str;

    fn try_from(keys: WeightingKeys) -> core::result::Result<Self, Self::Error> {
        keys.weighting(USUAL)
    }
}

impl TryFrom<WeightingKeys> for ReportWeighting {
    type Error = &'static str;

    fn try_from(keys: WeightingKeys) -> core::result::Result<Self, Self::Error> {
        keys.weighting(USUAL_OF_REPORTS).map(Self)
    }
}

impl WeightingKeys {
    /// Leaves the usual factor out, so that the word alone can be replaced by one that takes the other factor.
    fn of(weighting: Weighting, usual_eta: f64) -> Self {
        let unusual = |factor: f64, usual: f64| Some(factor).filter(|&factor| factor != usual);
        let (weighting, eta, omega) = match weighting {
            Weighting::Fixed { omega } => (WeightingName::Fixed, None, unusual(omega, USUAL)),
            Weighting::SelfAdaptive { norm, eta } => {
                let name = match norm {
                    Norm::Spectral => WeightingName::Spectral,
                    Norm::Frequency => WeightingName::Frequency,
                    Norm::Frobenius => WeightingName::Frobenius,
                };
                (name, unusual(eta, usual_eta), None)
            }
        };
        Self {
            weighting,
            eta,
            omega,
        }
    }

    fn weighting(self, usual_eta: f64) -> core::result::Result<Weighting, &'static str> {
        let norm = match self.weighting {
            WeightingName::Spectral => Norm::Spectral,
            WeightingName::Frequency => Norm::Frequency,
            WeightingName::Frobenius => Norm::Frobenius,
            WeightingName::Fixed => {
                return match self.eta {
                    Some(_) => Err("eta has no meaning with weighting = \"fixed\""),
                    None => Ok(Weighting::Fixed {
                        omega: self.omega.unwrap_or(USUAL),
                    }),
                };
            }
        };
        match self.omega {
            Some(_) => {
                Err("omega has no meaning with self-adaptive weights; set weighting = \"fixed\"")
            }
            None => Ok(Weighting::SelfAdaptive {
                norm,
                eta: self.eta.unwrap_or(usual_eta),
            }),
        }
    }
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

    /// Returns the norm in which Lipschitz constants are taken, also for the certificate under fixed weights.
    pub fn norm(self) -> Norm {
        match self {
            Self::SelfAdaptive { norm, .. } => norm,
            Self::Fixed { .. } => Norm::Frequency,
        }
    }

    /// Returns growth factors and weights for the Lipschitz constants `K_1, …, K_L` that [`Network::lipschitz`] gives.
    ///
    /// # Errors
    /// [`Error::NoSelfAdaptiveWeights`] when they are asked for and a stage behind the first has no Lipschitz constant.
    ///
    /// [`Network::lipschitz`]: crate::network::Network::lipschitz
    pub fn weights(self, lipschitz: &[LipschitzConstant]) -> Result<Weights> {
        let growth = growth_factors(lipschitz);
        let hidden = lipschitz.len().saturating_sub(1);
        let (head, omega) = match self {
            Self::Fixed { omega } => (1.0, vec![omega; hidden]),
            Self::SelfAdaptive { eta, .. } => {
                let growth = growth.as_ref();
                let growth = growth.map_err(|none| Error::NoSelfAdaptiveWeights(none.clone()))?;
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

    /// Returns `(1 + 1/η) κ² (L-1)`, so that `ω_l = factor · Π_l²`; 0 for fixed weights, which do not depend on `Π`.
    pub fn factor(self, hidden: usize) -> f64 {
        match self {
            Self::SelfAdaptive { eta, .. } => (1.0 + 1.0 / eta) * KAPPA * KAPPA * hidden as f64,
            Self::Fixed { .. } => 0.0,
        }
    }
}

/// Returns `Π_l = K_{l+1} … K_L` for `l = 1, …, L-1`. `K_1` is in none of them: nothing is separated before the first stage.
fn growth_factors(
    lipschitz: &[LipschitzConstant],
) -> core::result::Result<Vec<f64>, NoLipschitzConstant> {
    let later = lipschitz.iter().skip(1).cloned();
    let later: Vec<f64> = later.collect::<core::result::Result<_, _>>()?;
    let mut growth: Vec<f64> = later
        .iter()
        .rev()
        .scan(1.0, |product, constant| {
            *product *= constant;
            Some(*product)
        })
        .collect();
    growth.reverse();
    Ok(growth)
}

/// The weights of one separated loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Factor of the head's cross-entropy: `1 + η`, or 1 with fixed weights.
    pub head: f64,
    /// `Π_1, …, Π_{L-1}`, or the stage behind the first that states no Lipschitz constant.
    pub growth: core::result::Result<Vec<f64>, NoLipschitzConstant>,
    /// `ω_1, …, ω_{L-1}`.
    pub omega: Vec<f64>,
}

impl Weights {
    /// Returns the term of the separated loss that the output of stage `l`, counted from 0, enters: its distance from the auxiliary
    /// variable of that stage, `values[l]`, or at the head the cross-entropy.
    pub fn output_loss(&self, l: usize, values: &[Tensor<2>], batch: &Batch) -> OutputLoss {
        match values.get(l) {
            Some(target) => OutputLoss::Residual {
                target: target.clone(),
                omega: self.omega[l],
            },
            None => OutputLoss::CrossEntropy {
                labels: batch.labels.clone(),
                factor: self.head,
            },
        }
    }
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
    fn growth_factors_multiply_the_constants_of_later_stages() {
        assert_eq!(
            growth_factors(&[Ok(7.0), Ok(2.0), Ok(3.0)]).unwrap(),
            [6.0, 3.0]
        );
        assert!(growth_factors(&[Ok(7.0)]).unwrap().is_empty());
    }

    #[test]
    fn only_stages_behind_the_first_need_a_constant() {
        let none = |stage| {
            Err(NoLipschitzConstant {
                stage,
                name: "Block",
            })
        };
        assert_eq!(
            growth_factors(&[none(1), Ok(2.0), Ok(3.0)]).unwrap(),
            [6.0, 3.0]
        );
        let constants = [Ok(7.0), none(2), none(3), Ok(1.0)];
        assert_eq!(growth_factors(&constants), none(2).map(|_: f64| Vec::new()));
    }
}
