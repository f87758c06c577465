//! The options that choose the weights of the residuals.

use clap::{Args, ValueEnum};
use ls_core::linalg::Norm;
use ls_core::objective::Weighting;

use super::values::refuse;
use crate::failure::Failure;

/// The options that choose the weights of the residuals.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Weighting")]
pub(crate) struct WeightingArgs {
    /// Weights of the residuals: self-adaptive, or fixed (no bound) [default: spectral]
    #[arg(long, value_enum)]
    weighting: Option<WeightingName>,
    /// η of the self-adaptive weights [default: 1]
    #[arg(long)]
    eta: Option<f64>,
    /// ω of the fixed weights [default: 1]
    #[arg(long)]
    omega: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WeightingName {
    /// Self-adaptive, from spectral norms; for convolutions times the overlap of their patches
    Spectral,
    /// As spectral, but smaller for convolutions: at most the largest norm at any frequency
    Frequency,
    /// Self-adaptive, from Frobenius norms; for convolutions times the overlap of their patches
    Frobenius,
    /// One constant for all residuals, no bound
    Fixed,
}

impl From<Norm> for WeightingName {
    fn from(norm: Norm) -> Self {
        match norm {
            Norm::Spectral => Self::Spectral,
            Norm::Frequency => Self::Frequency,
            Norm::Frobenius => Self::Frobenius,
        }
    }
}

impl WeightingArgs {
    /// Returns `base` with the given options in place of its own values.
    ///
    /// # Errors
    /// Exit code 2 for η with fixed weights, and for ω with self-adaptive ones.
    pub(crate) fn config(&self, base: Weighting) -> Result<Weighting, Failure> {
        let (name, base_eta, base_omega) = match base {
            Weighting::SelfAdaptive { norm, eta } => (norm.into(), Some(eta), None),
            Weighting::Fixed { omega } => (WeightingName::Fixed, None, Some(omega)),
        };
        let norm = match self.weighting.unwrap_or(name) {
            WeightingName::Spectral => Norm::Spectral,
            WeightingName::Frequency => Norm::Frequency,
            WeightingName::Frobenius => Norm::Frobenius,
            WeightingName::Fixed => {
                refuse("--weighting fixed", &[("--eta", self.eta.is_some())])?;
                let omega = self.omega.or(base_omega).unwrap_or(1.0);
                return Ok(Weighting::Fixed { omega });
            }
        };
        let given = [("--omega", self.omega.is_some())];
        refuse("self-adaptive weights", &given)?;
        let eta = self.eta.or(base_eta).unwrap_or(1.0);
        Ok(Weighting::SelfAdaptive { norm, eta })
    }
}
