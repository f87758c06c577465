//! Method `foof`: steps of Adam in the eigenvectors of the second moments of each stage's inputs and gradients, in batches.
//!
//! With `G_l = ∂ce_n/∂u_l` of the batch at its forward inputs `A_l`, all stages move at once. `U_l` holds eigenvectors of the covariance
//! of the inputs, `Q_l` those of `G_lᵀ G_l / m` over the `m` rows, both exponential averages over batches; the average of `Σ_1`, whose
//! inputs are the samples, ends after some rows. In the coordinates `u = (a - ā) W + c`,
//!
//! `X = (A_l - ā)ᵀ G_l Q_l / N`,  `M ← β M + (1 - β) X`,  `V ← α V + (1 - α) (U_lᵀ X)²`,
//! `W_l ← W_l - τ U_l ((U_lᵀ M) / √V) Q_lᵀ`,
//!
//! with Adam's corrections for the start, a little added to `√V`, and likewise `c`. Of wide inputs `U_l` holds the leading
//! eigenvectors only, and the rest of their directions share one second moment for each output. `τ` falls to zero over the run;
//! kernels that are larger, deeper networks and longer runs take shorter steps.
//!
//! The covariance of the inputs is known as FOOF (Benzing, ICML 2022, arXiv 2201.12250) and ISAAC (arXiv 2305.00604), both sides as
//! K-FAC (Martens and Grosse 2015), second moments in its eigenvectors as EKFAC (George et al. 2018), moments of Adam in those of
//! Shampoo as SOAP (Vyas et al. 2024). Here the bases come from inputs and gradients and not from kernels, so that they cost little:
//! that of the first stage is soon known for good. This method adds the centring, bases of low rank for wide inputs, safe weights to
//! return to, a weight decay that falls with the square of the course of the steps, and its start: one sweep of full-batch fits
//! ([`sweeps`](super::sweeps)) on the first batch. All stages move at once otherwise,
//! which deep networks do not survive if the signal of the inputs, or of the gradients, vanishes on its way through them; fits from
//! front to back bring both to one size everywhere.
//!
//! A decrease of the loss of one batch says little, and none is asked for. But where the loss of a batch is not finite, or far above
//! that of the first, the weights return to those of some steps before, and all further steps are half as long.
//!
//! Stages without the affine view move at the same time by Adam, along the gradient of the batch's mean loss, at a learning rate
//! that falls and is halved with `τ`; they return with the others. Frozen stages keep their weights.

mod decay;
mod gradient;
mod memory;
mod moments;
mod pass;
mod snapshot;
mod stage_step;
mod step;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use decay::FallingDecay;
use step::{SavedSteps, Steps};

use super::dropout::check_dropout;
use super::separate::separate;
use super::separation::reported_weights;
use super::settings::check_weight_decay;
use super::stage_role::StageRole;
use super::sweeps::{FullBatchSweeps, SweepSettings};
use super::wide_samples::sees_wide_samples;
use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, REJECTED, STEP, Schedule, Separated,
    Task, counts,
};
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Figure, Figures};
use crate::network::Network;
use crate::objective::{Measurement, ReportWeighting, Weights};
use crate::{Error, Result};

/// Settings of [`Foof`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `step` | `τ` of the first step, in a network of three stages and a run of 2000 batches | 5e-3 | above 0, at most 1e30 |
/// | `schedule` | course of `τ` over the run | `linear` | `constant`, `linear`, `cosine` |
/// | `momentum` | `β` | 0.9 | 0 to below 1 |
/// | `average` | weight `α` of the past in the averages of second moments | 0.95 | 0 to below 1 |
/// | `refresh` | steps between two computations of the eigenvectors, and between two sets of safe weights, | 20 | 1 or more |
/// | `rank` | eigenvectors of inputs that are more than twice as wide | 96 | 1 or more |
/// | `learning-rate` | Adam's, for stages without the affine view | 1e-3 | above 0, at most 1e30 |
/// | `weight-decay` | `λ` of the first step | 30 over the number of samples where they are wide, else 0 | 0 to 1000 |
/// | `label-smoothing` | `ε` of the loss whose gradients the steps take | 0 | 0 to below 1 |
/// | `dropout` | share of the outputs of hidden stages that is zero in a step | 0 | 0 to below 1 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FoofConfig {
    /// Step τ of the first step, in a network of three stages and a run of 2000 batches; deeper networks and longer runs take shorter steps
    /// [default: 0.005]
    pub step: f64,
    /// Course of the step over the run [default: linear]
    pub schedule: Schedule,
    /// Momentum β of the steps [default: 0.9]
    pub momentum: f64,
    /// Weight of earlier batches in the averages of second moments [default: 0.95]
    pub average: f64,
    /// Steps between two computations of the eigenvectors, at most [default: 20]
    pub refresh: usize,
    /// Eigenvectors of the inputs that steps are scaled along, where the inputs are more than twice as wide [default: 96]
    pub rank: usize,
    /// Learning rate of Adam, which moves stages without the affine view [default: 0.001]
    pub learning_rate: f64,
    /// λ of a penalty λ/2 Σ‖W‖² on the kernels of stages with the affine view; it falls with the square of the step's course [default: 30
    /// over the number of samples where they have more than 192 features or pass through convolutions, else 0]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Share ε of every label that is spread evenly over all classes in the gradients; reports hold the loss without it [default: 0]
    pub label_smoothing: f64,
    /// Share of the outputs of hidden stages that is zero in a step, other outputs in each; losses are reported without it [default: 0]
    pub dropout: f64,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

/// Largest value of settings that count something.
const MOST: usize = 1_000_000;

impl Default for FoofConfig {
    fn default() -> Self {
        Self {
            step: 5e-3,
            schedule: Schedule::Linear,
            momentum: 0.9,
            average: 0.95,
            refresh: 20,
            rank: 96,
            learning_rate: 1e-3,
            weight_decay: None,
            label_smoothing: 0.0,
            dropout: 0.0,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for FoofConfig {
    const NAME: &'static str = "foof";
    const ABOUT: &'static str =
        "Adam in the eigenvectors of each layer's inputs and gradients, in batches";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        for (field, length) in [("step", self.step), ("learning-rate", self.learning_rate)] {
            let inside = length > 0.0 && length <= 1e30;
            ensure(inside, field, length, "greater than 0 and at most 1e30")?;
        }
        for (field, share) in [
            ("momentum", self.momentum),
            ("average", self.average),
            ("label-smoothing", self.label_smoothing),
        ] {
            let inside = (0.0..1.0).contains(&share);
            ensure(inside, field, share, "from 0 to below 1")?;
        }
        check_dropout(self.dropout)?;
        check_weight_decay(self.weight_decay.unwrap_or(0.0))?;
        for (field, count) in [("refresh", self.refresh), ("rank", self.rank)] {
            let inside = (1..=MOST).contains(&count);
            ensure(inside, field, count as f64, "from 1 to 1000000")?;
        }
        Ok(())
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Samples(1) => Err(Error::BatchSize {
                method: Self::NAME,
                size: "1".into(),
                allowed: "one sample has no covariance; take batches of 2 or more",
            }),
            _ => Ok(()),
        }
    }

    fn depends_on_length(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let foof = Foof::new(*self, task.network, task.total_steps)?.with_seed(task.seed);
        Ok(Box::new(match sees_wide_samples(task.network) {
            true => foof.with_usual_decay(task.split.len()),
            false => foof,
        }))
    }
}

/// Steps on batches, of Adam in the eigenvectors of each stage's inputs and gradients.
///
/// It promises nothing, but needs no learning rate at its defaults. The steps fall over `total_steps` batches; without that number
/// they stay long.
pub struct Foof {
    config: FoofConfig,
    steps: Steps,
    /// Whether the first batch has been seen.
    has_started: bool,
}

impl Foof {
    /// Starts the method for a network, and a run of so many batches. Settings that name no weight decay have none here, as the number of
    /// samples is not known; [`with_usual_decay`](Self::with_usual_decay) takes it.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings.
    pub fn new(config: FoofConfig, network: &Network, total_steps: Option<usize>) -> Result<Self> {
        Self::for_roles(config, StageRole::all(network), total_steps)
    }

    /// Starts the method for stages that move in given ways.
    pub(super) fn for_roles(
        config: FoofConfig,
        roles: Vec<StageRole>,
        total_steps: Option<usize>,
    ) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            steps: Steps::new(config, total_steps, roles)?,
            has_started: false,
        })
    }

    /// Draws dropout from another seed than 0.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.steps.seed = seed;
        self
    }

    /// Takes the usual weight decay of a run on so many wide samples where the settings name none: 30 over their number, at most 0.01. Its
    /// part of a step's gradient is at most 0.3 times that of the loss.
    #[must_use]
    pub fn with_usual_decay(mut self, samples: usize) -> Self {
        if self.config.weight_decay.is_none() {
            self.steps.set_decay(FallingDecay::usual(samples));
        }
        self
    }

    /// Lets the weight decay fall to another value than 0, and begin with no less.
    #[must_use]
    pub fn with_last_decay(mut self, last: f64) -> Self {
        self.steps.set_decay(self.steps.decay().down_to(last));
        self
    }

    /// Halves all further steps after the weights were taken back, and forgets what belongs to those weights.
    pub(super) fn take_back(&mut self) -> Result<()> {
        self.steps.take_back()
    }

    /// As [`restore`](Method::restore), and leaves what belongs to others in the state.
    pub(super) fn restore_from(&mut self, state: &mut MethodState) -> Result<()> {
        let saved: SavedFoof = state.read()?;
        if let Some(steps) = saved.steps {
            self.steps.restore(steps, state)?;
            self.has_started = true;
        }
        Ok(())
    }

    /// One sweep of full-batch fits on the first batch.
    fn start(&self, network: &mut Network, batch: &Batch) -> Result<()> {
        let fits = SweepSettings::plain_fits(self.steps.decay().of_fits());
        let mut model = Separated::new(network.clone());
        let batch = Batch::full(batch.inputs.clone(), batch.labels.clone());
        FullBatchSweeps::new(&fits, network).sweep(&mut model, &batch)?;
        *network = model.network;
        Ok(())
    }
}

impl Method for Foof {
    fn name(&self) -> &str {
        FoofConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![STEP, ACCEPTED, REJECTED]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !self.has_started {
            self.start(&mut model.network, batch)?;
            self.has_started = true;
        }
        let step = self.steps.step(&mut model.network, batch)?;
        let accepted = usize::from(step.accepted);
        Ok(counts(accepted, 1 - accepted).with(STEP, step.length))
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::new(&SavedFoof {
            steps: self.has_started.then(|| self.steps.values()),
        })?;
        if self.has_started {
            self.steps.push_arrays(&mut state);
        }
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        self.restore_from(&mut state)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }

    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        separate(model, self.config.weighting.0, split, None, None)
    }
}

/// Numbers of the saved state; nothing before the first step.
#[derive(Serialize, Deserialize)]
struct SavedFoof {
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<SavedSteps>,
}
