//! The order of the blocks in a sweep.
//!
//! A [`Method`] moves a [`Separated`] network over one batch at a time; its configuration never changes, its memory (step
//! sizes, optimizer states, factors) is its own. A new method is one file here and one line in the registry of the crate
//! that reads configurations.

mod alternating;
mod backprop;
mod exact;
mod role;
mod separation;
mod state;

use burn::module::Module;

pub use alternating::{Alternating, AlternatingConfig, BlockRule};
pub use backprop::{Backprop, LearningRate, gradients};
pub use exact::{Candidate, Exact, ExactConfig, Form, MiniBatchConfig, Scaling, Storage};
pub use state::MethodState;

use crate::Result;
use crate::auxiliary::AuxiliaryStore;
use crate::batch::Batch;
use crate::network::Network;
use crate::objective::{Measurement, Weights, measure};

/// A network with the auxiliary variables of its training samples.
#[derive(Module, Debug)]
pub struct Separated {
    /// The weights.
    pub network: Network,
    /// The auxiliary variables; empty for methods without any.
    pub auxiliary: AuxiliaryStore,
}

/// Samples of a chunk of the forward pass that a feasible point takes; bounds its memory.
const CHUNK: usize = 8192;

impl Separated {
    /// A network without auxiliary variables, for the methods that need none: [`Backprop`], and [`Exact`] where no separated loss
    /// is to be reported.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            auxiliary: AuxiliaryStore::empty(),
        }
    }

    /// A network with the feasible point `a_l = h_l` of a training split.
    pub fn feasible(network: Network, split: &Batch) -> Self {
        let auxiliary = AuxiliaryStore::feasible(&network, split, CHUNK);
        Self { network, auxiliary }
    }
}

/// What a method promises about a full-batch sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// The separated loss never rises, up to rounding.
    SeparatedLossNeverRises,
    /// The original loss never rises.
    OriginalLossNeverRises,
    /// The original loss with its weight decay never rises.
    PenalizedLossNeverRises,
    /// Nothing.
    None,
}

/// What happened in the sweep over one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepReport {
    /// Steps that were taken. In a full-batch sweep of [`Exact`] these are the fits, and one step of the stages without the affine
    /// view.
    pub accepted: usize,
    /// Steps that were tried and not taken.
    pub rejected: usize,
    /// The accepted step of a method that chooses among several.
    pub candidate: Option<Candidate>,
    /// `F + λ/2 Σ ‖W_l‖²`, over the kernels of the stages that are fitted, after a full-batch sweep with weight decay: the loss
    /// that never rises; `None` without.
    pub penalized_loss: Option<f64>,
    /// Estimates of the condition of each stage's Gram matrix with its ridge, NaN for a stage without one; empty when none were
    /// factored.
    pub conditions: Vec<f64>,
}

impl SweepReport {
    /// Counts of blocks and nothing else.
    pub fn counts(accepted: usize, rejected: usize) -> Self {
        Self {
            accepted,
            rejected,
            ..Self::default()
        }
    }

    /// The condition of stage `l`, counted from 0, if its Gram matrix was factored.
    pub fn condition(&self, l: usize) -> Option<f64> {
        let condition = self.conditions.get(l).copied();
        condition.filter(|condition| !condition.is_nan())
    }

    /// Takes in the report of the next batch: counts add up, the rest is the later one's.
    pub fn followed_by(self, next: Self) -> Self {
        Self {
            accepted: self.accepted + next.accepted,
            rejected: self.rejected + next.rejected,
            candidate: next.candidate.or(self.candidate),
            penalized_loss: next.penalized_loss.or(self.penalized_loss),
            conditions: if next.conditions.is_empty() {
                self.conditions
            } else {
                next.conditions
            },
        }
    }
}

/// A way to train: moves the blocks of a separated network over one batch.
pub trait Method: Send {
    /// Moves the network, and the auxiliary variables of the batch's samples.
    ///
    /// # Errors
    /// What the updates return: unsupported stages, a failed device.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<SweepReport>;

    /// Called when all batches of a sweep have been seen, before anything is measured.
    ///
    /// # Errors
    /// As [`sweep`](Self::sweep).
    fn end_sweep(&mut self, _model: &mut Separated) -> Result<()> {
        Ok(())
    }

    /// What the method remembers between sweeps.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when it cannot be read.
    fn save(&self) -> Result<MethodState>;

    /// Takes over what [`save`](Self::save) wrote, for a method with the same settings, network and split; the next sweep is then
    /// the one that would have followed.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when it is another method's.
    fn restore(&mut self, state: MethodState) -> Result<()>;

    /// What a full-batch sweep promises.
    fn guarantee(&self) -> Guarantee {
        Guarantee::None
    }

    /// Growth factors and weights of the residuals at the current weights; `None` for methods without auxiliary
    /// variables.
    ///
    /// # Errors
    /// [`crate::Error::NoSelfAdaptiveWeights`] when a stage lacks a Lipschitz constant that the weighting needs.
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
