//! Parameters of any module: Adam's direction, and a line search on the objective itself.
//!
//! The stage needs no more than its forward map; the gradient comes from autodiff. Where no length along the direction with
//! memory lowers the objective, the search goes on along that without, which always descends.

use burn::module::Module;
use burn::optim::{GradientsParams, OptimizerRecord};

use super::block::{WeightBlock, WeightBlockValue, WeightStep};
use super::direction::AdamDirection;
use super::gradients::{linearized, tracked};
use super::{Backtracking, Decrease, SearchOutcome};
use crate::Result;
use crate::stage::AnyStage;

/// Searches start in this range. Below it entries of a usual size do not move in single precision, or the objective does not fall
/// noticeably: failures that end there begin anew at [`GradientStep::FIRST_LENGTH`], so that a long series of them can end.
const LENGTHS: [f64; 2] = [1e-7, 1e6];

/// The search along the direction with memory.
const WITH_MEMORY: Backtracking = Backtracking {
    growth: 1.5,
    shrink: 3.0,
    trials: 3,
    expands: false,
    lengths: LENGTHS,
};

/// The search along the direction without memory, which starts where the other one failed.
const WITHOUT_MEMORY: Backtracking = Backtracking {
    trials: 4,
    lengths: [0.0, LENGTHS[1]],
    ..WITH_MEMORY
};

/// A gradient step of any module with its memory, the running means of the gradients and their squares.
#[derive(Clone, Default)]
pub struct GradientStep {
    direction: AdamDirection,
}

impl GradientStep {
    /// Length to try at first: the amount by which each entry moves.
    pub const FIRST_LENGTH: f64 = 0.01;

    /// Moves `module` by the first of falling lengths that lowers the objective noticeably ([`Decrease::Noticeable`]), if one does.
    ///
    /// `before` is the objective at `module`, `length` the [`next`](SearchOutcome::next) one of the last search. The payload of
    /// an accepted trial is the moved module with the second value of `objective`. Parameters without a gradient stay; without
    /// any gradient nothing is tried.
    ///
    /// # Errors
    /// The first error of `objective`.
    pub fn update<M: Module, T>(
        &mut self,
        module: &M,
        gradients: &GradientsParams,
        before: f64,
        length: f64,
        mut objective: impl FnMut(&M) -> Result<(f64, T)>,
    ) -> Result<SearchOutcome<(M, T)>> {
        let [shortest, longest] = LENGTHS;
        if gradients.is_empty() {
            return Ok(SearchOutcome::untried(length.clamp(shortest, longest)));
        }
        let tracked = module.clone().train();
        let condition = Decrease::Noticeable { before };
        let mut search = |search: Backtracking, direction: &AdamDirection, length| {
            search.run(length, condition, |t| {
                let (moved, memory) = direction.moved(&tracked, gradients, t);
                let (value, payload) = objective(&moved)?;
                Ok((value, (memory, (moved, payload))))
            })
        };
        let mut found = search(WITH_MEMORY, &self.direction, length)?;
        if found.best.is_none() {
            let trials = found.trials;
            found = search(WITHOUT_MEMORY, &AdamDirection::default(), found.next)?;
            found.trials += trials;
        }
        let (memory, mut found) = found.split();
        self.direction = memory.unwrap_or_default();
        if found.best.is_none() && found.next < shortest {
            found.next = Self::FIRST_LENGTH;
        }
        Ok(found)
    }

    /// Moves the weights of one stage such that `φ` of its [`WeightBlock`] falls, as [`update`](Self::update) does.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn update_weights(
        &mut self,
        stage: &mut AnyStage,
        block: &WeightBlock,
        length: f64,
    ) -> Result<WeightStep> {
        let (output, gradients) = linearized(&tracked(stage), block)?;
        let start = block.value(output, lipschitz(stage, block)?)?;
        let found = self.update(stage, &gradients, start.total, length, |moved| {
            let value = value(moved, block)?;
            Ok((value.total, value))
        })?;
        let (moved, found) = found.split();
        if let Some(moved) = moved {
            *stage = moved;
        }
        Ok(WeightStep::new(start, &found))
    }

    /// Returns the memory of the step.
    pub fn to_record(&self) -> OptimizerRecord {
        self.direction.to_record()
    }

    /// Returns the step with the memory that [`to_record`](Self::to_record) gave.
    #[must_use]
    pub fn load_record(self, record: OptimizerRecord) -> Self {
        Self {
            direction: self.direction.load_record(record),
        }
    }
}

/// Returns `φ` at the weights of a stage.
fn value(stage: &AnyStage, block: &WeightBlock) -> Result<WeightBlockValue> {
    let output = stage.forward(block.input.clone());
    block.value(output, lipschitz(stage, block)?)
}

fn lipschitz(stage: &AnyStage, block: &WeightBlock) -> Result<Option<f64>> {
    let bound = stage.lipschitz().map(|form| form.value(block.penalty.norm));
    bound.transpose()
}

#[cfg(test)]
#[path = "gradient_step_tests.rs"]
mod tests;
