//! Proposals of the controller.

use serde::{Deserialize, Serialize};

use crate::method::Scaling;

/// The targets of the fits of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `u*_l - A W_l`: every stage also corrects what the stages before it moved. Allows long steps.
    Corrected,
    /// `-τ c_l ∂ce/∂u_l` alone: a preconditioned gradient step, which lowers the loss for every small enough `τ`.
    Descent,
}

impl Form {
    /// Returns the name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Descent => "descent",
        }
    }
}

/// One proposal of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Targets of the fits.
    pub form: Form,
    /// Scaling of the displacements.
    pub scaling: Scaling,
    /// `τ`.
    pub step: f64,
    /// `μ`, relative to the mean diagonal of each Gram matrix.
    pub damping: f64,
    /// `ν`, relative to the mean diagonal of the second moment of each hidden stage's gradients; `None` for displacements without
    /// the output side's curvature.
    pub output_damping: Option<f64>,
}

/// A candidate that lowers the loss noticeably, and the loss that it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::method::sweeps) struct Accepted {
    /// The candidate.
    pub candidate: Candidate,
    /// `F` after it.
    pub loss: f64,
}

impl Accepted {
    /// Returns the decrease of `ln F`.
    pub(super) fn gain(&self, before: f64) -> f64 {
        (before / self.loss).ln()
    }
}
