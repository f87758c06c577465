//! The mini-batch form: a gradient step of every stage, preconditioned by the covariance of its inputs.
//!
//! With `G_l = ∂ce_n/∂u_l` of the batch at its forward inputs `A_l`, all stages move at once:
//!
//! `v_l ← β v_l + c_l P_l A_lᵀ G_l / m`,  `W_l ← W_l - τ v_l`,  `P_l = (Σ_l + μ (tr Σ_l)/d I)⁻¹`,
//!
//! with `Σ_l` the covariance of the inputs, an exponential average over batches corrected for its start; `Σ_1` is taken once,
//! from the first rows of the split. Inputs are centred, `u = (a - ā) W + c` with `c` moved by its plain gradient, so that the
//! damping compares with what varies in them. `τ` falls linearly to zero over the run.
//!
//! This is the descent form of the full-batch sweep, so it needs no targets beyond one step; on a batch, a decrease of its
//! own loss says little, and none is asked for. But where the loss of a batch is not finite, or far above that of the first,
//! the weights return to what they were some steps before, and all further steps are half as long.
//!
//! Stages that are not fitted move at the same time by Adam, along the gradient of the batch's mean loss, at a learning rate of
//! [`ADAM_RATE`] that falls and is halved as `τ` is; they return with the others. What is frozen stands still.

use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::memory::{Memory, MemoryValues};
use super::pass::Pass;
use super::scaling::Scaling;
use super::set_coefficients;
use super::snapshot::{Safe, Snapshot};
use crate::Result;
use crate::batch::Batch;
use crate::error::ensure;
use crate::linalg::{Affine, Covariance, Preconditioner, scalar_f64};
use crate::method::role::{Part, Role};
use crate::method::{LearningRate, MethodState};
use crate::network::Network;

/// Settings of the mini-batch form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MiniBatchConfig {
    /// `τ` of the first step of a network of three stages. Deeper ones, whose stages all move at once, take proportionally
    /// shorter steps.
    pub step: f64,
    /// `μ`, relative to the mean variance of each stage's inputs.
    pub damping: f64,
    /// Scaling of the displacements.
    pub scaling: Scaling,
    /// `β`.
    pub momentum: f64,
    /// Weight of the past in the average of the covariances.
    pub average: f64,
    /// Steps between two factorizations of the averages.
    pub refresh: usize,
    /// Steps of the whole run, over which `τ` falls to zero; `None` keeps it constant.
    pub total_steps: Option<usize>,
}

impl Default for MiniBatchConfig {
    fn default() -> Self {
        Self {
            step: 3.0,
            damping: 10.0,
            scaling: Scaling::Norm,
            momentum: 0.9,
            average: 0.9,
            refresh: 10,
            total_steps: None,
        }
    }
}

impl MiniBatchConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (field, share) in [("momentum", self.momentum), ("average", self.average)] {
            let inside = (0.0..1.0).contains(&share);
            ensure(inside, field, share, "from 0 to below 1")?;
        }
        let refresh = self.refresh;
        ensure(refresh >= 1, "refresh", refresh as f64, "1 or more")
    }
}

/// A batch's loss above this multiple of the first one's, and of a guess among the classes, is a run that blows up.
const BLOWN_UP: f64 = 2.0;

/// Adam's usual learning rate: it moves each entry by about so much.
const ADAM_RATE: f64 = 1e-3;

/// What is kept between batches.
pub(super) struct MiniBatch {
    config: MiniBatchConfig,
    /// `λ`.
    weight_decay: f64,
    roles: Vec<Role>,
    stages: Vec<Memory>,
    steps: usize,
    /// Halved whenever the weights had to return.
    factor: f64,
    /// `F` of the first batch, at least that of a guess.
    first_loss: Option<f64>,
    /// Weights of the last refresh at which the loss was in order.
    safe: Safe,
    /// Of the stages that move along gradients; `None` when there are none.
    adam: Option<ModuleOptimizer>,
}

/// The numbers of what is kept between batches.
#[derive(Serialize, Deserialize)]
pub(super) struct MiniBatchValues {
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

fn push_affine(state: &mut MethodState, affine: &Affine) {
    state.push(affine.kernel.clone());
    state.push(affine.bias.clone());
}

fn take_affine(state: &mut MethodState) -> Result<Affine> {
    Ok(Affine {
        kernel: state.take()?,
        bias: state.take()?,
    })
}

/// What one step did.
pub(super) struct Step {
    /// Whether it was taken.
    pub(super) accepted: bool,
    /// `τ`.
    pub(super) length: f64,
    /// Condition estimates by stage.
    pub(super) conditions: Vec<f64>,
    /// `a_l = post(u_l - τ c_l ∂ce/∂u_l)` of the hidden stages; `h_l` of those that are not fitted.
    pub(super) targets: Vec<Tensor<2>>,
}

impl MiniBatch {
    pub(super) fn new(config: MiniBatchConfig, weight_decay: f64, roles: Vec<Role>) -> Self {
        let stages = roles.iter().map(|_| Memory::default());
        Self {
            config,
            weight_decay,
            stages: stages.collect(),
            steps: 0,
            factor: 1.0,
            first_loss: None,
            safe: Safe::default(),
            adam: adam(&roles),
            roles,
        }
    }

    /// The numbers of what is kept.
    pub(super) fn values(&self) -> MiniBatchValues {
        let memory = |memory: &Memory| MemoryValues {
            rows: memory.average.as_ref().map(Covariance::rows),
            condition: memory
                .preconditioner
                .as_ref()
                .map(Preconditioner::condition),
            ridge: memory
                .preconditioner
                .as_ref()
                .and_then(Preconditioner::ridge),
            moves: memory.velocity.is_some(),
        };
        MiniBatchValues {
            steps: self.steps,
            factor: self.factor,
            first_loss: self.first_loss,
            safe: self.safe.coefficients.len(),
            safe_parameters: self.safe.parameters.len(),
            stages: self.stages.iter().map(memory).collect(),
        }
    }

    /// The arrays of what is kept, in the order in which [`restored`](Self::restored) takes them.
    pub(super) fn push_arrays(&self, state: &mut MethodState) {
        for memory in &self.stages {
            if let Some(average) = &memory.average {
                let (scatter, mean) = average.arrays();
                state.push(scatter);
                state.push(mean);
            }
            if let Some(preconditioner) = &memory.preconditioner {
                let (inverse, mean) = preconditioner.arrays();
                state.push(inverse);
                state.push(mean);
            }
            if let Some(velocity) = &memory.velocity {
                push_affine(state, velocity);
            }
        }
        for coefficients in &self.safe.coefficients {
            push_affine(state, coefficients);
        }
        self.safe.parameters.push(state);
        if let Some(adam) = &self.adam {
            state.optimizers.push_back(adam.to_record());
        }
    }

    /// What was kept.
    pub(super) fn restored(
        config: MiniBatchConfig,
        weight_decay: f64,
        roles: Vec<Role>,
        values: MiniBatchValues,
        state: &mut MethodState,
    ) -> Result<Self> {
        let mut memory = |values: &MemoryValues| -> Result<Memory> {
            let mut memory = Memory::default();
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
        };
        let stages = values
            .stages
            .iter()
            .map(&mut memory)
            .collect::<Result<_>>()?;
        let coefficients = (0..values.safe).map(|_| take_affine(state));
        let safe = Safe {
            coefficients: coefficients.collect::<Result<_>>()?,
            parameters: Snapshot::take(values.safe_parameters, state)?,
        };
        let adam = match adam(&roles) {
            Some(adam) => Some(adam.load_record(state.take_optimizer()?)),
            None => None,
        };
        Ok(Self {
            config,
            weight_decay,
            roles,
            stages,
            steps: values.steps,
            factor: values.factor,
            first_loss: values.first_loss,
            safe,
            adam,
        })
    }

    /// One step on a batch.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] for inputs that are not finite, and what a device returns.
    pub(super) fn step(&mut self, network: &mut Network, batch: &Batch) -> Result<Step> {
        let depth = 3.0 / self.stages.len().max(3) as f64;
        let length = self.falling(self.config.step * depth);
        let adam_rate = self.falling(ADAM_RATE);
        let refresh = self.steps.is_multiple_of(self.config.refresh);
        self.steps += 1;
        let parts = Part::all(network, &self.roles);
        let pass = Pass::new(&parts, batch, self.config.scaling)?;
        let first = *self.first_loss.get_or_insert(pass.loss.max(pass.guess));
        // A comparison with NaN is false: what is not finite is not in order.
        let in_order = pass.loss <= BLOWN_UP * first;
        let moved = if in_order {
            self.moved(network, &parts, &pass, [length, adam_rate], refresh)?
        } else {
            None
        };
        let accepted = moved.is_some();
        let targets = pass.targets(&parts, length);
        if let Some(moved) = moved {
            if refresh {
                self.safe = Safe::of(&parts);
            }
            for (memory, velocity) in self.stages.iter_mut().zip(moved.velocities) {
                memory.velocity = velocity;
            }
            *network = moved.network;
            self.adam = moved.adam;
        } else {
            self.factor /= 2.0;
            for memory in &mut self.stages {
                memory.velocity = None;
            }
            self.safe.restore(network, &self.roles);
            self.adam = self.adam.as_ref().map(|_| fresh_adam());
        }
        Ok(Step {
            accepted,
            length,
            conditions: self.conditions(),
            targets,
        })
    }

    /// The moved network; `None` when its weights are not finite.
    fn moved(
        &mut self,
        network: &Network,
        parts: &[Part<'_>],
        pass: &Pass,
        [length, adam_rate]: [f64; 2],
        refresh: bool,
    ) -> Result<Option<Moved>> {
        let mut moved = network.clone();
        let mut velocities = Vec::with_capacity(self.stages.len());
        let mut check = Tensor::zeros([1], &pass.inputs[0].device());
        for (l, memory) in self.stages.iter_mut().enumerate() {
            let Some(stage) = parts[l].affine() else {
                velocities.push(None);
                continue;
            };
            let rows = stage.rows(pass.inputs[l].clone());
            let count = rows.dims()[0] as f64;
            memory.take_in(&self.config, &rows, l == 0, refresh)?;
            let Some(preconditioner) = &memory.preconditioner else {
                return Ok(None);
            };
            // A sum over samples, as the rest of the gradient.
            let decay = self.weight_decay * count / stage.rows_per_sample() as f64;
            let penalty = (decay > 0.0).then(|| stage.coefficients().kernel * decay);
            let direction = preconditioner
                .direction(rows, pass.gradients[l].clone(), penalty)
                .scaled(pass.scales[l] / count);
            let velocity = match &memory.velocity {
                Some(last) => last.scaled(self.config.momentum).plus(&direction),
                None => direction,
            };
            let coefficients = stage.coefficients().moved(&velocity, -length);
            let sums = [
                coefficients.kernel.clone().abs().sum(),
                coefficients.bias.clone().abs().sum(),
            ];
            check = sums.into_iter().fold(check, |check, sum| check + sum);
            velocities.push(Some(velocity));
            set_coefficients(&mut moved, l, coefficients)?;
        }
        let mut adam = self.adam.clone();
        if let Some(adam) = &mut adam {
            let gradients = pass.parameter_gradients(parts);
            moved = adam.step(adam_rate, moved.train(), gradients).valid();
            if let Some(sum) = Snapshot::of(&Part::all(&moved, &self.roles)).absolute_sum() {
                check = check + sum;
            }
        }
        // Leaves the device once per step: a sum that is finite only if every new weight is.
        Ok(scalar_f64(check)?.is_finite().then_some(Moved {
            network: moved,
            velocities,
            adam,
        }))
    }

    fn conditions(&self) -> Vec<f64> {
        let condition = |memory: &Memory| Some(memory.preconditioner.as_ref()?.condition());
        self.stages
            .iter()
            .map(|memory| condition(memory).unwrap_or(f64::NAN))
            .collect()
    }

    /// A length or rate that starts at `initial`, falls to zero over the run, and halves with every return.
    fn falling(&self, initial: f64) -> f64 {
        let rate = LearningRate {
            initial: initial * self.factor,
            total_steps: self.config.total_steps,
        };
        rate.at(self.steps)
    }
}

/// A network after a step, and what the step leaves to the next.
struct Moved {
    network: Network,
    velocities: Vec<Option<Affine>>,
    adam: Option<ModuleOptimizer>,
}

/// Of the stages that move along gradients, if there are any.
fn adam(roles: &[Role]) -> Option<ModuleOptimizer> {
    roles.contains(&Role::Gradient).then(fresh_adam)
}

fn fresh_adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}
