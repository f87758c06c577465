//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `checkpoints/<sweep>`, written beside its place and renamed once it is complete, so that a process
//! killed at any moment leaves the previous one as it was.
//!
//! | file | holds |
//! | --- | --- |
//! | `checkpoint.toml` | sweep, seconds, counters, end, configuration, fingerprint of the data, numbers of the method |
//! | `model.bpk` | weights and auxiliary variables |
//! | `best.bpk` | the weights that did best on the validation split, if there is one |
//! | `arrays.bpk` | arrays of the method |
//! | `optimizer-<i>.bpk` | states of Burn's optimizers |
//! | `history.csv` | the history so far |
//! | `checksums.toml` | CRC-32 of all other files |

mod contents;
mod folder;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::optim::OptimizerRecord;
use burn::tensor::{Bytes, Device, Tensor};
use ls_core::fit::{FitState, Stop};
use ls_core::method::{MethodState, Separated};
use ls_core::network::Network;
use serde::{Deserialize, Serialize};

pub use self::contents::CheckpointContents;
pub use self::folder::Checkpoints;
use super::burnpack;
use crate::config::{RunConfig, difference};
use crate::data::Fingerprint;
use crate::{Error, Result, files};

const HEADER: &str = "checkpoint.toml";
const MODEL: &str = "model.bpk";
const BEST: &str = "best.bpk";
const ARRAYS: &str = "arrays.bpk";
const HISTORY: &str = "history.csv";
const CHECKSUMS: &str = "checksums.toml";

/// Bytes of an f32.
const FLOAT: usize = 4;

/// `checksums.toml`: CRC-32 of files by their names.
type Checksums = BTreeMap<String, u32>;

/// `checkpoint.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    schema: u32,
    /// The reason why the run ended, where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Stop>,
    state: FitState,
    fingerprint: Fingerprint,
    /// Shapes of the method's arrays.
    shapes: Vec<Vec<usize>>,
    optimizers: usize,
    config: RunConfig,
    method: toml::Table,
}

/// A checkpoint that was found to be complete.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    header: Header,
}

/// The arrays of a method, as a module that Burn can write.
#[derive(Module, Debug)]
struct Arrays {
    values: Vec<Param<Tensor<1>>>,
}

impl Checkpoint {
    /// Returns the counters of the run.
    pub fn state(&self) -> &FitState {
        &self.header.state
    }

    /// Returns the reason why the run ended, if the checkpoint is that of its end.
    pub fn stop(&self) -> Option<Stop> {
        self.header.stop
    }

    /// Returns the configuration of the run.
    pub fn config(&self) -> &RunConfig {
        &self.header.config
    }

    /// Reads the history up to the checkpoint.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it cannot be read.
    pub fn history(&self) -> Result<String> {
        let bytes = self.bytes(HISTORY)?;
        String::from_utf8(bytes).map_err(|error| self.refused(error.to_string()))
    }

    /// Checks that the run that goes on is the one that stopped: the same configuration, but for the ends that a user may move,
    /// and the same data.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], naming what differs.
    pub fn ensure_same(&self, config: &RunConfig, fingerprint: &Fingerprint) -> Result<()> {
        if let Some(difference) = difference(&self.header.config, config) {
            return Err(self.refused(difference));
        }
        match self.header.fingerprint.difference(fingerprint) {
            Some(difference) => Err(self.refused(difference)),
            None => Ok(()),
        }
    }

    /// Loads weights and auxiliary variables into a module of their shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when they do not fit.
    pub fn load_model(&self, model: Separated) -> Result<Separated> {
        let loaded = burnpack::load(model, self.bytes(MODEL)?);
        loaded.map_err(|reason| self.refused(reason))
    }

    /// Loads the weights alone into a network of their shape: those that did best on the validation split, if there is one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when they do not fit.
    pub fn load_network(&self, network: Network) -> Result<Network> {
        if let Some(best) = self.load_best(&network)? {
            return Ok(best);
        }
        let loaded = burnpack::load_part(Separated::new(network), self.bytes(MODEL)?);
        let model = loaded.map_err(|reason| self.refused(reason))?;
        Ok(model.network)
    }

    /// Loads the weights that did best on the validation split, if there is one, into a network of their shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when they do not fit.
    pub fn load_best(&self, network: &Network) -> Result<Option<Network>> {
        if self.state().best.is_none() {
            return Ok(None);
        }
        let loaded = burnpack::load(network.clone(), self.bytes(BEST)?);
        loaded.map(Some).map_err(|reason| self.refused(reason))
    }

    /// Loads what the method remembers.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when a file does not hold it.
    pub fn load_method(&self, device: &Device) -> Result<MethodState> {
        let shapes = &self.header.shapes;
        let bytes = match shapes.is_empty() {
            true => Vec::new(),
            false => self.bytes(ARRAYS)?,
        };
        let sizes = self.array_sizes(bytes.len())?;
        let zeros = |size: usize| Param::from_tensor(Tensor::<1>::zeros([size], device));
        let mut arrays = Arrays {
            values: sizes.into_iter().map(zeros).collect(),
        };
        if !shapes.is_empty() {
            arrays = burnpack::load(arrays, bytes).map_err(|reason| self.refused(reason))?;
        }
        let values = arrays.values.into_iter().map(|value| value.val().inner());
        let optimizer = |i: usize| {
            let bytes = Bytes::from_bytes_vec(self.bytes(&optimizer_file(i))?);
            OptimizerRecord::from_bytes(bytes).map_err(|error| self.refused(error.to_string()))
        };
        Ok(MethodState {
            values: self.header.method.clone(),
            arrays: shapes.iter().cloned().zip(values).collect(),
            optimizers: (0..self.header.optimizers)
                .map(optimizer)
                .collect::<Result<_>>()?,
        })
    }

    /// Numbers of entries of the method's arrays, which a file of so many bytes has to have before they are allocated.
    fn array_sizes(&self, bytes: usize) -> Result<Vec<usize>> {
        let size = |shape: &Vec<usize>| {
            let sides = shape.iter();
            sides.fold(1, |size: usize, &side| size.saturating_mul(side))
        };
        let sizes: Vec<usize> = self.header.shapes.iter().map(size).collect();
        let total = sizes.iter().fold(0, |a: usize, &b| a.saturating_add(b));
        match total > bytes / FLOAT {
            true => Err(self.refused(format!("{HEADER} claims more than {ARRAYS} holds"))),
            false => Ok(sizes),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let read = files::read(&self.folder.join(name))?;
        read.ok_or_else(|| self.refused(format!("{name} is gone")))
    }

    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Checkpoint {
            path: self.folder.clone(),
            reason: reason.into(),
        }
    }
}

fn optimizer_file(i: usize) -> String {
    format!("optimizer-{i}.bpk")
}
