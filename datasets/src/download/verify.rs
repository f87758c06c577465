//! Comparison of files on disk with the published checksums.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::sum::sha256;
use crate::input::{check_folder, read_failed};
use crate::{Error, KnownFile, Located, Source, SplitRule};

/// Result of the check of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Actual or expected path of the file.
    pub path: PathBuf,
    /// State of the file.
    pub state: FileState,
}

/// State of a file compared with the published one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// The file or its unpacked contents have the published checksum.
    Ok,
    /// The file does not exist.
    Missing,
    /// The file has another checksum.
    Damaged {
        /// The published SHA-256.
        expected: &'static str,
        /// SHA-256 of the file.
        found: String,
    },
    /// No checksum is published, but the data set loads.
    Loads {
        /// Samples of both splits.
        samples: usize,
    },
}

impl FileCheck {
    /// Returns whether the file passed the check.
    pub fn is_ok(&self) -> bool {
        matches!(self.state, FileState::Ok | FileState::Loads { .. })
    }
}

/// Checks every file that is read when the data set is loaded from this folder.
///
/// Data without published checksums, embedded or of the user, is loaded instead.
///
/// # Errors
/// [`Error::PathMissing`] and [`Error::NotAFolder`]; [`Error::Io`] for a file that cannot be read; the errors of [`Source::load`] for data without
/// checksums.
pub fn verify(source: Source, folder: Option<&Path>) -> Result<Vec<FileCheck>, Error> {
    let (Some(distribution), Some(folder)) = (source.distribution(), folder) else {
        let dataset = source.load(folder, &SplitRule::default())?;
        let samples = dataset.train.len() + dataset.test.len();
        let path = folder.map_or_else(|| "embedded".into(), Path::to_owned);
        let state = FileState::Loads { samples };
        return Ok(vec![FileCheck { path, state }]);
    };
    if folder.is_file() {
        return check_archive(distribution.files, folder);
    }
    check_folder(folder)?;
    distribution.locate(folder).into_iter().map(check).collect()
}

/// Finds the published data sets whose files lie in a folder, or below it in a folder with the name of the data set.
///
/// If the files could belong to several data sets, the name of the folder decides, or else the checksums.
///
/// # Errors
/// [`Error::PathMissing`], [`Error::NotAFolder`] or [`Error::Io`].
pub fn recognised(folder: &Path) -> Result<Vec<(Source, PathBuf)>, Error> {
    check_folder(folder)?;
    let mut found = Vec::new();
    for source in in_folder(folder)? {
        found.push((source, folder.to_owned()));
    }
    let failed = |cause| read_failed(&folder.display().to_string(), cause);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let entries: Result<Vec<PathBuf>, _> = entries
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect();
    let mut folders = entries?;
    folders.sort_unstable();
    for &source in Source::ALL {
        let own = folders
            .iter()
            .filter(|path| is_named(path, source) && holds_any(path, source));
        found.extend(own.map(|path| (source, path.clone())));
    }
    Ok(found)
}

/// Finds the data sets whose files lie in the folder itself.
fn in_folder(folder: &Path) -> Result<Vec<Source>, Error> {
    let mut sources: Vec<Source> = Source::ALL
        .iter()
        .copied()
        .filter(|&source| holds_any(folder, source))
        .collect();
    if let Some(&named) = sources.iter().find(|&&source| is_named(folder, source)) {
        return Ok(vec![named]);
    }
    if sources.len() > 1 {
        let mut matching = Vec::new();
        for source in sources {
            if verify(source, Some(folder))?.iter().any(FileCheck::is_ok) {
                matching.push(source);
            }
        }
        sources = matching;
    }
    Ok(sources)
}

fn holds_any(folder: &Path, source: Source) -> bool {
    let located = source
        .distribution()
        .map(|distribution| distribution.locate(folder));
    located.is_some_and(|files| files.iter().any(|file| file.path.is_file()))
}

/// Returns whether the folder has the name of the data set, up to hyphens and capitals.
fn is_named(folder: &Path, source: Source) -> bool {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    plain(&name) == plain(source.name())
}

/// Checks one packed file, given by its path.
fn check_archive(files: &'static [KnownFile], path: &Path) -> Result<Vec<FileCheck>, Error> {
    let named = |file: &&KnownFile| path.file_name().is_some_and(|name| name == file.name);
    let Some(known) = files.iter().find(named) else {
        return Err(Error::NotAFolder {
            folder: path.display().to_string(),
        });
    };
    let file = Located {
        path: path.to_owned(),
        known,
        contents: None,
    };
    Ok(vec![check(file)?])
}

fn check(file: Located) -> Result<FileCheck, Error> {
    let state = if file.path.is_file() {
        state(&file)?
    } else {
        FileState::Missing
    };
    Ok(FileCheck {
        path: file.path,
        state,
    })
}

fn state(file: &Located) -> Result<FileState, Error> {
    let failed = |cause| read_failed(&file.path.display().to_string(), cause);
    let open = || File::open(&file.path);
    let found = open().and_then(sha256).map_err(failed)?;
    if found == file.known.sha256 {
        return Ok(FileState::Ok);
    }
    if let Some(contents) = file.contents {
        let unpacked = sha256(MultiGzDecoder::new(open().map_err(failed)?));
        // A file that cannot be unpacked is damaged too.
        if unpacked.is_ok_and(|found| found == contents.sha256) {
            return Ok(FileState::Ok);
        }
    }
    Ok(FileState::Damaged {
        expected: file.known.sha256,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn files_are_missing_or_damaged_with_both_sums() {
        let folder = folder_with(&["train-labels-idx1-ubyte.gz"]);
        let checks = verify(Source::MNIST, Some(folder.path())).unwrap();
        let states: Vec<&FileState> = checks.iter().map(|check| &check.state).collect();
        let damaged = FileState::Damaged {
            expected: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            // SHA-256 of one `x`.
            found: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881".into(),
        };
        assert_eq!(
            states,
            [
                &FileState::Missing,
                &damaged,
                &FileState::Missing,
                &FileState::Missing
            ]
        );
    }

    #[test]
    fn the_published_bytes_are_ok_under_any_compression() {
        let folder = tempfile::tempdir().unwrap();
        let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
        fs::write(folder.path().join("batches.meta.txt"), names).unwrap();
        let checks = verify(Source::CIFAR10, Some(folder.path())).unwrap();
        let ok: Vec<_> = checks.iter().filter(|check| check.is_ok()).collect();
        assert_eq!((checks.len(), ok.len()), (7, 1));

        let path = folder.path().join("again.gz");
        fs::write(&path, crate::testing::gzipped(names.as_bytes())).unwrap();
        let crate::Unpacked::Folder(_, unpacked) = Source::CIFAR10.distribution().unwrap().unpacked
        else {
            panic!("CIFAR-10 unpacks to a folder");
        };
        let file = Located {
            path,
            known: &unpacked[0],
            contents: unpacked.last(),
        };
        assert_eq!(state(&file).unwrap(), FileState::Ok);
    }

    #[test]
    fn data_without_sums_is_loaded() {
        let checks = verify(Source::DIGITS, None).unwrap();
        assert_eq!(checks[0].state, FileState::Loads { samples: 5620 });
        let folder = folder_with(&["train.csv"]);
        let error = verify(Source::CSV, Some(folder.path())).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("train.csv, line 1: 1 values separated by commas, expected 2"),
            "{error}"
        );
    }

    #[test]
    fn data_sets_are_recognised_by_the_name_of_their_folder() {
        let folder = folder_with(&[
            "mnist/train-labels-idx1-ubyte.gz",
            "Fashion_MNIST/t10k-labels-idx1-ubyte",
            "cifar-10/cifar-10-batches-bin/test_batch.bin",
            "other/train-labels-idx1-ubyte.gz",
        ]);
        let found = recognised(folder.path()).unwrap();
        let below = |source, name| (source, folder.path().join(name));
        let expected = [
            below(Source::MNIST, "mnist"),
            below(Source::FASHION_MNIST, "Fashion_MNIST"),
            below(Source::CIFAR10, "cifar-10"),
        ];
        assert_eq!(found, expected);
        let itself = folder.path().join("mnist");
        assert_eq!(recognised(&itself).unwrap(), [(Source::MNIST, itself)]);
        let unknown = folder.path().join("other");
        assert_eq!(recognised(&unknown).unwrap(), []);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = verify(Source::MNIST, Some(Path::new("nowhere"))).unwrap_err();
        assert_eq!(error.to_string(), "nowhere does not exist");
    }
}
