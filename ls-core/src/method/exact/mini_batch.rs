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

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::affine;
use super::backward::backward;
use super::control::Scaling;
use crate::Result;
use crate::batch::Batch;
use crate::error::ensure;
use crate::linalg::{Affine, Covariance, Preconditioner, scalar_f64, to_f64};
use crate::method::{LearningRate, MethodState};
use crate::network::Network;
use crate::objective::cross_entropy;

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

/// Rows of the first stage's inputs that its preconditioner is computed from.
const FIRST_STAGE_ROWS: f64 = 8192.0;

/// A batch's loss above this multiple of the first one's, and of a guess among the classes, is a run that blows up.
const BLOWN_UP: f64 = 2.0;

/// What is kept between batches.
pub(super) struct MiniBatch {
    config: MiniBatchConfig,
    /// `λ`.
    weight_decay: f64,
    stages: Vec<Memory>,
    steps: usize,
    /// Halved whenever the weights had to return.
    factor: f64,
    /// `F` of the first batch, at least that of a guess.
    first_loss: Option<f64>,
    /// Weights of the last refresh at which the loss was in order.
    safe: Vec<Affine>,
}

/// What is known of one stage.
#[derive(Default)]
struct Memory {
    /// `Σ_l` and the mean of the inputs.
    average: Option<Covariance>,
    /// `P_l`.
    preconditioner: Option<Preconditioner>,
    velocity: Option<Affine>,
}

/// The numbers of what is kept between batches.
#[derive(Serialize, Deserialize)]
pub(super) struct MiniBatchValues {
    steps: usize,
    factor: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_loss: Option<f64>,
    safe: usize,
    stages: Vec<MemoryValues>,
}

/// The numbers of what is known of one stage.
#[derive(Serialize, Deserialize)]
struct MemoryValues {
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<f64>,
    /// Of a preconditioner of low rank.
    #[serde(skip_serializing_if = "Option::is_none")]
    ridge: Option<f64>,
    moves: bool,
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
    /// `a_l = post(u_l - τ c_l ∂ce/∂u_l)` of the hidden stages.
    pub(super) targets: Vec<Tensor<2>>,
}

impl MiniBatch {
    pub(super) fn new(config: MiniBatchConfig, weight_decay: f64, network: &Network) -> Self {
        let stages = network.stages().iter().map(|_| Memory::default());
        Self {
            config,
            weight_decay,
            stages: stages.collect(),
            steps: 0,
            factor: 1.0,
            first_loss: None,
            safe: Vec::new(),
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
            safe: self.safe.len(),
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
        for coefficients in &self.safe {
            push_affine(state, coefficients);
        }
    }

    /// What was kept.
    pub(super) fn restored(
        config: MiniBatchConfig,
        weight_decay: f64,
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
        Ok(Self {
            config,
            weight_decay,
            stages: values
                .stages
                .iter()
                .map(&mut memory)
                .collect::<Result<_>>()?,
            steps: values.steps,
            factor: values.factor,
            first_loss: values.first_loss,
            safe: (0..values.safe)
                .map(|_| take_affine(state))
                .collect::<Result<_>>()?,
        })
    }

    /// One step on a batch.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a stage that is not affine before its activation, [`crate::Error::NotPositiveDefinite`] for
    /// inputs that are not finite.
    pub(super) fn step(&mut self, network: &mut Network, batch: &Batch) -> Result<Step> {
        let length = self.length();
        let refresh = self.steps.is_multiple_of(self.config.refresh);
        self.steps += 1;
        let pass = Pass::new(network, batch, self.config.scaling)?;
        let first = *self.first_loss.get_or_insert(pass.loss.max(pass.guess));
        // A comparison with NaN is false: what is not finite is not in order.
        let in_order = pass.loss <= BLOWN_UP * first;
        let moved = if in_order {
            self.moved(network, &pass, length, refresh)?
        } else {
            None
        };
        let accepted = moved.is_some();
        if let Some(moved) = moved {
            if refresh {
                self.safe = coefficients(network)?;
            }
            for (memory, (_, velocity)) in self.stages.iter_mut().zip(&moved) {
                memory.velocity = Some(velocity.clone());
            }
            set(
                network,
                moved.into_iter().map(|(coefficients, _)| coefficients),
            );
        } else {
            self.factor /= 2.0;
            for memory in &mut self.stages {
                memory.velocity = None;
            }
            set(network, self.safe.iter().cloned());
        }
        Ok(Step {
            accepted,
            length,
            conditions: self.conditions(),
            targets: pass.targets(network, length)?,
        })
    }

    /// New coefficients and velocities of all stages; `None` when they are not finite.
    fn moved(
        &mut self,
        network: &Network,
        pass: &Pass,
        length: f64,
        refresh: bool,
    ) -> Result<Option<Vec<(Affine, Affine)>>> {
        let mut moved = Vec::with_capacity(self.stages.len());
        let mut check = Tensor::zeros([1], &pass.inputs[0].device());
        for (l, memory) in self.stages.iter_mut().enumerate() {
            let stage = affine(network, l)?;
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
            moved.push((coefficients, velocity));
        }
        // Leaves the device once per step: a sum that is finite only if every new weight is.
        Ok(scalar_f64(check)?.is_finite().then_some(moved))
    }

    fn conditions(&self) -> Vec<f64> {
        let condition = |memory: &Memory| Some(memory.preconditioner.as_ref()?.condition());
        self.stages
            .iter()
            .map(|memory| condition(memory).unwrap_or(f64::NAN))
            .collect()
    }

    fn length(&self) -> f64 {
        let depth = 3.0 / self.stages.len().max(3) as f64;
        let rate = LearningRate {
            initial: self.config.step * depth * self.factor,
            total_steps: self.config.total_steps,
        };
        rate.at(self.steps)
    }
}

impl Memory {
    /// Takes in the rows of a batch.
    fn take_in(
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
        let own = Covariance::of(rows.clone());
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

/// A forward and a backward pass over a batch.
struct Pass {
    /// `h_{l-1}`.
    inputs: Vec<Tensor<2>>,
    /// `u_l`.
    pre_activations: Vec<Tensor<2>>,
    /// `∂ce_n/∂u_{l,n}`.
    gradients: Vec<Tensor<2>>,
    /// `c_l`.
    scales: Vec<f64>,
    /// `F` of the batch.
    loss: f64,
    /// `F` of equal probabilities.
    guess: f64,
}

impl Pass {
    fn new(network: &Network, batch: &Batch, scaling: Scaling) -> Result<Self> {
        let stages: Vec<_> = (0..network.stages().len())
            .map(|l| affine(network, l))
            .collect::<Result<_>>()?;
        let mut inputs = Vec::with_capacity(stages.len());
        let mut pre_activations = Vec::with_capacity(stages.len());
        let (logits, gradients) = backward(&stages, batch, |l, input| {
            let u = stages[l]
                .coefficients()
                .apply(stages[l].rows(input.clone()));
            inputs.push(input.clone());
            pre_activations.push(u.clone());
            u
        });
        let classes = logits.dims()[1] as f64;
        let losses = cross_entropy::per_sample(logits, &batch.labels);
        let squares = gradients.iter().map(|g| (g.clone() * g.clone()).sum());
        // Leaves the device once per step: a run that blows up has to be noticed before it is averaged into anything.
        let figures = to_f64(Tensor::cat(
            core::iter::once(losses.mean()).chain(squares).collect(),
            0,
        ))?;
        let dims: Vec<_> = gradients.iter().map(Tensor::dims).collect();
        let scales = scaling.factors(&figures[1..], &dims);
        Ok(Self {
            inputs,
            pre_activations,
            gradients,
            scales,
            loss: figures[0],
            guess: classes.ln(),
        })
    }

    /// `a_l = post(u_l - τ c_l ∂ce/∂u_l)` of the hidden stages.
    fn targets(self, network: &Network, length: f64) -> Result<Vec<Tensor<2>>> {
        let mut input = self.inputs[0].clone();
        let pairs = self.pre_activations.into_iter().zip(self.gradients);
        let hidden = pairs.take(network.hidden()).enumerate();
        hidden
            .map(|(l, (u, gradient))| {
                let displacement = gradient * (length * self.scales[l]);
                input = affine(network, l)?.post(u - displacement, &input);
                Ok(input.clone())
            })
            .collect()
    }
}

fn coefficients(network: &Network) -> Result<Vec<Affine>> {
    let of = |l| Ok(affine(network, l)?.coefficients());
    (0..network.stages().len()).map(of).collect()
}

fn set(network: &mut Network, coefficients: impl Iterator<Item = Affine>) {
    for (l, coefficients) in coefficients.enumerate() {
        if let Some(stage) = network.stage_mut(l).affine_mut() {
            stage.set_coefficients(coefficients);
        }
    }
}
