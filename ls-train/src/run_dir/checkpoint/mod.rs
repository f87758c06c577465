//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint is a folder `checkpoints/<sweep>`, written beside its place and renamed once it is complete, so that a process
//! killed at any moment leaves the previous one as it was.
//!
//! | file | holds |
//! | --- | --- |
//! | `checkpoint.toml` | sweep, seconds, counters, configuration, fingerprint of the data, numbers of the method, checksums |
//! | `model.bpk` | weights and auxiliary variables |
//! | `best.bpk` | the weights that did best on the validation split, if there is one |
//! | `arrays.bpk` | arrays of the method |
//! | `optimizer-<i>.bpk` | states of Burn's optimizers |

mod contents;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::optim::OptimizerRecord;
use burn::tensor::{Device, Tensor};
use ls_core::fit::FitState;
use ls_core::method::{MethodState, Separated};
use ls_core::network::Network;
use serde::{Deserialize, Serialize};

pub use self::contents::CheckpointContents;
use super::burnpack;
use crate::config::{RunConfig, SCHEMA, difference};
use crate::data::Fingerprint;
use crate::{Error, Result};

const HEADER: &str = "checkpoint.toml";
const MODEL: &str = "model.bpk";
const BEST: &str = "best.bpk";
/// Bytes of an f32.
const FLOAT: u64 = 4;

const ARRAYS: &str = "arrays.bpk";

/// `checkpoint.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    schema: u32,
    state: FitState,
    fingerprint: Fingerprint,
    /// Shapes of the method's arrays.
    shapes: Vec<Vec<usize>>,
    optimizers: usize,
    /// Of the other files.
    checksums: BTreeMap<String, u32>,
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
        burnpack::load(model, &self.folder.join(MODEL)).map_err(|reason| self.refused(reason))
    }

    /// Loads the weights that did best on the validation split, if there is one, into a network of their shape.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when they do not fit.
    pub fn load_best(&self, network: &Network) -> Result<Option<Network>> {
        if self.state().best.is_none() {
            return Ok(None);
        }
        let loaded = burnpack::load(network.clone(), &self.folder.join(BEST));
        loaded.map(Some).map_err(|reason| self.refused(reason))
    }

    /// Loads what the method remembers.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when a file does not hold it.
    pub fn load_method(&self, device: &Device) -> Result<MethodState> {
        let shapes = &self.header.shapes;
        let sizes = self.array_sizes()?;
        let zeros = |size: usize| Param::from_tensor(Tensor::<1>::zeros([size], device));
        let mut arrays = Arrays {
            values: sizes.into_iter().map(zeros).collect(),
        };
        if !shapes.is_empty() {
            let path = self.folder.join(ARRAYS);
            arrays = burnpack::load(arrays, &path).map_err(|reason| self.refused(reason))?;
        }
        let values = arrays.values.into_iter().map(|value| value.val().inner());
        let optimizer = |i: usize| {
            let path = self.folder.join(optimizer_file(i));
            burnpack::ensure_whole(&path).map_err(|reason| self.refused(reason))?;
            OptimizerRecord::load(path).map_err(|error| self.refused(error.to_string()))
        };
        Ok(MethodState {
            values: self.header.method.clone(),
            arrays: shapes.iter().cloned().zip(values).collect(),
            optimizers: (0..self.header.optimizers)
                .map(optimizer)
                .collect::<Result<_>>()?,
        })
    }

    /// Numbers of entries of the method's arrays, which the file has to have before they are allocated.
    fn array_sizes(&self) -> Result<Vec<usize>> {
        let shapes = &self.header.shapes;
        if shapes.is_empty() {
            return Ok(Vec::new());
        }
        let size = |shape: &Vec<usize>| {
            let sides = shape.iter();
            sides.fold(1, |size: usize, &side| size.saturating_mul(side))
        };
        let sizes: Vec<usize> = shapes.iter().map(size).collect();
        let total = sizes.iter().fold(0, |a: usize, &b| a.saturating_add(b));
        let path = self.folder.join(ARRAYS);
        let file = fs::metadata(&path).map_err(|error| Error::file("read", &path, error))?;
        if total as u64 > file.len() / FLOAT {
            return Err(self.refused(format!("{HEADER} claims more than {ARRAYS} holds")));
        }
        Ok(sizes)
    }

    fn refused(&self, reason: impl Into<String>) -> Error {
        Error::Checkpoint {
            path: self.folder.clone(),
            reason: reason.into(),
        }
    }
}

/// The folder `checkpoints` of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints below a run folder, of which the last `keep` stay.
    pub(super) fn of(run: &Path, keep: usize) -> Self {
        Self {
            folder: run.join("checkpoints"),
            keep: keep.max(1),
        }
    }

    /// Writes a checkpoint, and removes those that are no longer kept.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written; the previous one is then still there.
    pub fn write(&self, contents: CheckpointContents<'_>) -> Result<()> {
        let place = self
            .folder
            .join(format!("{:08}", contents.snapshot.state.sweep));
        let draft = place.with_extension("draft");
        let result = contents.write(&draft).and_then(|()| {
            fs::rename(&draft, &place).map_err(|error| Error::file("write", &place, error))?;
            sync(&self.folder)
        });
        if result.is_err() {
            // The error is what matters; half a draft is no checkpoint, and the next one replaces it.
            let _ = fs::remove_dir_all(&draft);
            return result;
        }
        let sweeps = self.sweeps()?;
        for old in &sweeps[..sweeps.len().saturating_sub(self.keep)] {
            remove(&self.folder.join(format!("{old:08}")))?;
        }
        self.remove_drafts()
    }

    /// Removes what processes that were killed have left.
    fn remove_drafts(&self) -> Result<()> {
        let failed = |error| Error::file("read", &self.folder, error);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "draft") {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The last complete checkpoint, if there is one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it is damaged or of another version.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        let mut sweeps = self.sweeps()?;
        let Some(sweep) = sweeps.pop() else {
            return Ok(None);
        };
        let way_out = sweeps.last().map_or_else(String::new, |before| {
            format!("; remove it to go on from sweep {before}")
        });
        let folder = self.folder.join(format!("{sweep:08}"));
        let damaged = |reason: String| Error::Checkpoint {
            path: folder.clone(),
            reason: format!("{reason}{way_out}"),
        };
        let path = folder.join(HEADER);
        let text = fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))?;
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| damaged(format!("{HEADER}: {}", error.message())))?;
        let schema = table.get("schema").and_then(toml::Value::as_integer);
        if schema != Some(i64::from(SCHEMA)) {
            let found = schema.map_or_else(|| "none".into(), |schema| schema.to_string());
            return Err(damaged(format!(
                "it has schema version {found}, this program reads {SCHEMA}"
            )));
        }
        let header: Header = table
            .try_into()
            .map_err(|error: toml::de::Error| damaged(format!("{HEADER}: {}", error.message())))?;
        for (name, expected) in &header.checksums {
            let path = folder.join(name);
            if checksum(&path)? != *expected {
                return Err(damaged(format!("{name} is damaged: its checksum differs")));
            }
        }
        Ok(Some(Checkpoint { folder, header }))
    }

    /// Sweeps of the complete checkpoints, in order.
    fn sweeps(&self) -> Result<Vec<usize>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let failed = |error| Error::file("read", &self.folder, error);
        let mut sweeps = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // Drafts have names that are no numbers.
            sweeps.extend(name.to_str().and_then(|name| name.parse::<usize>().ok()));
        }
        sweeps.sort_unstable();
        Ok(sweeps)
    }
}

fn optimizer_file(i: usize) -> String {
    format!("optimizer-{i}.bpk")
}

fn checksum(path: &Path) -> Result<u32> {
    let bytes = fs::read(path).map_err(|error| Error::file("read", path, error))?;
    Ok(crc32fast::hash(&bytes))
}

/// Waits until the file, or the folder's list of names, is on the disk.
fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| Error::file("write", path, error))
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| Error::file("remove", folder, error))
}
