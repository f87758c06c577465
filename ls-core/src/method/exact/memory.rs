//! What the mini-batch form knows of one stage.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::MiniBatchConfig;
use crate::Result;
use crate::linalg::{Affine, Covariance, Preconditioner};

/// Rows of the first stage's inputs that its preconditioner is computed from.
const FIRST_STAGE_ROWS: f64 = 8192.0;

/// What is known of one stage.
#[derive(Default)]
pub(super) struct Memory {
    /// `Σ_l` and the mean of the inputs.
    pub average: Option<Covariance>,
    /// `P_l`.
    pub preconditioner: Option<Preconditioner>,
    pub velocity: Option<Affine>,
}

/// The numbers of what is known of one stage.
#[derive(Serialize, Deserialize)]
pub(super) struct MemoryValues {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<f64>,
    /// Of a preconditioner of low rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    pub moves: bool,
}

impl Memory {
    /// Takes in the rows of a batch.
    pub(super) fn take_in(
        &mut self,
        config: &MiniBatchConfig,
        rows: &Tensor<2>,
        is_first: bool,
        refresh: bool,
    ) -> Result<()> {
        // The first stage's inputs never change: a few thousand rows tell their covariance.
        let seen = self.average.as_ref().map_or(0.0, Covariance::rows);
        if is_first && seen >= FIRST_STAGE_ROWS {
            return Ok(());
        }
        let own = Covariance::from_rows(rows.clone());
        let past = if is_first { 1.0 } else { config.average };
        let average = match self.average.take() {
            Some(average) => average.scaled(past).plus(own),
            None => own,
        };
        let settles = is_first && average.rows() >= FIRST_STAGE_ROWS;
        if refresh || settles || self.preconditioner.is_none() {
            self.preconditioner = Some(average.clone().precondition(config.damping)?);
        }
        self.average = Some(average);
        Ok(())
    }
}
