//! Settings of full-batch sweeps.

use super::full_batch::Storage;
use crate::linalg::Ridge;
use crate::method::Scaling;

/// What decides the weights of full-batch sweeps; the keys of [`ExactConfig`](crate::method::ExactConfig) say more of each.
#[derive(Clone, Copy, Debug)]
pub(in crate::method) struct SweepSettings {
    /// `τ`; `None` leaves the choice to the controller, as with the following ones.
    pub step: Option<f64>,
    /// `μ`.
    pub damping: Option<f64>,
    pub output_curvature: bool,
    /// `ν`.
    pub output_damping: Option<f64>,
    pub scaling: Option<Scaling>,
    /// Pairs of the quasi-Newton steps; 0 for fits alone.
    pub history: usize,
    pub storage: Storage,
    /// Samples of a chunk; `None` for a number that suits the network.
    pub chunk: Option<usize>,
    pub ridge: Ridge,
    pub gram_rows: usize,
    /// `λ`.
    pub weight_decay: f64,
}

/// Patches in a convolution's Gram matrix, unless a setting says otherwise.
pub(in crate::method) const GRAM_ROWS: usize = 1 << 14;

impl SweepSettings {
    /// Fits alone, without the curvature of the output side.
    pub(in crate::method) fn plain_fits(weight_decay: f64) -> Self {
        Self {
            step: None,
            damping: None,
            output_curvature: false,
            output_damping: None,
            scaling: None,
            history: 0,
            storage: Storage::Stored,
            chunk: None,
            ridge: Ridge::default(),
            gram_rows: GRAM_ROWS,
            weight_decay,
        }
    }
}
