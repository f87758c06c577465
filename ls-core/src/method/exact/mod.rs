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
mod config;
mod penalty_path;
mod traffic;

pub use config::ExactConfig;
pub use traffic::{Link, StageTraffic, SweepSeconds, SweepTraffic};

use serde::{Deserialize, Serialize};

use batch_start::{BatchStart, SavedStart};
use config::NEEDS_FULL_BATCH;
use penalty_path::PenaltyPath;

use super::separate::separate;
use super::separation::reported_weights;
use super::sweeps::{FORM, FullBatchSweeps, OUTPUT_DAMPING, SavedSweeps};
use super::{
    ACCEPTED, CONDITION, DAMPING, Method, MethodSettings, MethodState, Objective, PENALIZED_LOSS,
    REJECTED, SCALING, STEP, Separated, counts,
};
use crate::batch::{Batch, BatchIdentity, Selection};
use crate::figure::{Figure, Figures};
use crate::network::Network;
use crate::objective::{Measurement, Weights};
use crate::{Error, Result};

/// Weight decay `λ` of a sweep on a path.
pub const WEIGHT_DECAY: Figure = Figure::new("Weight decay").detail();

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
/// let mlp = MlpConfig::new(vec![8], Activation::Tanh);
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
        let Some(start) = self.running_start(&model.network, batch)? else {
            return Ok(None);
        };
        let (moved, length) = start.epoch(&model.network, batch)?;
        let (share, has_moved) = (start.largest_share(), start.has_moved());
        let (loss, is_taken) = self.sweeps.move_to(model, moved, batch, share, has_moved)?;
        let Some(start) = &mut self.start else {
            return Ok(None);
        };
        start.learn(is_taken)?;
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
        let mut path = self.path.unwrap_or_else(|| self.whole_path());
        let decay = path.decay();
        self.sweeps.set_weight_decay(decay);
        let figures = self.sweeps.sweep(model, batch)?;
        path.advance();
        self.path = Some(path);
        Ok(figures.with(WEIGHT_DECAY, decay))
    }

    /// The path over the sweeps that a start in batches leaves.
    fn whole_path(&self) -> PenaltyPath {
        let start = self.start.as_ref().map_or(0, BatchStart::done);
        let sweeps = self.run_sweeps.map(|sweeps| sweeps.saturating_sub(start));
        PenaltyPath::over(sweeps)
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

    fn is_complete(&self) -> bool {
        let end = self.path.zip(self.config.path_end);
        end.is_some_and(|(path, end)| path.has_passed(end))
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::default();
        let start = self.start.as_ref();
        let start = start.map(|start| start.save(&mut state)).transpose()?;
        let saved = SavedExact {
            start,
            path: self.path,
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
        self.path = saved.path;
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
    /// The place on a path of decays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<PenaltyPath>,
    #[serde(flatten)]
    sweeps: SavedSweeps,
}
