//! The folders that data sets are downloaded to, and found in.

use std::path::PathBuf;

use ls_datasets::Source;

use crate::failure::Failure;

/// Returns the folder above all downloads, where the system has a cache folder.
pub(crate) fn root() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("layersep"))
}

/// Returns the folder of a data set that was downloaded completely.
pub(crate) fn complete(source: Source) -> Option<PathBuf> {
    let folder = root()?.join(source.name());
    let distribution = source.distribution()?;
    distribution.is_in(&folder).then_some(folder)
}

/// Returns the folder for the download of a data set.
///
/// # Errors
/// Exit code 2 where the system has no cache folder.
pub(crate) fn folder(source: Source) -> Result<PathBuf, Failure> {
    let root = root().ok_or_else(|| {
        Failure::new("this system has no cache folder").hint("name a folder with --data-dir DIR")
    })?;
    Ok(root.join(source.name()))
}
