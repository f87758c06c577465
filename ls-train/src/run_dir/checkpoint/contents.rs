//! Writing the files of a checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, Param};
use burn::optim::OptimizerRecord;
use burn::tensor::Tensor;
use ls_core::fit::Snapshot;

use super::{ARRAYS, Arrays, BEST, HEADER, Header, MODEL, checksum, optimizer_file, remove, sync};
use crate::config::{RunConfig, SCHEMA};
use crate::data::Fingerprint;
use crate::{Error, Result};

/// The contents of a checkpoint.
pub struct CheckpointContents<'a> {
    /// The run between two sweeps.
    pub snapshot: Snapshot<'a>,
    /// Its configuration.
    pub config: &'a RunConfig,
    /// Checksums of its data.
    pub fingerprint: &'a Fingerprint,
}

impl CheckpointContents<'_> {
    /// Writes all files into a folder of their own, the header last.
    pub(super) fn write(self, folder: &Path) -> Result<()> {
        let Self {
            snapshot,
            config,
            fingerprint,
        } = self;
        let state = snapshot.method.save()?;
        let mut draft = Draft::create(folder)?;
        draft.add_module(MODEL, snapshot.model.clone())?;
        if let Some(best) = snapshot.best {
            draft.add_module(BEST, best.clone())?;
        }
        let (shapes, values): (Vec<_>, Vec<_>) = state.arrays.into_iter().unzip();
        draft.add_arrays(values)?;
        let optimizers = state.optimizers.len();
        for (i, optimizer) in state.optimizers.into_iter().enumerate() {
            draft.add_optimizer(&optimizer_file(i), optimizer)?;
        }
        draft.finish(|checksums| Header {
            schema: SCHEMA,
            state: snapshot.state.clone(),
            fingerprint: fingerprint.clone(),
            shapes,
            optimizers,
            checksums,
            config: config.clone(),
            method: state.values,
        })
    }
}

/// The folder of a checkpoint that is not complete yet.
struct Draft<'a> {
    folder: &'a Path,
    /// Checksums of the files so far, by name.
    checksums: BTreeMap<String, u32>,
}

impl<'a> Draft<'a> {
    /// Makes an empty folder, in the place of the one that an interrupted run left.
    fn create(folder: &'a Path) -> Result<Self> {
        if folder.exists() {
            remove(folder)?;
        }
        fs::create_dir_all(folder).map_err(|error| Error::file("create", folder, error))?;
        Ok(Self {
            folder,
            checksums: BTreeMap::new(),
        })
    }

    fn add_module(&mut self, name: &str, module: impl Module) -> Result<()> {
        let path = self.folder.join(name);
        let saved = module.save_file(&path);
        saved.map_err(|error| Error::file("write", &path, error))?;
        self.written(name, &path)
    }

    fn add_arrays(&mut self, values: Vec<Tensor<1>>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let values = values.into_iter().map(Param::from_tensor).collect();
        self.add_module(ARRAYS, Arrays { values })
    }

    fn add_optimizer(&mut self, name: &str, optimizer: OptimizerRecord) -> Result<()> {
        let path = self.folder.join(name);
        let saved = optimizer.save(&path);
        saved.map_err(|error| Error::file("write", &path, error))?;
        self.written(name, &path)
    }

    /// Notes the checksum of a file and makes it last.
    fn written(&mut self, name: &str, path: &Path) -> Result<()> {
        self.checksums.insert(name.into(), checksum(path)?);
        sync(path)
    }

    /// Writes the header, the last file.
    fn finish(self, header: impl FnOnce(BTreeMap<String, u32>) -> Header) -> Result<()> {
        let path = self.folder.join(HEADER);
        let header = header(self.checksums);
        let text = toml::to_string(&header).map_err(|error| Error::file("write", &path, error))?;
        fs::write(&path, text).map_err(|error| Error::file("write", &path, error))?;
        sync(&path)
    }
}
