//! Methods: the order in which the blocks of a separated network move.
//!
//! A [`Method`] moves a [`Separated`] network over one batch at a time. Its configuration never changes; its memory (step sizes,
//! optimizer states, factors) is its own. It states the loss that it lowers ([`Method::objective`]) and the figures that it reports
//! ([`Method::figures`]), so that loops, dashboards and files serve a new method without knowing it.
//!
//! A new method is one file here, with a configuration that implements [`MethodSettings`], its `mod` line below, and its line in
//! [`MethodConfig`].

mod alternating;
mod backprop;
mod backward;
mod exact;
mod foof;
mod objective;
mod optimizer;
mod registry;
mod scaling;
mod schedule;
mod separation;
mod settings;
mod stage_role;
mod state;

use burn::module::Module;

pub use alternating::{Alternating, AlternatingConfig};
pub use backprop::{Backprop, BackpropConfig, gradients};
pub use exact::{Candidate, Exact, ExactConfig, FORM, Form, Storage};
pub use foof::{Foof, FoofConfig};
pub use objective::{Objective, ObjectiveLoss};
pub use optimizer::{OptimizerConfig, OptimizerName};
pub use registry::{MethodConfig, MethodInfo};
pub use scaling::Scaling;
pub use schedule::Schedule;
pub use settings::{MethodSettings, Task};
pub use state::MethodState;

use crate::auxiliary::AuxiliaryStore;
use crate::batch::Batch;
use crate::error::ensure;
use crate::figure::{Better, Figure, FigureScale, Figures};
use crate::linalg::Affine;
use crate::network::Network;
use crate::objective::{Measurement, Weighting, Weights, measure};
use crate::{Error, Result};

/// A network with the auxiliary variables of its training samples.
#[derive(Module, Debug)]
pub struct Separated {
    /// The weights.
    pub network: Network,
    /// The auxiliary variables; empty for methods without any.
    pub auxiliary: AuxiliaryStore,
}

/// Samples of a chunk of the forward pass that makes a feasible point; bounds its memory.
const CHUNK: usize = 8192;

impl Separated {
    /// Makes a network without auxiliary variables, for methods that need none and for runs that report no separated loss.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            auxiliary: AuxiliaryStore::empty(),
        }
    }

    /// Makes a network with the feasible point `a_l = h_l` of a training split.
    pub fn feasible(network: Network, split: &Batch) -> Self {
        let auxiliary = AuxiliaryStore::feasible(&network, split, CHUNK);
        Self { network, auxiliary }
    }

    /// Makes the model that a method starts from: feasible if the method keeps auxiliary variables.
    pub fn for_method(method: &dyn Method, network: Network, split: &Batch) -> Self {
        if method.has_auxiliary_variables() {
            Self::feasible(network, split)
        } else {
            Self::new(network)
        }
    }
}

/// Number of steps that a sweep took.
pub const ACCEPTED: Figure = Figure::new("Accepted")
    .unit("steps")
    .scale(FigureScale::Linear)
    .chart("Trials")
    .detail()
    .sum();

/// Number of steps that a sweep tried and did not take.
pub const REJECTED: Figure = Figure::new("Rejected")
    .unit("steps")
    .scale(FigureScale::Linear)
    .chart("Trials")
    .detail()
    .sum();

/// Length `τ` of the step that a sweep took.
pub const STEP: Figure = Figure::new("Step").chart("Steps").detail();

/// Damping `μ` of the step that a sweep took.
pub const DAMPING: Figure = Figure::new("Damping").chart("Steps").detail();

/// Scaling of the displacements in the step that a sweep took.
pub const SCALING: Figure = Figure::new("Scaling").detail();

/// Estimate of the condition of the Gram matrix of a stage with its ridge.
pub const CONDITION: Figure = Figure::new("Condition").detail();

/// `F + λ/2 Σ ‖W_l‖²` over the kernels of the fitted stages: the loss that never rises with weight decay.
pub const PENALIZED_LOSS: Figure = Figure::new("Penalized loss")
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses")
    .detail();

/// Counts of steps taken and steps rejected.
pub(crate) fn counts(accepted: usize, rejected: usize) -> Figures {
    Figures::default()
        .with(ACCEPTED, accepted as f64)
        .with(REJECTED, rejected as f64)
}

/// Records the condition of every stage whose Gram matrix was factored; the others hold NaN.
fn record_conditions(figures: &mut Figures, conditions: &[f64]) {
    for (l, &condition) in conditions.iter().enumerate() {
        let condition = Some(condition).filter(|condition| !condition.is_nan());
        figures.record_some(CONDITION.at(l + 1), condition);
    }
}

/// A way to train: moves the blocks of a separated network over one batch.
///
/// The smallest method states its name and its objective, moves the network in [`sweep`](Self::sweep), and saves what it remembers.
/// The chapter "A method of your own" of the guide builds one step by step.
pub trait Method: Send {
    /// Returns the name in files and reports, in lower case with hyphens.
    fn name(&self) -> &str;

    /// Returns the loss that the method lowers, and whether a full-batch sweep promises to.
    fn objective(&self) -> Objective;

    /// Returns the figures that [`sweep`](Self::sweep) reports, in the order in which they are to be shown.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    /// Moves the network, and the auxiliary variables of the batch's samples. Returns values of the method's
    /// [`figures`](Self::figures).
    ///
    /// # Errors
    /// Errors of the updates: unsupported stages, a failed device.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures>;

    /// Ends a sweep: called when all of its batches have been seen, before anything is measured.
    ///
    /// # Errors
    /// As [`sweep`](Self::sweep).
    fn end_sweep(&mut self, _model: &mut Separated) -> Result<()> {
        Ok(())
    }

    /// Returns the memory of the method between sweeps.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot be read.
    fn save(&self) -> Result<MethodState>;

    /// Takes over a memory that [`save`](Self::save) wrote, for a method with the same settings, network and split. The next sweep
    /// is then the one that would have followed.
    ///
    /// # Errors
    /// [`Error::MethodState`] when it belongs to another method.
    fn restore(&mut self, state: MethodState) -> Result<()>;

    /// Tells whether the method keeps auxiliary variables, and so has a separated loss, a certificate and residuals.
    fn has_auxiliary_variables(&self) -> bool {
        false
    }

    /// Returns growth factors and weights of the residuals at the current weights; `None` for methods without auxiliary
    /// variables.
    ///
    /// # Errors
    /// [`Error::NoSelfAdaptiveWeights`] when a stage lacks a Lipschitz constant that the weighting needs.
    fn weights(&self, _network: &Network) -> Result<Option<Weights>> {
        Ok(None)
    }

    /// Measures the training split in the method's own terms; without separated figures for a model without auxiliary variables.
    ///
    /// # Errors
    /// As [`measure`].
    fn measure(&self, model: &Separated, split: &Batch) -> Result<Measurement> {
        let weights = self.weights(&model.network)?;
        let complete = model.auxiliary.stages() == model.network.hidden();
        let weights = weights.as_ref().filter(|_| complete);
        let auxiliary = weights.map(|weights| (&model.auxiliary, weights));
        measure(&model.network, auxiliary, split)
    }
}

/// Writes new coefficients of stage `l`, counted from 0.
fn set_coefficients(network: &mut Network, l: usize, coefficients: Affine) -> Result<()> {
    let stage = network.stage_mut(l).affine_mut();
    stage
        .ok_or(Error::Unsupported {
            update: "a least-squares fit",
            stage: l + 1,
            needs: "affine view to write to, though one to read",
        })?
        .set_coefficients(coefficients);
    Ok(())
}

/// Weights of the residuals in the reports of networks that have no self-adaptive ones.
const UNBOUNDED: Weighting = Weighting::Fixed { omega: 1.0 };

/// Weights for reports that do not move anything: fixed ones where a stage states no Lipschitz constant.
fn reported_weights(weighting: Weighting, network: &Network) -> Result<Weights> {
    let lipschitz = network.lipschitz(weighting.norm())?;
    match weighting.weights(&lipschitz) {
        Err(Error::NoSelfAdaptiveWeights(_)) => UNBOUNDED.weights(&lipschitz),
        weights => weights,
    }
}

/// Checks the factor of a penalty on the weights.
fn check_weight_decay(decay: f64) -> Result<()> {
    let inside = (0.0..=1e3).contains(&decay);
    ensure(inside, "weight-decay", decay, "from 0 to 1000")
}
