//! Writing the files of a checkpoint.

use core::ops::Deref;
use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use ls_core::fit::{Snapshot, Stop};

use super::super::burnpack;
use super::{
    ARRAYS, Arrays, BEST, CHECKSUMS, Checksums, HEADER, HISTORY, Header, MODEL, optimizer_file,
};
use crate::config::{RunConfig, SCHEMA};
use crate::data::Fingerprint;
use crate::{Error, Result, files};

/// The contents of a checkpoint.
pub struct CheckpointContents<'a> {
    /// The run between two sweeps.
    pub snapshot: Snapshot<'a>,
    /// The reason why it ends here, if it does.
    pub stop: Option<Stop>,
    /// Its history so far, the text of `history.csv`.
    pub history: &'a str,
    /// Its configuration.
    pub config: &'a RunConfig,
    /// Checksums of its data.
    pub fingerprint: &'a Fingerprint,
}

impl CheckpointContents<'_> {
    /// Writes all files into a folder of their own, their checksums last.
    pub(super) fn write(self, folder: &Path) -> Result<()> {
        let snapshot = self.snapshot;
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
            let bytes = optimizer.into_bytes().map_err(|error| error.to_string());
            draft.add_encoded(&optimizer_file(i), bytes)?;
        }
        draft.add(HISTORY, self.history.as_bytes())?;
        let header = toml::to_string(&Header {
            schema: SCHEMA,
            stop: self.stop,
            state: snapshot.state.clone(),
            fingerprint: self.fingerprint.clone(),
            shapes,
            optimizers,
            config: self.config.clone(),
            method: state.values,
        });
        draft.add_encoded(HEADER, encoded(header))?;
        draft.finish()
    }
}

/// The folder of a checkpoint that is not complete yet.
struct Draft<'a> {
    folder: &'a Path,
    /// Of the files so far.
    checksums: Checksums,
}

impl<'a> Draft<'a> {
    /// Makes an empty folder, in the place of the one that an interrupted run left.
    fn create(folder: &'a Path) -> Result<Self> {
        files::remove_folder(folder)?;
        files::create_folder(folder)?;
        Ok(Self {
            folder,
            checksums: Checksums::new(),
        })
    }

    fn add_module(&mut self, name: &str, module: impl Module) -> Result<()> {
        self.add_encoded(name, burnpack::to_bytes(module))
    }

    fn add_arrays(&mut self, values: Vec<Tensor<1>>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let values = values.into_iter().map(Param::from_tensor).collect();
        self.add_encoded(ARRAYS, burnpack::to_numbered_bytes(Arrays { values }))
    }

    /// Adds a file that an encoder may have failed to make.
    fn add_encoded(
        &mut self,
        name: &str,
        bytes: core::result::Result<impl Deref<Target = [u8]>, String>,
    ) -> Result<()> {
        let bytes = bytes.map_err(|error| Error::file("write", self.folder.join(name), error))?;
        self.add(name, &bytes)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.checksums.insert(name.into(), crc32fast::hash(bytes));
        files::write_in_draft(&self.folder.join(name), bytes)
    }

    /// Writes the checksums, the last file.
    fn finish(mut self) -> Result<()> {
        let text = toml::to_string(&self.checksums);
        self.add_encoded(CHECKSUMS, encoded(text))
    }
}

fn encoded(
    text: core::result::Result<String, toml::ser::Error>,
) -> core::result::Result<Vec<u8>, String> {
    text.map(String::into_bytes)
        .map_err(|error| error.to_string())
}
