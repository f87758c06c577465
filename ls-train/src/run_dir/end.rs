//! The end of a run: its weights, and the summary that vouches for them.

use std::path::Path;

use ls_core::fit::{FitState, Stop};
use ls_core::network::Network;

use super::{HistoryTable, MODEL, RunDir, RunFacts, SUMMARY, Summary, burnpack};
use crate::{Error, Result, files};

impl RunDir {
    /// Loads the weights of the run in a folder into a network of their shape: those that it ended with, or where there are none those of
    /// its last checkpoint, whose sweep comes with them.
    ///
    /// # Errors
    /// [`Error::NoWeights`] when the run has not got as far, [`Error::File`] and [`Error::Checkpoint`] when they do not fit, are not those
    /// that `summary.json` vouches for, or are not finite.
    pub fn read_network(path: &Path, network: Network) -> Result<(Network, Option<usize>)> {
        let file = path.join(MODEL);
        let Some(bytes) = files::read(&file)? else {
            let Some((sweep, network)) = Self::checkpoints_of(path).read_network(network)? else {
                return Err(Error::NoWeights { path: path.into() });
            };
            burnpack::ensure_finite(&network)
                .map_err(|reason| Error::file("read", path, reason))?;
            return Ok((network, Some(sweep)));
        };
        let failed = |reason: String| Error::file("read", &file, reason);
        if let Some(expected) = Self::model_checksum(path)?
            && crc32fast::hash(&bytes) != expected
        {
            return Err(failed(format!(
                "its checksum is not the one in {SUMMARY}: it is damaged, or of another run; `train --resume` restores it from the \
                 last checkpoint"
            )));
        }
        let network = burnpack::load(network, bytes).map_err(failed)?;
        burnpack::ensure_finite(&network).map_err(failed)?;
        Ok((network, None))
    }

    /// Whether the run in a folder has weights, or a checkpoint that has them.
    ///
    /// # Errors
    /// [`Error::File`] when the system does not say.
    pub fn has_weights(path: &Path) -> Result<bool> {
        Ok(files::exists(&path.join(MODEL))? || !Self::checkpoints_of(path).sweeps()?.is_empty())
    }

    /// Whether the weights are there, and are those that the summary vouches for.
    ///
    /// # Errors
    /// [`Error::File`] when a file cannot be read.
    pub(crate) fn has_whole_weights(path: &Path) -> Result<bool> {
        let bytes = files::read(&path.join(MODEL))?;
        let found = bytes.map(|bytes| crc32fast::hash(&bytes));
        Ok(found.is_some() && found == Self::model_checksum(path)?)
    }

    /// Writes the weights and the summary of a run whose history is written.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when they cannot be written, [`Error::Summary`] when the history lacks their sweep.
    pub(crate) fn save_end(
        &self,
        network: &Network,
        facts: RunFacts,
        state: &FitState,
        stop: Stop,
    ) -> Result<Summary> {
        let model_crc32 = self.save_model(network)?;
        let history = HistoryTable::read(self.path())?;
        let summary = Summary::new(facts, &history, state, stop, model_crc32)?;
        self.save_summary(&summary)?;
        Ok(summary)
    }

    /// Writes the weights; returns their CRC-32, which the summary holds.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when they cannot be written.
    pub fn save_model(&self, network: &Network) -> Result<u32> {
        let path = self.path.join(MODEL);
        let bytes = burnpack::to_numbered_bytes(network.clone());
        let bytes = bytes.map_err(|error| Error::file("write", &path, error))?;
        files::write(&path, &bytes)?;
        Ok(crc32fast::hash(&bytes))
    }

    /// The checksum of the weights that a run ended with; none for a run that has not ended, or that failed.
    fn model_checksum(path: &Path) -> Result<Option<u32>> {
        match Self::has_ended(path)? {
            true => Ok(Some(Self::read_summary(path)?.model_crc32)),
            false => Ok(None),
        }
    }
}
