//! Method `foof`: a gradient step of every stage, preconditioned by the covariance of its inputs, in batches.
//!
//! With `G_l = ∂ce_n/∂u_l` of the batch at its forward inputs `A_l`, all stages move at once:
//!
//! `v_l ← β v_l + c_l P_l A_lᵀ G_l / m`,  `W_l ← W_l - τ v_l`,  `P_l = (Σ_l + μ (tr Σ_l)/d I)⁻¹`.
//!
//! `Σ_l` is the covariance of the inputs, an exponential average over batches corrected for its start; `Σ_1` is computed once, from
//! the first rows of the split. Inputs are centred, `u = (a - ā) W + c` with `c` moved by its plain gradient, so that the damping
//! compares with the variation in them. `τ` falls to zero over the run.
//!
//! Preconditioning by the inputs of a layer is known as FOOF (Benzing, ICML 2022, arXiv 2201.12250) and ISAAC (arXiv 2305.00604).
//! This method adds the centring, displacements of one norm at all stages, damping relative to the variance, step lengths by depth,
//! preconditioners of low rank for wide inputs, safe weights to return to, and its start: one full-batch sweep of
//! [`exact`](super::exact) on the first batch. All stages move at once otherwise, which deep networks do not survive if the signal
//! of the inputs, or of the gradients, vanishes on its way through them; fits from front to back bring both to one size everywhere.
//!
//! A step is the descent form of a sweep of `exact`, so it needs no targets beyond one step. A decrease of the loss of one batch
//! says little, and none is asked for. But where the loss of a batch is not finite, or far above that of the first, the weights
//! return to those of some steps before, and all further steps are half as long.
//!
//! Stages without the affine view move at the same time by Adam, along the gradient of the batch's mean loss, at a learning rate
//! that falls and is halved with `τ`; they return with the others. Frozen stages keep their weights.

mod memory;
mod pass;
mod snapshot;
mod step;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use step::{SavedSteps, Steps};

use super::exact::{ExactConfig, FullBatchSweeps};
use super::figures::record_conditions;
use super::separation::reported_weights;
use super::settings::check_weight_decay;
use super::stage_role::StageRole;
use super::{
    ACCEPTED, CONDITION, DAMPING, Method, MethodSettings, MethodState, Objective, REJECTED, STEP,
    Scaling, Schedule, Separated, Task, counts,
};
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Figure, Figures};
use crate::network::Network;
use crate::objective::{Weighting, Weights};
use crate::{Error, Result};

/// Settings of [`Foof`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `step` | `τ` of the first step of a network of three stages | 3 | above 0, at most 1e30 |
/// | `damping` | `μ`, relative to the mean variance of a stage's inputs | 10 | 1e-9 to 1e6 |
/// | `scaling` | factors `c_l` of the displacements | `norm` | `none`, `rms`, `norm` |
/// | `schedule` | course of `τ` over the run | `linear` | `constant`, `linear`, `cosine` |
/// | `momentum` | `β` | 0.9 | 0 to below 1 |
/// | `average` | weight of the past in the averages of the covariances | 0.9 | 0 to below 1 |
/// | `refresh` | steps between two factorizations | 10 | 1 or more |
/// | `learning-rate` | Adam's, for stages without the affine view | 1e-3 | above 0, at most 1e30 |
/// | `weight-decay` | `λ` | 0 | 0 to 1000 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FoofConfig {
    /// Step τ of the first step of a network of three stages; deeper ones take proportionally shorter steps [default: 3]
    pub step: f64,
    /// Damping μ, relative to the mean variance of the inputs of a stage [default: 10]
    pub damping: f64,
    /// Scaling of the displacements [default: norm]
    pub scaling: Scaling,
    /// Course of the step over the run [default: linear]
    pub schedule: Schedule,
    /// Momentum β of the steps [default: 0.9]
    pub momentum: f64,
    /// Weight of earlier batches in the averages of the covariances [default: 0.9]
    pub average: f64,
    /// Steps between two factorizations of the averages [default: 10]
    pub refresh: usize,
    /// Learning rate of Adam, which moves stages without the affine view [default: 0.001]
    pub learning_rate: f64,
    /// λ of a penalty λ/2 Σ‖W‖² on the kernels of stages with the affine view [default: 0]
    pub weight_decay: f64,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: Weighting,
}

impl Default for FoofConfig {
    fn default() -> Self {
        Self {
            step: 3.0,
            damping: 10.0,
            scaling: Scaling::Norm,
            schedule: Schedule::Linear,
            momentum: 0.9,
            average: 0.9,
            refresh: 10,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            weighting: Weighting::default(),
        }
    }
}

impl MethodSettings for FoofConfig {
    const NAME: &'static str = "foof";
    const ABOUT: &'static str =
        "Gradients preconditioned by the covariance of each layer's inputs, in batches";

    fn check(&self) -> Result<()> {
        self.weighting.check()?;
        for (field, length) in [("step", self.step), ("learning-rate", self.learning_rate)] {
            let inside = length > 0.0 && length <= 1e30;
            ensure(inside, field, length, "greater than 0 and at most 1e30")?;
        }
        let inside = (1e-9..=1e6).contains(&self.damping);
        ensure(inside, "damping", self.damping, "from 1e-9 to 1e6")?;
        for (field, share) in [("momentum", self.momentum), ("average", self.average)] {
            let inside = (0.0..1.0).contains(&share);
            ensure(inside, field, share, "from 0 to below 1")?;
        }
        check_weight_decay(self.weight_decay)?;
        let refresh = self.refresh;
        ensure(refresh >= 1, "refresh", refresh as f64, "1 or more")
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

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Foof::new(*self, task.network, task.total_steps)?))
    }
}

/// Steps on batches, preconditioned by the covariance of each stage's inputs.
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
    /// Starts the method for a network, and a run of so many batches.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings.
    pub fn new(config: FoofConfig, network: &Network, total_steps: Option<usize>) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            steps: Steps::new(config, total_steps, StageRole::all(network))?,
            has_started: false,
        })
    }

    /// One full-batch sweep of `exact` on the first batch.
    fn start(&self, network: &mut Network, batch: &Batch) -> Result<()> {
        let exact = ExactConfig {
            weight_decay: self.config.weight_decay,
            weighting: self.config.weighting,
            output_curvature: false,
            history: 0,
            ..ExactConfig::default()
        };
        let mut model = Separated::new(network.clone());
        let batch = Batch::full(batch.inputs.clone(), batch.labels.clone());
        FullBatchSweeps::new(&exact, network).sweep(&mut model, &batch)?;
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
        let mut figures = vec![STEP, DAMPING, ACCEPTED, REJECTED];
        let stages = 1..=self.steps.stages();
        figures.extend(stages.map(|l| CONDITION.at(l)));
        figures
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !self.has_started {
            self.start(&mut model.network, batch)?;
            self.has_started = true;
        }
        let step = self.steps.step(&mut model.network, batch)?;
        if model.auxiliary.stages() > 0 {
            model.auxiliary.scatter(&batch.selection, step.targets);
        }
        let accepted = usize::from(step.accepted);
        let mut report = counts(accepted, 1 - accepted)
            .with(STEP, step.length)
            .with(DAMPING, self.config.damping);
        record_conditions(&mut report, &step.conditions);
        Ok(report)
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
        let saved: SavedFoof = state.read()?;
        if let Some(steps) = saved.steps {
            self.steps.restore(steps, &mut state)?;
            self.has_started = true;
        }
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting, network).map(Some)
    }
}

/// Numbers of the saved state; nothing before the first step.
#[derive(Serialize, Deserialize)]
struct SavedFoof {
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<SavedSteps>,
}
