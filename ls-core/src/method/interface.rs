//! The trait of all methods.

use super::{MethodState, Objective, Separated};
use crate::Result;
use crate::batch::Batch;
use crate::figure::{Figure, Figures};
use crate::network::Network;
use crate::objective::{Measurement, Weights, measure};

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

    /// Tells whether the method has done all that it set out to do, such as a path of penalties down to its end: the run then ends.
    fn is_complete(&self) -> bool {
        false
    }

    /// Returns the memory of the method between sweeps.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when it cannot be read.
    fn save(&self) -> Result<MethodState>;

    /// Takes over a memory that [`save`](Self::save) wrote, for a method with the same settings, network and split. The next sweep
    /// is then the one that would have followed.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when it belongs to another method.
    fn restore(&mut self, state: MethodState) -> Result<()>;

    /// Tells whether the method keeps auxiliary variables, and so has a separated loss, a certificate and residuals.
    fn has_auxiliary_variables(&self) -> bool {
        false
    }

    /// Returns growth factors and weights of the residuals at the current weights; `None` for methods without auxiliary
    /// variables.
    ///
    /// # Errors
    /// [`crate::Error::NoSelfAdaptiveWeights`] when a stage lacks a Lipschitz constant that the weighting needs.
    fn weights(&self, _network: &Network) -> Result<Option<Weights>> {
        Ok(None)
    }

    /// Measures the training split in the method's own terms; without separated figures for a model without auxiliary variables.
    ///
    /// A method whose auxiliary variables follow from the weights sets them here, so that they belong to the weights that are
    /// measured.
    ///
    /// # Errors
    /// As [`measure`].
    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        let weights = self.weights(&model.network)?;
        let complete = model.auxiliary.stages() == model.network.hidden();
        let weights = weights.as_ref().filter(|_| complete);
        let auxiliary = weights.map(|weights| (&model.auxiliary, weights));
        measure(&model.network, auxiliary, split)
    }
}
