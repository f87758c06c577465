//! The memory of one stage: covariance of its inputs, preconditioner, velocity.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::FoofConfig;
use crate::Result;
use crate::linalg::{Affine, Covariance, Preconditioner};
use crate::method::MethodState;

/// Rows of the first stage's inputs that its preconditioner is computed from.
const FIRST_STAGE_ROWS: f64 = 8192.0;

/// The memory of one stage.
#[derive(Default)]
pub(super) struct Memory {
    /// `Σ_l` and the mean of the inputs.
    pub average: Option<Covariance>,
    /// `P_l`.
    pub preconditioner: Option<Preconditioner>,
    pub velocity: Option<Affine>,
}

/// The numbers of the memory of one stage.
#[derive(Serialize, Deserialize)]
pub(super) struct MemoryValues {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<f64>,
    /// Ridge of a preconditioner of low rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    pub moves: bool,
}

impl Memory {
    /// Takes in the rows of a batch.
    pub(super) fn take_in(
        &mut self,
        config: &FoofConfig,
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

    /// The numbers, which say which arrays there are.
    pub(super) fn values(&self) -> MemoryValues {
        let preconditioner = self.preconditioner.as_ref();
        MemoryValues {
            rows: self.average.as_ref().map(Covariance::rows),
            condition: preconditioner.map(Preconditioner::condition),
            ridge: preconditioner.and_then(Preconditioner::ridge),
            moves: self.velocity.is_some(),
        }
    }

    /// Adds the arrays to a saved state, in the order in which [`restored`](Self::restored) takes them.
    pub(super) fn push_arrays(&self, state: &mut MethodState) {
        if let Some(average) = &self.average {
            let (scatter, mean) = average.arrays();
            state.push(scatter);
            state.push(mean);
        }
        if let Some(preconditioner) = &self.preconditioner {
            let (inverse, mean) = preconditioner.arrays();
            state.push(inverse);
            state.push(mean);
        }
        if let Some(velocity) = &self.velocity {
            push_affine(state, velocity);
        }
    }

    /// Takes the arrays out of a saved state.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when there are fewer.
    pub(super) fn restored(values: &MemoryValues, state: &mut MethodState) -> Result<Self> {
        let mut memory = Self::default();
        if let Some(rows) = values.rows {
            memory.average = Some(Covariance::from_arrays(state.take()?, state.take()?, rows));
        }
        if let Some(condition) = values.condition {
            let (inverse, mean) = (state.take()?, state.take()?);
            memory.preconditioner = Some(Preconditioner::from_arrays(
                inverse,
                mean,
                values.ridge,
                condition,
            ));
        }
        if values.moves {
            memory.velocity = Some(take_affine(state)?);
        }
        Ok(memory)
    }
}

/// Adds coefficients to a saved state.
pub(super) fn push_affine(state: &mut MethodState, affine: &Affine) {
    state.push(affine.kernel.clone());
    state.push(affine.bias.clone());
}

/// Takes coefficients out of a saved state.
pub(super) fn take_affine(state: &mut MethodState) -> Result<Affine> {
    Ok(Affine {
        kernel: state.take()?,
        bias: state.take()?,
    })
}
