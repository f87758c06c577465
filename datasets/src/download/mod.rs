//! Downloads published data sets from their mirrors, and verifies files by their checksums.
//!
//! [`download`] completes a folder: it writes a file as `NAME.part`, continues where an earlier try stopped, and renames
//! the file once size and SHA-256 are right. [`verify`] compares every file with the published one. The environment sets
//! proxies (`HTTPS_PROXY`, `NO_PROXY` and so on).

mod fetch;
mod partial_file;
mod sum;
#[cfg(test)]
mod testing;
mod verify;

use std::path::{Path, PathBuf};

pub use verify::{FileCheck, FileState, recognised, verify};

use crate::input::cleaned;
use crate::source::names;
use crate::{Error, Source};

/// An event of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadProgress<'a> {
    /// The folder already holds the file, with the right checksum.
    Present {
        /// Name of the file.
        file: &'a str,
    },
    /// More bytes have arrived.
    Receiving {
        /// Name of the file.
        file: &'a str,
        /// Host of the mirror.
        host: &'a str,
        /// Bytes received, including those of earlier tries.
        received: u64,
        /// Bytes of the complete file.
        size: u64,
    },
    /// A mirror could not send the file; the next one follows.
    Failed {
        /// Name of the file.
        file: &'a str,
        /// Host of the mirror.
        host: &'a str,
        /// Reason in one line.
        reason: &'a str,
    },
    /// The file is complete and has the right checksum.
    Done {
        /// Name of the file.
        file: &'a str,
    },
}

/// A downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Whether the folder held the file before the download.
    pub was_present: bool,
}

/// Downloads the missing files of a data set, from `mirror` or else from the known mirrors in order.
///
/// Creates the folder if it does not exist. `mirror` is an address to which the name of a file is appended.
///
/// # Errors
/// - [`Error::NoDownload`] and [`Error::InvalidMirror`] for wrong arguments,
/// - [`Error::DownloadFailed`] when no mirror sent a file; the bytes that arrived stay for another try,
/// - [`Error::Busy`] while another process downloads the file,
/// - [`Error::Io`] and [`Error::Write`] when the disk fails.
pub fn download(
    source: Source,
    folder: &Path,
    mirror: Option<&str>,
    progress: impl FnMut(DownloadProgress<'_>),
) -> Result<Vec<Downloaded>, Error> {
    let distribution = source.distribution().ok_or_else(|| Error::NoDownload {
        dataset: source.name(),
        allowed: names(|source| source.distribution().is_some()),
    })?;
    let mirrors = match mirror {
        Some(mirror) => vec![checked(mirror)?],
        None => distribution
            .mirrors
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    let proxy = ureq::Proxy::try_from_env();
    let mut fetcher = fetch::Fetcher::new(folder, mirrors, proxy, progress)?;
    let files = distribution.files.iter();
    files.map(|file| fetcher.fetch(file)).collect()
}

/// Returns the address with a final slash, so that the name of a file can be appended.
fn checked(mirror: &str) -> Result<String, Error> {
    if mirror.starts_with("http://") || mirror.starts_with("https://") {
        return Ok(format!("{}/", mirror.trim_end_matches('/')));
    }
    Err(Error::InvalidMirror {
        found: cleaned(mirror),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_data_sets_are_downloaded() {
        let error = download(Source::DIGITS, Path::new("x"), None, |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "data set digits has nothing to download, expected one of: mnist, fashion-mnist, cifar10"
        );
    }

    #[test]
    fn a_mirror_is_an_address() {
        assert_eq!(checked("http://a/b").unwrap(), "http://a/b/");
        assert_eq!(checked("https://a/b//").unwrap(), "https://a/b/");
        assert_eq!(
            checked("ftp://a").unwrap_err().to_string(),
            "mirror `ftp://a` is not an address, expected one that starts with http:// or https://"
        );
    }
}
