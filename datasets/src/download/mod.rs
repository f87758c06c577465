//! Gets the files of known data sets from their mirrors, and checks files against the published sums.
//!
//! [`download`] makes a folder complete: a file is written as `NAME.part`, goes on where an earlier try stopped, and gets
//! its name once its size and SHA-256 are right. [`verify`] tells of every file whether it is the published one.
//! Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY` and so on).

mod fetch;
mod sum;
#[cfg(test)]
mod testing;
mod verify;

use std::path::{Path, PathBuf};

pub use verify::{Check, State, recognised, verify};

use crate::{Error, Source};

/// What happens during a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The file was there already, with the right sum.
    Present {
        /// Name of the file.
        file: &'a str,
    },
    /// Bytes arrive.
    Receiving {
        /// Name of the file.
        file: &'a str,
        /// Where they come from.
        host: &'a str,
        /// Bytes there so far, with those of earlier tries.
        received: u64,
        /// Bytes of the whole file.
        size: u64,
    },
    /// A mirror could not give the file; the next one is asked.
    Failed {
        /// Name of the file.
        file: &'a str,
        /// Which mirror.
        host: &'a str,
        /// Why, in one line.
        reason: &'a str,
    },
    /// The file is complete and has the right sum.
    Done {
        /// Name of the file.
        file: &'a str,
    },
}

/// A file that a download left in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it had been there before.
    pub was_present: bool,
}

/// Downloads what a folder lacks of a data set, from `mirror` or else from the known ones in turn.
///
/// The folder is made where there is none. `mirror` is an address that the name of a file is added to.
///
/// # Errors
/// - [`Error::NoDownload`] and [`Error::InvalidMirror`] for wrong arguments,
/// - [`Error::DownloadFailed`] when no mirror gave a file; the part that arrived stays for another try,
/// - [`Error::Busy`] while another process downloads the same file,
/// - [`Error::Io`] and [`Error::Write`] when the disk fails.
pub fn download(
    source: Source,
    folder: &Path,
    mirror: Option<&str>,
    progress: impl FnMut(Progress<'_>),
) -> Result<Vec<Downloaded>, Error> {
    let distribution = source.distribution().ok_or_else(|| no_download(source))?;
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

fn no_download(source: Source) -> Error {
    let others = Source::ALL
        .into_iter()
        .filter(|source| source.distribution().is_some());
    let names: Vec<&str> = others.map(Source::name).collect();
    Error::NoDownload {
        dataset: source.name(),
        allowed: names.join(", "),
    }
}

/// The address, ready for a name to be added.
fn checked(mirror: &str) -> Result<String, Error> {
    if mirror.starts_with("http://") || mirror.starts_with("https://") {
        return Ok(format!("{}/", mirror.trim_end_matches('/')));
    }
    Err(Error::InvalidMirror {
        found: crate::input::cleaned(mirror),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_data_sets_are_downloaded() {
        let error = download(Source::Digits, Path::new("x"), None, |_| ()).unwrap_err();
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
            "mirror `ftp://a` is no address, expected one that starts with http:// or https://"
        );
    }
}
