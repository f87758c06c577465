//! One step on a batch, and the memory from step to step.

use std::borrow::Cow;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FoofConfig;
use super::decay::{FallingDecay, StepDecay};
use super::memory::{Memory, MemoryValues, push_affine, take_affine};
use super::pass::{Pass, pieces};
use super::snapshot::{SafeWeights, Snapshot};
use super::stage_step::{StageStep, stage_step};
use crate::batch::Batch;
use crate::device::runs_on_host;
use crate::linalg::scalar_f64;
use crate::method::backward::Regularization;
use crate::method::dropout::Dropout;
use crate::method::schedule::ScheduledFactor;
use crate::method::stage_role::set_coefficients;
use crate::method::stage_role::{MethodStage, StageRole};
use crate::method::{MethodState, OptimizerConfig};
use crate::network::Network;
use crate::{Error, Result};

/// A batch's loss above this multiple of the first one's, and of a guess among the classes, is a run that blows up.
const BLOWN_UP: f64 = 2.0;

/// Batches of a run whose steps have the length of the setting, and the factors of much longer and of much shorter runs.
const USUAL_STEPS: f64 = 2000.0;
const FACTORS: [f64; 2] = [0.25, 2.5];

/// What is kept between batches.
pub(super) struct Steps {
    config: FoofConfig,
    /// Of the draws of dropout.
    pub seed: u64,
    roles: Vec<StageRole>,
    stages: Vec<Memory>,
    schedule: ScheduledFactor,
    /// Factor of all steps by the length of the run.
    horizon: f64,
    decay: FallingDecay,
    /// Halved whenever the weights had to return.
    factor: f64,
    /// `F` of the first batch, at least that of a guess.
    first_loss: Option<f64>,
    /// Weights of the last step whose number is a multiple of `refresh`, and at which the loss was in order.
    safe: SafeWeights,
    /// Of the stages that move along gradients; `None` when there are none.
    adam: Option<ModuleOptimizer>,
}

/// The numbers of what is kept between batches.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedSteps {
    steps: usize,
    factor: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_loss: Option<f64>,
    safe: usize,
    /// Arrays of safe weights of stages that move along gradients.
    #[serde(default, skip_serializing_if = "is_zero")]
    safe_parameters: usize,
    stages: Vec<MemoryValues>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What one step did.
pub(super) struct Step {
    /// Whether it was taken.
    pub(super) accepted: bool,
    /// `τ`.
    pub(super) length: f64,
}

impl Steps {
    /// Starts before the first step.
    ///
    /// # Errors
    /// As [`Schedule`](crate::method::Schedule) refuses it.
    pub(super) fn new(
        config: FoofConfig,
        total_steps: Option<usize>,
        roles: Vec<StageRole>,
    ) -> Result<Self> {
        let stages = roles.iter().map(|_| Memory::default());
        Ok(Self {
            schedule: config.schedule.start(total_steps)?,
            horizon: horizon(total_steps),
            config,
            seed: 0,
            stages: stages.collect(),
            factor: 1.0,
            decay: FallingDecay::given(config.weight_decay.unwrap_or(0.0)),
            first_loss: None,
            safe: SafeWeights::default(),
            adam: match roles.contains(&StageRole::Gradient) {
                true => Some(adam()?),
                false => None,
            },
            roles,
        })
    }

    /// The weight decay over the run.
    pub(super) fn decay(&self) -> FallingDecay {
        self.decay
    }

    /// Replaces the weight decay.
    pub(super) fn set_decay(&mut self, decay: FallingDecay) {
        self.decay = decay;
    }

    /// Halves all further steps, and forgets their moments.
    fn halve(&mut self) -> Result<()> {
        self.factor /= 2.0;
        for memory in &mut self.stages {
            memory.moments = None;
        }
        if self.adam.is_some() {
            self.adam = Some(adam()?);
        }
        Ok(())
    }

    /// Halves all further steps after weights were taken back, and forgets what belongs to those weights.
    pub(super) fn take_back(&mut self) -> Result<()> {
        self.safe = SafeWeights::default();
        self.halve()
    }

    /// The numbers that the next step needs.
    pub(super) fn values(&self) -> SavedSteps {
        SavedSteps {
            steps: self.schedule.steps(),
            factor: self.factor,
            first_loss: self.first_loss,
            safe: self.safe.coefficients.len(),
            safe_parameters: self.safe.parameters.len(),
            stages: self.stages.iter().map(Memory::values).collect(),
        }
    }

    /// The arrays of what is kept, in the order in which [`restored`](Self::restored) takes them.
    pub(super) fn push_arrays(&self, state: &mut MethodState) {
        for memory in &self.stages {
            memory.push_arrays(state);
        }
        for coefficients in &self.safe.coefficients {
            push_affine(state, coefficients);
        }
        self.safe.parameters.push(state);
        if let Some(adam) = &self.adam {
            state.optimizers.push_back(adam.to_record());
        }
    }

    /// Takes over the numbers and the arrays of a saved state.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when the arrays do not fit the numbers.
    pub(super) fn restore(&mut self, saved: SavedSteps, state: &mut MethodState) -> Result<()> {
        if saved.stages.len() != self.stages.len() {
            return Err(Error::MethodState("another number of stages".into()));
        }
        let stages = saved.stages.iter();
        self.stages = stages
            .map(|saved| Memory::restored(saved, state))
            .collect::<Result<_>>()?;
        let coefficients = (0..saved.safe).map(|_| take_affine(state));
        self.safe = SafeWeights {
            coefficients: coefficients.collect::<Result<_>>()?,
            parameters: Snapshot::take(saved.safe_parameters, state)?,
        };
        if let Some(adam) = &mut self.adam {
            *adam = adam.clone().load_record(state.take_optimizer()?);
        }
        self.schedule.skip_to(saved.steps);
        self.factor = saved.factor;
        self.first_loss = saved.first_loss;
        Ok(())
    }

    /// One step on a batch.
    ///
    /// # Errors
    /// Errors of the updates: unsupported stages, a failed device.
    pub(super) fn step(&mut self, network: &mut Network, batch: &Batch) -> Result<Step> {
        let depth = 3.0 / self.stages.len().max(3) as f64;
        let number = self.schedule.steps();
        let refresh = number.is_multiple_of(self.config.refresh);
        let course = self.schedule.advance();
        let factor = self.factor * course;
        let length = self.config.step * depth.sqrt() * self.horizon * factor;
        let decay = self.decay.at(course);
        let adam_rate = self.config.learning_rate * factor;
        let parts = MethodStage::all(network, &self.roles);
        let regularization = Regularization {
            label_smoothing: self.config.label_smoothing,
            dropout: Dropout::at(number, self.config.dropout, self.seed),
        };
        let pieces = match batch.parts_on_shards() {
            Some(shards) => Cow::Borrowed(shards),
            None => Cow::Owned(pieces(network, batch)),
        };
        let pass = if pieces.is_empty() {
            Pass::new(&parts, batch, regularization)?
        } else {
            let wanted = |l: usize, dims| self.stages[l].wanted(&self.config, dims, l == 0);
            Pass::in_pieces(network, &self.roles, batch, &pieces, regularization, wanted)?
        };
        let is_finite = pass.loss.is_finite();
        if is_finite && self.first_loss.is_none() {
            self.first_loss = Some(pass.loss.max(pass.guess));
        }
        let in_order = is_finite
            && self
                .first_loss
                .is_some_and(|first| pass.loss <= BLOWN_UP * first);
        let moved = if in_order {
            self.moved(network, &parts, pass, [length, adam_rate], decay)?
        } else {
            None
        };
        let accepted = moved.is_some();
        if let Some(moved) = moved {
            if refresh || self.safe.is_empty() {
                self.safe = SafeWeights::of(&parts);
            }
            *network = moved.network;
            self.adam = moved.adam;
        } else {
            self.halve()?;
            self.safe.restore(network, &self.roles);
        }
        Ok(Step { accepted, length })
    }

    /// The steps of all stages, which do not depend on each other: on the processors of this machine they are computed at the same
    /// time, since their arrays are too small to keep all of them busy.
    fn stage_steps(
        &mut self,
        parts: &[MethodStage<'_>],
        pass: &Pass,
        length: f64,
        decay: StepDecay,
    ) -> Vec<StageStep> {
        let (config, factors) = (&self.config, &pass.factors);
        let one = |(l, memory): (usize, &mut Memory)| {
            let part = &parts[l];
            match part.affine().zip(factors.gradient(l)) {
                Some((stage, gradient)) => stage_step(
                    config,
                    memory,
                    stage.coefficients(),
                    gradient,
                    length,
                    decay,
                ),
                None => StageStep::None,
            }
        };
        match runs_on_host(&pass.home) {
            true => self.stages.par_iter_mut().enumerate().map(one).collect(),
            false => self.stages.iter_mut().enumerate().map(one).collect(),
        }
    }

    /// The moved network; `None` when its weights are not finite.
    fn moved(
        &mut self,
        network: &Network,
        parts: &[MethodStage<'_>],
        pass: Pass,
        [length, adam_rate]: [f64; 2],
        decay: StepDecay,
    ) -> Result<Option<Moved>> {
        let mut moved = network.clone();
        let mut check = Tensor::zeros([1], &pass.home);
        for (l, step) in self
            .stage_steps(parts, &pass, length, decay)
            .into_iter()
            .enumerate()
        {
            match step {
                StageStep::None => {}
                StageStep::Unusable => return Ok(None),
                StageStep::Moved(coefficients, own) => {
                    check = check + own;
                    set_coefficients(&mut moved, l, coefficients)?;
                }
            }
        }
        let mut adam = self.adam.clone();
        if let Some(adam) = &mut adam {
            moved = adam.step(adam_rate, moved.train(), pass.parameters).valid();
            if let Some(sum) = Snapshot::of(&MethodStage::all(&moved, &self.roles)).absolute_sum() {
                check = check + sum;
            }
        }
        // Leaves the device once per step: a sum that is finite only if every new weight is.
        Ok(scalar_f64(check)?.is_finite().then_some(Moved {
            network: moved,
            adam,
        }))
    }
}

/// A network after a step, and what the step leaves to the next.
struct Moved {
    network: Network,
    adam: Option<ModuleOptimizer>,
}

/// `√(2000/S)`, from 0.25 to 2.5, for a run of `S` batches: short runs need longer steps to get anywhere, and long ones can afford shorter
/// steps, which end lower. A run that only its time or its target ends may name any number of sweeps, and has to move all the same.
fn horizon(total_steps: Option<usize>) -> f64 {
    let [least, most] = FACTORS;
    let share = |steps: usize| USUAL_STEPS / steps.max(1) as f64;
    total_steps.map_or(1.0, |steps| share(steps).sqrt().clamp(least, most))
}

/// A fresh Adam for the stages that move along gradients.
fn adam() -> Result<ModuleOptimizer> {
    OptimizerConfig::default().init(None)
}
