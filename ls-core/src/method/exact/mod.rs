//! Method `exact`: restarted separation at the pre-activations with exact weight blocks.
//!
//! One sweep takes a forward pass, sets targets `u*_l = u_l - τ c_l ∂ce/∂u_l` for all pre-activations by one backward pass,
//! and fits every stage to its targets by ridge least squares, front to back, on the inputs that the fitted stages before it
//! actually give:
//!
//! `V_l ← V_l + (ÂᵀÂ/m + μ (tr Σ)/d D)⁻¹ Âᵀ(u*_l - Â V_l)/m`, `Â = [h_{l-1}, 1]`,
//!
//! with `Σ` the covariance of the inputs, and `D` the identity without its last entry: the bias is free ([`Ridge`]).
//!
//! The result is kept if the original loss `F` fell, with weight decay `F + λ/2 Σ ‖W_l‖²`. So that never rises, and there is no
//! learning rate; [`control`] finds `τ` and `μ`. On batches of a split the method takes the steps of [`mini_batch`] instead, which
//! promise nothing.
//!
//! A stage without the affine view has no pre-activations to fit. It stands still in the fits and has no displacement.
//! Afterwards, also where no fit was accepted, all such stages move together by one [`GradientStep`](crate::update::GradientStep) on
//! the same loss, which is taken only if the loss falls. So does a stage with the view of which a part is frozen, and one without
//! anything to train stands still. The penalty of weight decay is on the kernels of stages that are fitted alone.

mod backward;
mod control;
mod full_batch;
mod memory;
mod mini_batch;
mod opaque;
mod pass;
mod scaling;
mod snapshot;
mod sweeps;

pub use control::{Candidate, Form};
pub use full_batch::Storage;
pub use mini_batch::MiniBatchConfig;
pub use scaling::Scaling;

use serde::{Deserialize, Serialize};

use control::{Controller, Fixed};
use mini_batch::{MiniBatch, MiniBatchValues};
use sweeps::FullBatchSweeps;

use super::state::mismatch;
use super::{Guarantee, Method, MethodState, Separated, SweepReport};
use crate::batch::{Batch, Selection};
use crate::error::ensure;
use crate::linalg::{Affine, Norm, Ridge};
use crate::network::Network;
use crate::objective::{Weighting, Weights};
use crate::{Error, Result};

/// Weights of the residuals in the reports of networks that have no self-adaptive ones.
const UNBOUNDED: Weighting = Weighting::Fixed { omega: 1.0 };

/// Settings of [`Exact`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactConfig {
    /// `τ`, in place of the controller's choice.
    pub step: Option<f64>,
    /// `μ`, in place of the controller's choice.
    pub damping: Option<f64>,
    /// The scaling, in place of the controller's choice.
    pub scaling: Option<Scaling>,
    /// What is kept of the samples.
    pub storage: Storage,
    /// Samples of a chunk; by default so many that its largest array has a million entries, on an accelerator sixteen.
    pub chunk: Option<usize>,
    /// What `μ` is relative to.
    pub ridge: Ridge,
    /// Patches that enter a convolution's Gram matrix; a seeded subset when there are more.
    pub gram_rows: usize,
    /// `λ` of the penalty `λ/2 Σ ‖W_l‖²`, which is added to the loss that sweeps lower; 0 for none. It is on the kernels of
    /// stages that are fitted, not on the parameters of others.
    pub weight_decay: f64,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights. Where self-adaptive ones do
    /// not exist because a stage states no Lipschitz constant, reports are of fixed weights `ω = 1`.
    pub weighting: Weighting,
    /// Settings of the mini-batch form.
    pub mini_batch: MiniBatchConfig,
}

impl Default for ExactConfig {
    fn default() -> Self {
        Self {
            step: None,
            damping: None,
            scaling: None,
            storage: Storage::Stored,
            chunk: None,
            ridge: Ridge::default(),
            gram_rows: 1 << 14,
            weight_decay: 0.0,
            weighting: Weighting::SelfAdaptive {
                norm: Norm::Spectral,
                eta: 1.0,
            },
            mini_batch: MiniBatchConfig::default(),
        }
    }
}

impl ExactConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], naming the value and what is allowed.
    pub fn check(&self) -> Result<()> {
        self.weighting.check()?;
        if let Some(step) = self.step {
            ensure(
                step > 0.0 && step <= 1e8,
                "step",
                step,
                "greater than 0 and at most 1e8",
            )?;
        }
        if let Some(damping) = self.damping {
            let inside = (1e-9..=1e6).contains(&damping);
            ensure(inside, "damping", damping, "from 1e-9 to 1e6")?;
        }
        if let Some(chunk) = self.chunk {
            ensure(chunk >= 1, "chunk", chunk as f64, "1 or more")?;
        }
        let decay = self.weight_decay;
        let inside = (0.0..=1e3).contains(&decay);
        ensure(inside, "weight-decay", decay, "from 0 to 1000")?;
        self.mini_batch.check()?;
        let rows = self.gram_rows;
        ensure(rows >= 1, "gram-rows", rows as f64, "1 or more")
    }
}

/// Restarted separation with exact weight blocks.
///
/// Stages with the affine view are fitted. A stage without it still trains, with the same guarantee: by one gradient step with
/// a line search after the fits of each full-batch sweep, by Adam on batches. What is frozen
/// ([`Module::no_grad`](burn::module::Module::no_grad)) stands still; of a stage that is frozen in part, the rest moves as if the stage
/// had no affine view. Freeze before the method is made.
///
/// Between full-batch sweeps the method keeps the pre-activations of the accepted step, which are the next sweep's forward
/// pass: nobody else may move the weights meanwhile.
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
///     let before = method.measure(&model, &split)?.original_loss_mean;
///     method.sweep(&mut model, &split)?;
///     assert!(method.measure(&model, &split)?.original_loss_mean <= before);
/// }
/// assert_eq!(method.measure(&model, &split)?.accuracy, 1.0);
/// # Ok::<(), ls_core::Error>(())
/// ```
pub struct Exact {
    config: ExactConfig,
    full_batch: FullBatchSweeps,
    /// Made from the first batch.
    mini_batch: Option<MiniBatch>,
}

impl Exact {
    /// Starts the method for a network.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] for impossible settings.
    pub fn new(config: ExactConfig, network: &Network) -> Result<Self> {
        config.check()?;
        let fixed = Fixed {
            step: config.step,
            damping: config.damping,
            scaling: config.scaling,
        };
        Ok(Self {
            config,
            full_batch: FullBatchSweeps::new(fixed, &config, network),
            mini_batch: None,
        })
    }

    /// The mini-batch form, after one full-batch sweep on its first batch.
    ///
    /// All stages move at once there, which deep networks do not survive if the signal of the inputs, or of the gradients,
    /// vanishes on its way through them. The fits from front to back bring both to the same size everywhere.
    fn start_mini_batches(&self, network: &mut Network, batch: &Batch) -> Result<MiniBatch> {
        let mut model = Separated::new(network.clone());
        let batch = Batch::full(batch.inputs.clone(), batch.labels.clone());
        FullBatchSweeps::new(Fixed::default(), &self.config, network).sweep(&mut model, &batch)?;
        *network = model.network;
        let config = &self.config;
        Ok(MiniBatch::new(
            config.mini_batch,
            config.weight_decay,
            self.full_batch.roles.clone(),
        ))
    }
}

impl Method for Exact {
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<SweepReport> {
        if matches!(batch.selection, Selection::All) {
            return self.full_batch.sweep(model, batch);
        }
        let mut mini_batch = match self.mini_batch.take() {
            Some(mini_batch) => mini_batch,
            None => self.start_mini_batches(&mut model.network, batch)?,
        };
        let step = mini_batch.step(&mut model.network, batch)?;
        self.mini_batch = Some(mini_batch);
        if model.auxiliary.stages() > 0 {
            model.auxiliary.scatter(&batch.selection, step.targets);
        }
        Ok(SweepReport {
            candidate: Some(Candidate {
                form: Form::Descent,
                scaling: self.config.mini_batch.scaling,
                step: step.length,
                damping: self.config.mini_batch.damping,
            }),
            conditions: step.conditions,
            ..SweepReport::counts(step.accepted.into(), (!step.accepted).into())
        })
    }

    fn save(&self) -> Result<MethodState> {
        let opaque = self.full_batch.opaque.as_ref();
        let mut state = MethodState::new(&Values {
            controller: self.full_batch.controller.clone(),
            gradient_length: opaque.map(|opaque| opaque.length),
            mini_batch: self.mini_batch.as_ref().map(MiniBatch::values),
        })?;
        if let Some(opaque) = opaque {
            state.optimizers.push_back(opaque.step.to_record());
        }
        if let Some(mini_batch) = &self.mini_batch {
            mini_batch.push_arrays(&mut state);
        }
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let values: Values = state.read()?;
        self.full_batch.controller = values.controller;
        // The pre-activations are those of a forward pass from the same weights.
        self.full_batch.point = None;
        if let Some(opaque) = &mut self.full_batch.opaque {
            let length = values.gradient_length;
            opaque.length = length.ok_or_else(|| mismatch(&"it knows all stages as affine"))?;
            opaque.step = opaque.step.clone().load_record(state.take_optimizer()?);
        }
        self.mini_batch = None;
        if let Some(saved) = values.mini_batch {
            let config = &self.config;
            let (settings, decay) = (config.mini_batch, config.weight_decay);
            let roles = self.full_batch.roles.clone();
            let restored = MiniBatch::restored(settings, decay, roles, saved, &mut state)?;
            self.mini_batch = Some(restored);
        }
        Ok(())
    }

    fn guarantee(&self) -> Guarantee {
        if self.config.weight_decay > 0.0 {
            Guarantee::PenalizedLossNeverRises
        } else {
            Guarantee::OriginalLossNeverRises
        }
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        let weighting = self.config.weighting;
        let lipschitz = network.lipschitz(weighting.norm())?;
        match weighting.weights(&lipschitz) {
            Err(Error::NoSelfAdaptiveWeights(_)) => UNBOUNDED.weights(&lipschitz).map(Some),
            weights => weights.map(Some),
        }
    }
}

/// Numbers and choices of the saved state.
#[derive(Serialize, Deserialize)]
struct Values {
    controller: Controller,
    /// Of stages that move along gradients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gradient_length: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mini_batch: Option<MiniBatchValues>,
}

/// Writes new coefficients of stage `l`, counted from 0.
fn set_coefficients(network: &mut Network, l: usize, coefficients: Affine) -> Result<()> {
    let stage = network.stage_mut(l).affine_mut();
    stage
        .ok_or(Error::Unsupported {
            update: "method exact",
            stage: l + 1,
            needs: "affine view to write to, though one to read",
        })?
        .set_coefficients(coefficients);
    Ok(())
}
