//! The file `NAME.part` of an unfinished download.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::sum::sha256;
use crate::input::read_failed;
use crate::{Error, KnownFile};

/// A locked file with the bytes of a download that have arrived.
pub(super) struct PartialFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl PartialFile {
    /// Opens the file of an earlier try or creates one, and locks it against other processes.
    pub(super) fn open(folder: &Path, known: &KnownFile) -> Result<Self, Error> {
        let path = folder.join(format!("{}.part", known.name));
        let failed = |cause| write_failed(&path, cause);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let file = path.display().to_string();
                return Err(Error::Busy { file });
            }
            // Some network disks do not support locks; that is no reason to refuse a download.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut partial = Self { path, file, length };
        if length > known.size {
            partial.clear()?;
        }
        Ok(partial)
    }

    /// Returns the number of bytes that have arrived.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        self.length = 0;
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(|cause| write_failed(&self.path, cause))
    }

    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes);
        written.map_err(|cause| write_failed(&self.path, cause))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Returns the SHA-256 of all bytes.
    pub(super) fn sum(&mut self) -> Result<String, Error> {
        let sum = self.file.rewind().and_then(|()| sha256(&self.file));
        sum.map_err(|cause| read_failed(&self.path.display().to_string(), cause))
    }

    /// Renames the file to its final name, which only complete files have.
    pub(super) fn finish(self, path: &Path) -> Result<(), Error> {
        let Self {
            path: partial,
            file,
            ..
        } = self;
        file.sync_all()
            .map_err(|cause| write_failed(&partial, cause))?;
        drop(file);
        fs::rename(&partial, path).map_err(|cause| write_failed(path, cause))
    }

    /// Keeps the file for another try, or removes it if it is empty.
    pub(super) fn leave(self) -> Result<(), Error> {
        let Self { path, file, length } = self;
        drop(file);
        if length > 0 {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|cause| write_failed(&path, cause))
    }
}

/// Returns the error for a file or folder that could not be written.
pub(super) fn write_failed(path: &Path, cause: io::Error) -> Error {
    Error::Write {
        file: path.display().to_string(),
        cause,
    }
}
