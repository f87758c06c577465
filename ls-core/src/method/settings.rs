//! Configurations of methods.

use core::fmt::Debug;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Method;
use crate::Result;
use crate::batch::Batch;
use crate::batch::BatchSize;
use crate::error::ensure;
use crate::network::Network;

/// The work that a method starts for.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The network with its initial weights.
    pub network: &'a Network,
    /// The whole training split.
    pub split: &'a Batch,
    /// Number of batches of the whole run, over which steps and learning rates fall; `None` when it is not known, and nothing
    /// falls.
    pub total_steps: Option<usize>,
    /// Seed of what the method draws.
    pub seed: u64,
}

/// The configuration of one method: the only form in which its settings exist.
///
/// Keys of the serialized form are flat and in kebab case. They are the keys of `[method]` in a configuration file and the names of
/// the options on the command line; the documentation of a field is the help of its option.
pub trait MethodSettings:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + JsonSchema
{
    /// Name on the command line, in files and in reports.
    const NAME: &'static str;

    /// The method in one line of help.
    const ABOUT: &'static str;

    /// Checks every value.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`], naming the value and the allowed ones.
    fn check(&self) -> Result<()>;

    /// Checks that the method can train on batches of a size.
    ///
    /// # Errors
    /// [`crate::Error::BatchSize`], naming the way out.
    fn check_batch_size(&self, _size: BatchSize) -> Result<()> {
        Ok(())
    }

    /// Returns the size of batches for a run that names none.
    fn usual_batch_size(&self) -> BatchSize {
        BatchSize::Full
    }

    /// Returns the least number of sweeps of a run.
    fn least_sweeps(&self) -> usize {
        1
    }

    /// Checks that a run of so many sweeps is long enough for the method.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`], naming the least number.
    fn check_sweeps(&self, _sweeps: usize) -> Result<()> {
        Ok(())
    }

    /// Returns the number of sweeps of a run that names none, where it is not that of other runs.
    fn usual_sweeps(&self) -> Option<usize> {
        None
    }

    /// Returns whether steps or rates fall over the length of the run, so that a run of unknown length is another one.
    fn depends_on_length(&self) -> bool {
        false
    }

    /// Returns whether the method keeps auxiliary variables, which take memory: a number for each sample and hidden feature.
    fn has_auxiliary_variables(&self) -> bool {
        false
    }

    /// Starts the method.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] for impossible settings, and errors of a method that does not suit the network.
    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>>;
}

/// Checks the factor of a penalty on the weights.
pub(super) fn check_weight_decay(decay: f64) -> Result<()> {
    let inside = (0.0..=1e3).contains(&decay);
    ensure(inside, "weight-decay", decay, "from 0 to 1000")
}
