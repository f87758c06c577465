//! The folder of all checkpoints of a run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ls_core::network::Network;

use super::{CHECKSUMS, Checkpoint, CheckpointContents, Checksums, HEADER, Header};
use crate::config::SCHEMA;
use crate::{Error, Result, files};

/// Attempts to read weights while the run that writes them replaces its checkpoints.
const ATTEMPTS: usize = 20;

/// The folder `checkpoints` of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// The checkpoints below a run folder, of which the last `keep` stay.
    pub(in super::super) fn of(run: &Path, keep: usize) -> Self {
        Self {
            folder: run.join("checkpoints"),
            keep: keep.max(1),
        }
    }

    /// Writes a checkpoint, and removes those that are no longer kept.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when it cannot be written; the previous one is then still there.
    pub fn write(&self, contents: CheckpointContents<'_>) -> Result<()> {
        let place = self.place(contents.snapshot.state.sweep);
        let draft = place.with_extension("draft");
        let result = contents
            .write(&draft)
            .and_then(|()| files::rename(&draft, &place));
        if result.is_err() {
            // The error is what matters; half a draft is no checkpoint, and the next one replaces it.
            let _ = files::remove_folder(&draft);
            return result;
        }
        let sweeps = self.sweeps()?;
        for &old in &sweeps[..sweeps.len().saturating_sub(self.keep)] {
            files::remove_folder(&self.place(old))?;
        }
        self.remove_drafts()
    }

    fn place(&self, sweep: usize) -> PathBuf {
        self.folder.join(format!("{sweep:08}"))
    }

    /// Removes what processes that were killed have left.
    fn remove_drafts(&self) -> Result<()> {
        let failed = |error| Error::file("read", &self.folder, error);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if files::is_draft(&path) {
                files::remove_folder(&path)?;
            }
        }
        Ok(())
    }

    /// The last complete checkpoint, if there is one.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when it is damaged or of another version, with the way on.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        let mut sweeps = self.sweeps()?;
        let Some(sweep) = sweeps.pop() else {
            return Ok(None);
        };
        let folder = self.place(sweep);
        let found = read(&folder, sweep).map_err(|reason| {
            let way_out = match sweeps.last() {
                Some(before) => format!("remove it to go on from sweep {before}"),
                None => "there is no earlier one; `--overwrite` begins the run anew".into(),
            };
            Error::Checkpoint {
                path: folder,
                reason: format!("{reason}; {way_out}"),
            }
        });
        found.map(Some)
    }

    /// Loads the weights of the last checkpoint into a network of their shape: those that did best on the validation split, if there is
    /// one. A run may be writing further checkpoints meanwhile.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when they are damaged or do not fit.
    pub(in super::super) fn read_network(
        &self,
        network: Network,
    ) -> Result<Option<(usize, Network)>> {
        let read = |network: Network| -> Result<Option<(usize, Network)>> {
            let Some(checkpoint) = self.latest()? else {
                return Ok(None);
            };
            let sweep = checkpoint.state().sweep;
            Ok(Some((sweep, checkpoint.load_network(network)?)))
        };
        let mut last = self.sweeps()?;
        for _ in 1..ATTEMPTS {
            let found = read(network.clone());
            let sweeps = self.sweeps()?;
            if found.is_ok() || sweeps == last {
                return found;
            }
            // The checkpoint was replaced while it was read.
            last = sweeps;
        }
        read(network)
    }

    /// Sweeps of the complete checkpoints, in order.
    ///
    /// # Errors
    /// [`Error::File`] when the folder cannot be read.
    pub(in super::super) fn sweeps(&self) -> Result<Vec<usize>> {
        let failed = |error| Error::file("read", &self.folder, error);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut sweeps = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            // Drafts have names that are no numbers.
            sweeps.extend(name.to_str().and_then(|name| name.parse::<usize>().ok()));
        }
        sweeps.sort_unstable();
        Ok(sweeps)
    }
}

/// Reads the checkpoint of a sweep after a look at the checksums of all its files.
///
/// # Errors
/// What is wrong with it, in words.
fn read(folder: &Path, sweep: usize) -> core::result::Result<Checkpoint, String> {
    let bytes = |name: &str| {
        let read = files::read_bytes(&folder.join(name));
        read.map_err(|error| format!("{name} cannot be read: {error}"))
    };
    let text = |name: &str| {
        String::from_utf8(bytes(name)?).map_err(|_| format!("{name} is damaged: it is no text"))
    };
    let damaged =
        |name: &str, error: toml::de::Error| format!("{name} is damaged: {}", error.message());
    let table: toml::Table = text(HEADER)?.parse().map_err(|e| damaged(HEADER, e))?;
    // Another version has other files.
    let schema = table.get("schema").and_then(toml::Value::as_integer);
    if let Some(schema) = schema
        && schema != i64::from(SCHEMA)
    {
        return Err(format!(
            "it has schema version {schema}, this program reads {SCHEMA}"
        ));
    }
    let checksums: Checksums =
        toml::from_str(&text(CHECKSUMS)?).map_err(|error| damaged(CHECKSUMS, error))?;
    if !checksums.contains_key(HEADER) {
        return Err(format!("{CHECKSUMS} is damaged: it lacks {HEADER}"));
    }
    for (name, expected) in &checksums {
        if crc32fast::hash(&bytes(name)?) != *expected {
            return Err(format!("{name} is damaged: its checksum differs"));
        }
    }
    let header: Header = table.try_into().map_err(|error| damaged(HEADER, error))?;
    let state = &header.state;
    if state.sweep != sweep || !(state.seconds.is_finite() && state.seconds >= 0.0) {
        return Err(format!(
            "{HEADER} is damaged: it has sweep {} and {} seconds",
            state.sweep, state.seconds
        ));
    }
    Ok(Checkpoint {
        folder: folder.into(),
        header,
    })
}
