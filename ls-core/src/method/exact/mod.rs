//! Method `exact`: restarted separation at the pre-activations with exact weight blocks, in full batch.
//!
//! One sweep takes a forward pass, sets targets `u*_l = u_l - τ c_l ∂ce/∂u_l M_l` for all pre-activations by one backward pass,
//! and fits every stage to its targets by ridge least squares, front to back, on the inputs that the fitted stages before it
//! actually give:
//!
//! `V_l ← V_l + (ÂᵀÂ/m + μ (tr Σ)/d D)⁻¹ Âᵀ(u*_l - Â V_l)/m`, `Â = [h_{l-1}, 1]`,
//!
//! with `Σ` the covariance of the inputs, and `D` the identity without its last entry: the bias is free ([`Ridge`]). The metric `M_l` is
//! that of the output side's curvature, `(1+ν) (G_l/t_l + ν I)⁻¹` with `G_l` the second moment of the gradients.
//!
//! The result is kept if the original loss `F` fell, with weight decay `F + λ/2 Σ ‖W_l‖²`. So that loss never rises, and there is
//! no learning rate; a controller finds `τ` and `μ`. Once the fits slow down, sweeps may be steps of L-BFGS in the same layer-wise metric;
//! the next sweep goes to whichever lowers the loss more for its work ([`sweeps`](super::sweeps)).
//!
//! Fits of a whole split adapt to every direction of its inputs, and images have hundreds that carry nothing but noise. On wide samples,
//! and in convolutional networks, a run therefore starts with epochs of [`foof`](super::foof) in batches ([`batch_start`]), each of which
//! is kept only if the loss fell: the law of the method holds for them too.
//!
//! A stage without the affine view has no pre-activations to fit. Its weights stay in the fits, and it has no displacement.
//! Afterwards, also where no fit was accepted, all such stages move together by one [`GradientStep`](crate::update::GradientStep) on
//! the same loss, which is taken only if the loss falls. A stage with the view of which some parameters are frozen moves in this
//! way too; a stage without trainable parameters keeps its weights. The penalty of weight decay covers the kernels of fitted stages
//! alone.

mod batch_start;
mod penalty_path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use batch_start::{BatchStart, SavedStart};
use penalty_path::PenaltyPath;

use super::separate::separate;
use super::separation::reported_weights;
use super::settings::check_weight_decay;
use super::sweeps::{
    FORM, FullBatchSweeps, GRAM_ROWS, OUTPUT_DAMPING, SavedSweeps, Storage, SweepSettings,
};
use super::{
    ACCEPTED, CONDITION, DAMPING, Method, MethodSettings, MethodState, Objective, PENALIZED_LOSS,
    REJECTED, SCALING, STEP, Scaling, Separated, Task, counts,
};
use crate::batch::{Batch, BatchIdentity, BatchSize, Selection};
use crate::error::ensure;
use crate::figure::{Figure, Figures};
use crate::linalg::Ridge;
use crate::network::Network;
use crate::objective::{Measurement, ReportWeighting, Weights};
use crate::{Error, Result};

/// Weight decay `λ` of a sweep on a path.
pub const WEIGHT_DECAY: Figure = Figure::new("Weight decay").detail();

/// Settings of [`Exact`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `step` | `τ` | found in every sweep | above 0, at most 1e8 |
/// | `damping` | `μ` | found in every sweep | 1e-9 to 1e6 |
/// | `output-curvature` | whether the displacements of hidden stages take the metric `M_l` | `true` | |
/// | `output-damping` | `ν` | 0.3 | 1e-6 to 1e6 |
/// | `scaling` | factors `c_l` of the displacements | found in every sweep | `none`, `rms`, `norm` |
/// | `history` | pairs of the L-BFGS steps between the fits; 0 for fits alone | 20 | 0 to 1000 |
/// | `batch-sweeps` | first sweeps that are epochs in batches; 0 for none | by samples and network | 0 to 1000 |
/// | `storage` | arrays that are kept between the passes | `stored` | `stored`, `recomputed` |
/// | `chunk` | samples of a chunk | a million entries; sixteen million on an accelerator | 1 or more |
/// | `ridge` | reference of `μ` | `variance` | `variance`, `second-moment` |
/// | `gram-rows` | patches in a convolution's Gram matrix | 16384 | 1 or more |
/// | `weight-decay` | `λ` | 0 | 0 to 1000 |
/// | `path` | whether the run goes down a path of `λ` | `false` | |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ExactConfig {
    /// Step τ of the targets, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Damping μ of the Gram matrices, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Whether displacements are transformed by the curvature of the output side [default: true]
    pub output_curvature: bool,
    /// Damping ν of the output side's curvature [default: 0.3]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_damping: Option<f64>,
    /// Scaling of the displacements, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Pairs of the L-BFGS steps between the fits; 0 for fits alone [default: 20]
    pub history: usize,
    /// First sweeps that are epochs of `foof` in batches of 128, kept only if the loss falls; 0 for none [default: 4 to 10 for samples of more
    /// than 192 features and for convolutional networks, at most half of the run]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_sweeps: Option<usize>,
    /// Arrays that are kept between the passes of a sweep: `recomputed` is slower and takes less memory [default: stored]
    pub storage: Storage,
    /// Samples that pass through the stages at once [default: by the size of the stages]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<usize>,
    /// Reference of the damping: the variance of a stage's inputs or their second moment [default: variance]
    pub ridge: Ridge,
    /// Patches that enter the Gram matrix of a convolution; a seeded subset when there are more [default: 16384]
    pub gram_rows: usize,
    /// λ of a penalty λ/2 Σ‖W‖² on the kernels of fitted stages; the loss with its penalty is then the one that never rises
    /// [default: 0]
    pub weight_decay: f64,
    /// Goes down a path of twelve decays from 0.03 to 1e-5, each from the weights that the one before has left, and ends with the weights that did
    /// best on the samples of --validation [default: false]
    pub path: bool,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network. Where
    /// self-adaptive ones do not exist because a stage states no Lipschitz constant, reports take fixed weights `ω = 1`.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

impl Default for ExactConfig {
    fn default() -> Self {
        Self {
            step: None,
            damping: None,
            output_curvature: true,
            output_damping: None,
            scaling: None,
            history: 20,
            batch_sweeps: None,
            storage: Storage::Stored,
            chunk: None,
            ridge: Ridge::default(),
            gram_rows: GRAM_ROWS,
            weight_decay: 0.0,
            path: false,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for ExactConfig {
    const NAME: &'static str = "exact";
    const ABOUT: &'static str =
        "Fit every layer in closed form, full batch: the original loss never rises";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        if let Some(step) = self.step {
            let inside = step > 0.0 && step <= 1e8;
            ensure(inside, "step", step, "greater than 0 and at most 1e8")?;
        }
        if let Some(damping) = self.damping {
            let inside = (1e-9..=1e6).contains(&damping);
            ensure(inside, "damping", damping, "from 1e-9 to 1e6")?;
        }
        if let Some(damping) = self.output_damping {
            if !self.output_curvature {
                return Err(Error::Settings {
                    of: format!("method `{}`", Self::NAME),
                    reason: "output-damping has no meaning without output-curvature".into(),
                });
            }
            let inside = (1e-6..=1e6).contains(&damping);
            ensure(inside, "output-damping", damping, "from 1e-6 to 1e6")?;
        }
        if let Some(chunk) = self.chunk {
            ensure(chunk >= 1, "chunk", chunk as f64, "1 or more")?;
        }
        check_weight_decay(self.weight_decay)?;
        if self.path && self.weight_decay > 0.0 {
            return Err(Error::Settings {
                of: format!("method `{}`", Self::NAME),
                reason:
                    "weight-decay has no meaning with path, which goes through decays of its own"
                        .into(),
            });
        }
        let history = self.history;
        ensure(history <= 1000, "history", history as f64, "from 0 to 1000")?;
        let sweeps = self.batch_sweeps.unwrap_or(0);
        ensure(
            sweeps <= 1000,
            "batch-sweeps",
            sweeps as f64,
            "from 0 to 1000",
        )?;
        let rows = self.gram_rows;
        ensure(rows >= 1, "gram-rows", rows as f64, "1 or more")
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Full => Ok(()),
            BatchSize::Samples(count) => Err(Error::BatchSize {
                method: Self::NAME,
                size: count.to_string(),
                allowed: NEEDS_FULL_BATCH,
            }),
        }
    }

    fn usual_sweeps(&self) -> Option<usize> {
        self.path.then_some(penalty_path::RUN_SWEEPS)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let exact = Exact::new(*self, task.network)?;
        Ok(Box::new(exact.for_run(task.total_steps, task.seed)))
    }
}

/// The way out for batches.
const NEEDS_FULL_BATCH: &str = "its fits and its guarantee need the whole split; leave out the batch size, or use method `foof`, which is made for batches";

/// Restarted separation with exact weight blocks.
///
/// Stages with the affine view are fitted. A stage without it still trains, with the same guarantee: by one gradient step with
/// a line search after the fits of each sweep. Frozen parameters ([`Module::no_grad`](burn::module::Module::no_grad)) keep their
/// values; the other parameters of their stage move as if the stage had no affine view. Freeze before the method is made.
///
/// Between sweeps the method keeps the pre-activations of the accepted step, which are the next sweep's forward pass, and the
/// factors of the first stage's Gram matrix. They belong to their batch: a sweep over other samples starts afresh. Nobody else may
/// move the weights between two sweeps over the same batch.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use ls_core::batch::Batch;
/// use ls_core::method::{Exact, ExactConfig, Method, Separated};
/// use ls_core::model::MlpConfig;
/// use ls_core::shape::FeatureShape;
/// use ls_core::stage::{Activation, Init};
///
/// let device = Device::flex();
/// // Exclusive or.
/// let inputs = Tensor::from_data([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 1, 1, 0], &device);
/// let split = Batch::full(inputs, labels);
/// let mlp = MlpConfig { hidden: vec![8], activation: Activation::Tanh, init: Init::Kaiming };
/// let network = mlp.init(FeatureShape::Flat(2), 2, 1, &device)?;
///
/// let mut method = Exact::new(ExactConfig::default(), &network)?;
/// // Without auxiliary variables: nothing of the separated loss is to be reported.
/// let mut model = Separated::new(network);
/// for _ in 0..10 {
///     let before = method.measure(&mut model, &split)?.original_loss_mean;
///     method.sweep(&mut model, &split)?;
///     assert!(method.measure(&mut model, &split)?.original_loss_mean <= before);
/// }
/// assert_eq!(method.measure(&mut model, &split)?.accuracy, 1.0);
/// # Ok::<(), ls_core::Error>(())
/// ```
pub struct Exact {
    config: ExactConfig,
    /// The start in batches, which may be over; unknown before the first sweep.
    start: Option<BatchStart>,
    /// The place on a path of decays; none before its first sweep, and for runs of one decay.
    path: Option<PenaltyPath>,
    /// Sweeps of the whole run, where they are known.
    run_sweeps: Option<usize>,
    /// Seed of the batches of the start.
    seed: u64,
    sweeps: FullBatchSweeps,
    /// Samples of the last sweep, to which everything that is remembered of samples belongs.
    seen: Option<BatchIdentity>,
}

impl Exact {
    /// Starts the method for a network.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings.
    pub fn new(config: ExactConfig, network: &Network) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            start: None,
            path: None,
            run_sweeps: None,
            seed: 1,
            sweeps: FullBatchSweeps::new(&config.sweeps(), network),
            seen: None,
        })
    }

    /// Tells the method how many sweeps the run has, of which a start in batches takes at most half, and the seed of those batches.
    #[must_use]
    pub fn for_run(self, sweeps: Option<usize>, seed: u64) -> Self {
        Self {
            run_sweeps: sweeps,
            seed,
            ..self
        }
    }

    /// The start in batches, if the next sweep belongs to it. The first call decides.
    fn running_start(
        &mut self,
        network: &Network,
        batch: &Batch,
    ) -> Result<Option<&mut BatchStart>> {
        if self.start.is_none() {
            let sweeps = match self.config.batch_sweeps {
                Some(sweeps) => sweeps,
                None => batch_start::usual_sweeps(network, batch, self.run_sweeps),
            };
            let (decay, roles) = (self.config.first_decay(), self.sweeps.roles());
            let samples = batch.len();
            let start = BatchStart::new(sweeps, network, roles, samples, decay, self.seed)?;
            self.start = Some(start);
        }
        Ok(self.start.as_mut().filter(|start| !start.is_over()))
    }

    /// Dampens the metric of the quasi-Newton steps after a start that moved the weights, unless the user has set its damping.
    fn dampen_metric(&mut self) {
        let has_moved = self.start.as_ref().is_some_and(BatchStart::has_moved);
        if has_moved && self.config.damping.is_none() {
            self.sweeps.dampen_metric(batch_start::METRIC_DAMPING);
        }
    }

    /// One epoch in batches, which is taken back unless the loss fell.
    fn start_sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Option<Figures>> {
        let network = model.network.clone();
        let Some(start) = self.running_start(&network, batch)? else {
            return Ok(None);
        };
        let (moved, length) = start.epoch(&network, batch)?;
        let share = start.largest_share();
        let (loss, is_taken) = self.sweeps.move_to(model, moved, batch, share)?;
        let Some(start) = &mut self.start else {
            return Ok(None);
        };
        start.learn(is_taken);
        self.dampen_metric();
        let taken = usize::from(is_taken);
        let mut figures = counts(taken, 1 - taken).with(FORM, batch_start::FORM_NAME);
        figures.record_some(STEP, is_taken.then_some(length));
        let penalized = self.config.is_penalized().then_some(loss);
        figures.record_some(PENALIZED_LOSS, penalized);
        let decay = self.config.path.then(PenaltyPath::first);
        figures.record_some(WEIGHT_DECAY, decay);
        Ok(Some(figures))
    }

    /// One full-batch sweep, at the next decay of a path.
    fn full_batch_sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !self.config.path {
            return self.sweeps.sweep(model, batch);
        }
        let mut path = self.path.unwrap_or_else(|| self.whole_path(0));
        let decay = path.decay();
        self.sweeps.set_weight_decay(decay);
        let figures = self.sweeps.sweep(model, batch)?;
        path.advance();
        self.path = Some(path);
        Ok(figures.with(WEIGHT_DECAY, decay))
    }

    /// The path over the sweeps that a start in batches leaves.
    fn whole_path(&self, done: usize) -> PenaltyPath {
        let start = self.start.as_ref().map_or(0, BatchStart::done);
        let sweeps = self.run_sweeps.map(|sweeps| sweeps.saturating_sub(start));
        PenaltyPath::over(sweeps, done)
    }
}

impl ExactConfig {
    /// `λ` of the first sweeps.
    fn first_decay(&self) -> f64 {
        match self.path {
            true => PenaltyPath::first(),
            false => self.weight_decay,
        }
    }

    /// Whether the loss that never rises has a penalty.
    fn is_penalized(&self) -> bool {
        self.first_decay() > 0.0
    }

    /// What decides the weights of full-batch sweeps.
    fn sweeps(&self) -> SweepSettings {
        SweepSettings {
            step: self.step,
            damping: self.damping,
            output_curvature: self.output_curvature,
            output_damping: self.output_damping,
            scaling: self.scaling,
            history: self.history,
            storage: self.storage,
            chunk: self.chunk,
            ridge: self.ridge,
            gram_rows: self.gram_rows,
            weight_decay: self.first_decay(),
        }
    }
}

impl Method for Exact {
    fn name(&self) -> &str {
        ExactConfig::NAME
    }

    fn objective(&self) -> Objective {
        match self.config.is_penalized() {
            true => Objective::reported(PENALIZED_LOSS).descending(),
            false => Objective::ORIGINAL.descending(),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![STEP, DAMPING];
        if self.config.output_curvature {
            figures.push(OUTPUT_DAMPING);
        }
        figures.extend([FORM, SCALING, ACCEPTED, REJECTED]);
        if self.config.is_penalized() {
            figures.push(PENALIZED_LOSS);
        }
        if self.config.path {
            figures.push(WEIGHT_DECAY);
        }
        let stages = 1..=self.sweeps.stages();
        figures.extend(stages.map(|l| CONDITION.at(l)));
        figures
    }

    /// Fits all stages once, or moves them over all batches of the start. The batch must be a whole split.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !matches!(batch.selection, Selection::All) {
            return Err(Error::BatchSize {
                method: ExactConfig::NAME,
                size: batch.len().to_string(),
                allowed: NEEDS_FULL_BATCH,
            });
        }
        let identity = Some(batch.identity());
        if self.seen != identity {
            self.sweeps.forget_samples();
            if self.seen.is_some() {
                self.sweeps.forget_history();
            }
            self.seen = identity;
        }
        match self.start_sweep(model, batch)? {
            Some(figures) => Ok(figures),
            None => self.full_batch_sweep(model, batch),
        }
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::default();
        let start = self.start.as_ref();
        let start = start.map(|start| start.save(&mut state)).transpose()?;
        let saved = SavedExact {
            start,
            path: self.path.as_ref().map(PenaltyPath::done),
            sweeps: self.sweeps.save(&mut state),
        };
        state.values = MethodState::new(&saved)?.values;
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let saved: SavedExact = state.read()?;
        let start = saved.start;
        let restored = |start| BatchStart::restored(start, self.sweeps.roles(), &mut state);
        self.start = start.map(restored).transpose()?;
        self.dampen_metric();
        self.path = saved.path.map(|done| self.whole_path(done));
        if let Some(path) = &self.path {
            self.sweeps.set_weight_decay(path.last_decay());
        }
        self.sweeps.restore(saved.sweeps, &mut state)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }

    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        let is_own = self.seen == Some(split.identity());
        let known = is_own.then(|| self.sweeps.first_stage(&model.network));
        let chunk = Some(self.sweeps.chunk());
        separate(
            model,
            self.config.weighting.0,
            split,
            chunk,
            known.flatten(),
        )
    }
}

/// Numbers and choices of the saved state.
#[derive(Serialize, Deserialize)]
struct SavedExact {
    /// Absent before the first sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<SavedStart>,
    /// Sweeps done on a path of decays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<usize>,
    #[serde(flatten)]
    sweeps: SavedSweeps,
}
