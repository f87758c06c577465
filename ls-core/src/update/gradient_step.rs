//! Any stage: a step of Burn's Adam, with a length found by trials of the objective itself.
//!
//! What is asked of the stage is its forward map; the gradient comes from autodiff. Adam's direction remembers earlier
//! gradients, so the objective need not fall along it. Where it does not, the past is forgotten: a fresh Adam moves every
//! entry against its own gradient, `-g/(|g| + ε)`, along which the objective falls for every small enough length.

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Tensor;

use super::optimizer_step::weight_gradients;
use super::{NOTICEABLE, WeightBlock, WeightStep};
use crate::Result;
use crate::linalg::mean_f64;
use crate::stage::AnyStage;

/// Keeps the direction finite where a gradient vanishes; far below any that still tells something.
const EPSILON: f32 = 1e-10;

/// Trials along the direction that remembers, and all trials.
const TRIALS: [usize; 2] = [3, 7];

const GROWTH: f64 = 1.5;
const SHRINK: f64 = 3.0;

/// Lengths start in this range. Below it entries of a usual size do not move in single precision, or the objective does not fall
/// noticeably: failures that end there begin anew at [`GradientStep::FIRST_LENGTH`], so that no series of them is the last word.
const LENGTHS: [f64; 2] = [1e-7, 1e6];

/// A gradient step of any module, and what it remembers: the running means of the gradients and their squares.
#[derive(Clone)]
pub struct GradientStep {
    optimizer: ModuleOptimizer,
}

/// What a search along one direction found.
#[derive(Clone, Debug)]
pub struct GradientSearch<M, T> {
    /// The moved module with what the objective returned for it; `None` when no length lowered the objective.
    pub best: Option<(M, T)>,
    /// Length that was accepted.
    pub accepted: Option<f64>,
    /// Length to try first the next time.
    pub next: f64,
    /// Number of lengths tried.
    pub trials: usize,
}

impl Default for GradientStep {
    fn default() -> Self {
        Self {
            optimizer: AdamConfig::new().with_epsilon(EPSILON).init(),
        }
    }
}

impl GradientStep {
    /// Length to try at first: by how much each entry moves.
    pub const FIRST_LENGTH: f64 = 0.01;

    /// Moves `module` if some length lowers the objective by more than rounding ([`NOTICEABLE`]): the first of falling ones that
    /// does. `before` is the objective at `module`, `length` the [`next`](GradientSearch::next) of the last search. Parameters
    /// without a gradient stay; without any gradient nothing is tried.
    ///
    /// # Errors
    /// What `objective` returns.
    pub fn update<M: Module, T>(
        &mut self,
        module: &M,
        gradients: &GradientsParams,
        before: f64,
        length: f64,
        mut objective: impl FnMut(&M) -> Result<(f64, T)>,
    ) -> Result<GradientSearch<M, T>> {
        let [shortest, longest] = LENGTHS;
        let mut length = length.clamp(shortest, longest);
        if gradients.is_empty() {
            return Ok(GradientSearch {
                best: None,
                accepted: None,
                next: length,
                trials: 0,
            });
        }
        let tracked = module.clone().train();
        for trial in 1..=TRIALS[1] {
            // What an optimizer remembers does not depend on the length: every trial starts from the same.
            let mut step = if trial <= TRIALS[0] {
                self.clone()
            } else {
                Self::default()
            };
            let own = copied(module, gradients);
            let moved = step.optimizer.step(length, tracked.clone(), own).valid();
            let (value, found) = objective(&moved)?;
            // A comparison with NaN is false: what is not finite is not accepted.
            if value < before - NOTICEABLE * before.abs() {
                *self = step;
                return Ok(GradientSearch {
                    best: Some((moved, found)),
                    accepted: Some(length),
                    next: length * GROWTH,
                    trials: trial,
                });
            }
            length /= SHRINK;
        }
        *self = Self::default();
        Ok(GradientSearch {
            best: None,
            accepted: None,
            next: if length < shortest {
                Self::FIRST_LENGTH
            } else {
                length
            },
            trials: TRIALS[1],
        })
    }

    /// The same for the weights of one stage in the separated loss: the objective is `φ` of its [`WeightBlock`].
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn update_weights(
        &mut self,
        stage: &mut AnyStage,
        block: &WeightBlock,
        length: f64,
    ) -> Result<WeightStep> {
        let (before, start) = value(stage, block)?;
        let gradients = weight_gradients(&tracked(stage), block);
        let search = self.update(stage, &gradients, before, length, |stage| {
            let (value, parts) = value(stage, block)?;
            Ok((value, (value, parts)))
        })?;
        let (after, parts) = match search.best {
            Some((moved, found)) => {
                *stage = moved;
                found
            }
            None => (before, start),
        };
        Ok(WeightStep {
            before,
            after,
            misfit_mean: parts.misfit,
            lipschitz: parts.lipschitz,
            accepted: search.accepted,
            next: search.next,
            trials: search.trials,
        })
    }

    /// What the step remembers.
    pub fn to_record(&self) -> OptimizerRecord {
        self.optimizer.to_record()
    }

    /// Takes over what [`to_record`](Self::to_record) wrote.
    #[must_use]
    pub fn load_record(self, record: OptimizerRecord) -> Self {
        Self {
            optimizer: self.optimizer.load_record(record),
        }
    }
}

/// What `φ` is made of.
struct Parts {
    misfit: f64,
    lipschitz: Option<f64>,
}

/// `φ` at a stage's own weights.
fn value(stage: &AnyStage, block: &WeightBlock) -> Result<(f64, Parts)> {
    // Leaves the device once per trial: the search needs the value to decide.
    let misfit = mean_f64(block.loss.misfit(stage.forward(block.input.clone())))?;
    let bound = stage.lipschitz().map(|form| form.value(block.penalty.norm));
    let lipschitz = bound.transpose()?;
    let pressure = lipschitz.map_or(0.0, |k| block.penalty.coefficient * k * k);
    let value = block.loss.weight() * misfit + pressure;
    Ok((value, Parts { misfit, lipschitz }))
}

/// A copy whose parameters are tracked, though it behaves as in validation: the gradient is to be that of the objective which
/// trials evaluate, without dropout.
pub(crate) fn tracked<M: Module>(module: &M) -> M {
    module.clone().train().map(&mut AsInValidation)
}

struct AsInValidation;

impl ModuleMapper for AsInValidation {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(false)
    }
}

/// The gradients of a module again: an optimizer consumes those that it is given.
fn copied(module: &impl Module, gradients: &GradientsParams) -> GradientsParams {
    let mut copy = GradientsParams::new();
    add_gradients(module, &mut copy, gradients, 1.0);
    copy
}

/// `sum ← sum + factor · part` for all parameters of a module; those that neither has stay without.
pub(crate) fn add_gradients(
    module: &impl Module,
    sum: &mut GradientsParams,
    part: &GradientsParams,
    factor: f64,
) {
    module.visit(&mut Add { sum, part, factor });
}

struct Add<'a> {
    sum: &'a mut GradientsParams,
    part: &'a GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let Some(part) = self.part.get::<D>(parameter.id) else {
            return;
        };
        let part = part * self.factor;
        let sum = match self.sum.remove::<D>(parameter.id) {
            Some(sum) => sum + part,
            None => part,
        };
        self.sum.register(parameter.id, sum);
    }
}

#[cfg(test)]
#[path = "gradient_step_tests.rs"]
mod tests;
