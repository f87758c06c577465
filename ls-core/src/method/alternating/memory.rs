//! What `alternating` keeps between sweeps.

use burn::module::ParamId;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::auxiliary::AuxiliaryStore;
use crate::batch::Selection;
use crate::linalg::Cholesky;
use crate::method::MethodState;
use crate::method::separation::Separation;
use crate::method::state::mismatch;
use crate::stage::{AffineStage, AnyStage};
use crate::update::{GradientStep, GramStep, WeightBlock, WeightStep};
use crate::{Error, Result};

/// What is kept between sweeps.
pub(super) struct Memory {
    /// Step sizes of the auxiliary blocks, one per sample and stage.
    pub(super) auxiliary_steps: AuxiliaryStore,
    /// First lengths of the weight blocks' line searches.
    pub(super) weight_steps: Vec<f64>,
    /// Factor of the first stage's Gram matrix, where that stage moves by it.
    pub(super) first_preconditioner: Option<Cholesky>,
    /// Steps of the stages that move along gradients, by stage; of nobody under optimizers.
    pub(super) gradient_steps: Vec<Option<GradientStep>>,
    /// Names of the auxiliary rows in the optimizer's state, by stage and block of samples.
    pub(super) auxiliary_ids: Vec<Vec<ParamId>>,
    /// The constants at the end of the last sweep; not saved, since they follow from the weights.
    pub(super) separation: Option<Separation>,
}

impl Memory {
    /// Moves the weights of stage `l`, counted from 0, by a step with a line search; `known` are its pre-activations, where they are known.
    pub(super) fn weight_step(
        &mut self,
        l: usize,
        known: Option<Tensor<2>>,
        stage: &mut AnyStage,
        block: &WeightBlock,
        rule: GramStep,
        preconditioners: &mut [Option<Cholesky>],
    ) -> Result<WeightStep> {
        let first = self.weight_steps[l];
        if let Some(step) = &mut self.gradient_steps[l] {
            return step.update_weights(stage, block, first);
        }
        let stage = affine_mut(stage, l)?;
        // The inputs keep their values between the passes of a sweep, and so do their Gram matrices.
        let slot = if l == 0 {
            &mut self.first_preconditioner
        } else {
            &mut preconditioners[l]
        };
        let preconditioner = match slot {
            Some(factor) => factor,
            None => slot.insert(rule.precondition(&*stage, block.input.clone())?),
        };
        rule.update_from(known, stage, block, preconditioner, first)
    }

    /// Numbers, step lengths and optimizer states, in the order of [`restore`](Self::restore).
    pub(super) fn save(&self) -> Result<MethodState> {
        let ids = self.auxiliary_ids.iter();
        let mut state = MethodState::new(&Values {
            weight_steps: self.weight_steps.clone(),
            auxiliary_ids: ids
                .map(|ids| ids.iter().map(ToString::to_string).collect())
                .collect(),
        })?;
        for steps in self.auxiliary_steps.gather(&Selection::All) {
            state.push(steps);
        }
        for step in self.gradient_steps.iter().flatten() {
            state.optimizers.push_back(step.to_record());
        }
        Ok(state)
    }

    /// Takes back what [`save`](Self::save) gave.
    pub(super) fn restore(&mut self, state: &mut MethodState) -> Result<()> {
        let values: Values = state.read()?;
        if values.weight_steps.len() != self.weight_steps.len() {
            return Err(mismatch(&"it belongs to another number of stages"));
        }
        let id = |text: &String| text.parse::<ParamId>().map_err(|error| mismatch(&error));
        self.auxiliary_ids = values
            .auxiliary_ids
            .iter()
            .map(|ids| ids.iter().map(id).collect())
            .collect::<Result<_>>()?;
        let hidden = values.weight_steps.len() - 1;
        self.weight_steps = values.weight_steps;
        let steps = (0..hidden).map(|_| state.take());
        self.auxiliary_steps = AuxiliaryStore::from_values(steps.collect::<Result<_>>()?);
        for step in self.gradient_steps.iter_mut().flatten() {
            *step = step.clone().load_record(state.take_optimizer()?);
        }
        Ok(())
    }

    /// Name of the auxiliary rows of stage `l` and a block of samples in the optimizer's state.
    pub(super) fn row_id(&mut self, l: usize, block: usize) -> ParamId {
        let ids = &mut self.auxiliary_ids[l];
        while ids.len() <= block {
            ids.push(ParamId::new());
        }
        ids[block]
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Values {
    weight_steps: Vec<f64>,
    auxiliary_ids: Vec<Vec<String>>,
}

/// Returns the affine view of stage `l`, counted from 0.
fn affine_mut(stage: &mut AnyStage, l: usize) -> Result<&mut dyn AffineStage> {
    stage.affine_mut().ok_or(Error::Unsupported {
        update: "the Gram-preconditioned weight step",
        stage: l + 1,
        needs: "affine view to write to",
    })
}
