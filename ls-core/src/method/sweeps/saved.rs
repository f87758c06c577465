//! The saved form of full-batch sweeps.

use serde::{Deserialize, Serialize};

use super::FullBatchSweeps;
use super::control::Controller;
use super::quasi_newton::SavedQuasiNewton;
use super::turns::Turns;
use crate::Result;
use crate::method::MethodState;
use crate::method::state::mismatch;

/// Numbers and choices of the saved state.
#[derive(Serialize, Deserialize)]
pub(in crate::method) struct SavedSweeps {
    controller: Controller,
    /// First length of the next gradient step; absent where every stage is fitted or frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gradient_length: Option<f64>,
    /// Whose turn it is; absent where no quasi-Newton steps are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turns: Option<Turns>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quasi_newton: Option<SavedQuasiNewton>,
}

impl FullBatchSweeps {
    /// Returns the numbers that the next sweep needs, and adds its arrays to a state.
    pub(in crate::method) fn save(&self, state: &mut MethodState) -> SavedSweeps {
        let quasi_newton = self.quasi_newton.as_ref();
        if let Some(stages) = &self.gradient_stages {
            state.optimizers.push_back(stages.step.to_record());
        }
        SavedSweeps {
            controller: self.controller.clone(),
            gradient_length: self.gradient_stages.as_ref().map(|stages| stages.length),
            turns: quasi_newton.map(|(turns, _)| turns.clone()),
            quasi_newton: quasi_newton.map(|(_, memory)| memory.save(state)),
        }
    }

    /// Takes over numbers that [`save`](Self::save) returned, and its arrays out of a state.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when they belong to other settings or another network.
    pub(in crate::method) fn restore(
        &mut self,
        saved: SavedSweeps,
        state: &mut MethodState,
    ) -> Result<()> {
        self.controller = saved.controller;
        // The pre-activations are those of a forward pass from the same weights.
        self.forget_samples();
        if let Some((turns, memory)) = &mut self.quasi_newton {
            let pair = saved.turns.zip(saved.quasi_newton);
            let (saved_turns, saved) = pair.ok_or_else(|| mismatch(&"it has no history"))?;
            *turns = saved_turns;
            memory.restore(saved, state)?;
        }
        if let Some(stages) = &mut self.gradient_stages {
            let length = saved.gradient_length;
            stages.length = length.ok_or_else(|| mismatch(&"it knows all stages as affine"))?;
            stages.step = stages.step.clone().load_record(state.take_optimizer()?);
        }
        Ok(())
    }
}
