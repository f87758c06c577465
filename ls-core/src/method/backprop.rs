//! Method `backprop`: gradients through the whole depth and an optimizer, the baseline.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backward::Regularization;
use super::dropout::{Dropout, check_dropout};
use super::schedule::ScheduledFactor;
use super::settings::check_weight_decay;
use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, OptimizerConfig, Schedule, Separated,
    Task, counts,
};
use crate::Result;
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Figure, Figures};
use crate::network::Network;
use crate::objective::cross_entropy;

/// Learning rate of the step that a sweep took last.
const LEARNING_RATE: Figure = Figure::new("Learning rate").detail();

/// Settings of [`Backprop`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `optimizer` | an optimizer, by name or with constants of its own | `adam` | see [`OptimizerConfig`] |
/// | `learning-rate` | rate of the first step | one that suits the optimizer | above 0, at most 1e12 |
/// | `schedule` | course of the rate over the run | `constant` | `constant`, `linear`, `cosine` |
/// | `warm-up` | batches over which the rate rises to the first | 0 | 0 or more |
/// | `weight-decay` | decay of the optimizer | its own | 0 to 1000 |
/// | `label-smoothing` | `ε` of the loss whose gradients the optimizer takes | 0 | 0 to below 1 |
/// | `dropout` | share of the outputs of hidden stages that is zero in a step | 0 | 0 to below 1 |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BackpropConfig {
    /// Optimizer [default: adam]
    pub optimizer: OptimizerConfig,
    /// Learning rate of the first step [default: one that suits the optimizer]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Course of the learning rate over the run [default: constant]
    pub schedule: Schedule,
    /// Batches over which the learning rate rises linearly, before the schedule starts [default: 0]
    pub warm_up: usize,
    /// Weight decay of the optimizer [default: its own]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Share ε of every label that is spread evenly over all classes in the gradients; reports hold the loss without it [default: 0]
    pub label_smoothing: f64,
    /// Share of the outputs of hidden stages that is zero in a step, other outputs in each; losses are reported without it [default: 0]
    pub dropout: f64,
}

/// Samples of a batch where a run names none.
const USUAL_BATCH_SIZE: usize = 128;

impl MethodSettings for BackpropConfig {
    const NAME: &'static str = "backprop";
    const ABOUT: &'static str = "Gradients through the whole depth and an optimizer: the baseline";

    fn check(&self) -> Result<()> {
        if let Some(rate) = self.learning_rate {
            check_learning_rate("learning-rate", rate)?;
        }
        let inside = self.warm_up <= 1_000_000_000;
        ensure(inside, "warm-up", self.warm_up as f64, "from 0 to 1e9")?;
        let inside = (0.0..1.0).contains(&self.label_smoothing);
        ensure(
            inside,
            "label-smoothing",
            self.label_smoothing,
            "from 0 to below 1",
        )?;
        check_dropout(self.dropout)?;
        match self.weight_decay {
            Some(decay) => check_weight_decay(decay),
            None => Ok(()),
        }
    }

    /// One gradient step per epoch would be a baseline that nobody uses.
    fn usual_batch_size(&self) -> BatchSize {
        BatchSize::Samples(USUAL_BATCH_SIZE)
    }

    fn depends_on_length(&self) -> bool {
        self.schedule != Schedule::Constant
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let backprop = Backprop::new(self, task.network, task.total_steps)?;
        Ok(Box::new(backprop.with_seed(task.seed)))
    }
}

/// Checks a learning rate.
pub(super) fn check_learning_rate(field: &'static str, rate: f64) -> Result<()> {
    let inside = rate > 0.0 && rate <= 1e12;
    ensure(inside, field, rate, "greater than 0 and at most 1e12")
}

/// Backpropagation of the original loss.
pub struct Backprop {
    optimizer: ModuleOptimizer,
    learning_rate: f64,
    schedule: ScheduledFactor,
    label_smoothing: f64,
    dropout: f64,
    /// Of the draws of dropout.
    seed: u64,
}

impl Backprop {
    /// Starts the method for a run of so many batches; without their number the learning rate stays.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] and [`crate::Error::Settings`] for impossible settings.
    pub fn new(
        config: &BackpropConfig,
        network: &Network,
        total_steps: Option<usize>,
    ) -> Result<Self> {
        config.check()?;
        let usual = config.optimizer.name().learning_rate();
        Ok(Self {
            optimizer: config.optimizer.init_for(network, config.weight_decay)?,
            learning_rate: config.learning_rate.unwrap_or(usual),
            schedule: config.schedule.start_after(config.warm_up, total_steps)?,
            label_smoothing: config.label_smoothing,
            dropout: config.dropout,
            seed: 0,
        })
    }

    /// Draws dropout from another seed than 0.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct SavedSteps {
    steps: usize,
}

/// Gradients of `F` over a batch for a network whose parameters are tracked ([`Module::train`]); empty when none is trainable.
pub fn gradients(tracked: &Network, batch: &Batch) -> GradientsParams {
    regularized_gradients(tracked, batch, Regularization::default())
}

/// As [`gradients`], of the loss with smoothed labels and dropout.
fn regularized_gradients(
    tracked: &Network,
    batch: &Batch,
    regularization: Regularization,
) -> GradientsParams {
    let logits = logits(tracked, batch, regularization.dropout);
    let values = logits.clone().inner();
    let smoothing = regularization.label_smoothing;
    let cotangent = cross_entropy::smoothed_gradient(values, &batch.labels, smoothing);
    let cotangent = cotangent / batch.len() as f64;
    // The loss's own derivative is known in closed form and keeps digits that autodiff would lose at small losses.
    let surrogate = (logits * cotangent).sum();
    // Burn refuses to go back from what depends on no tracked tensor.
    if !surrogate.is_tracked() {
        return GradientsParams::new();
    }
    GradientsParams::from_grads(surrogate.backward(), tracked)
}

fn logits(tracked: &Network, batch: &Batch, dropout: Option<Dropout>) -> Tensor<2> {
    let Some(dropout) = dropout else {
        return tracked.forward(batch.inputs.clone());
    };
    let mut h = batch.inputs.clone();
    for (l, stage) in tracked.stages().iter().enumerate() {
        h = stage.forward(h);
        let is_hidden = l < tracked.hidden();
        if let Some(factors) = is_hidden.then(|| dropout.factors(l, stage, &h)).flatten() {
            h = h * Tensor::from_inner(factors);
        }
    }
    h
}

impl Method for Backprop {
    fn name(&self) -> &str {
        BackpropConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![LEARNING_RATE, ACCEPTED]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let tracked = model.network.clone().train();
        let regularization = Regularization {
            label_smoothing: self.label_smoothing,
            dropout: Dropout::at(self.schedule.steps(), self.dropout, self.seed),
        };
        let gradients = regularized_gradients(&tracked, batch, regularization);
        let rate = self.learning_rate * self.schedule.advance();
        let moved = self.optimizer.step(rate, tracked, gradients);
        model.network = moved.valid();
        Ok(counts(1, 0).with(LEARNING_RATE, rate))
    }

    fn save(&self) -> Result<MethodState> {
        let steps = self.schedule.steps();
        let mut state = MethodState::new(&SavedSteps { steps })?;
        state.optimizers.push_back(self.optimizer.to_record());
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let SavedSteps { steps } = state.read()?;
        self.schedule.skip_to(steps);
        let optimizer = self.optimizer.clone();
        self.optimizer = optimizer.load_record(state.take_optimizer()?);
        Ok(())
    }
}
