//! Numbered folders for results.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::failure::Failure;

/// Makes the first folder `runs/FIRST-SECOND-N` that does not exist yet; two processes never get the same one.
///
/// # Errors
/// Exit code 2 for a folder that cannot be made.
pub(in crate::commands) fn new_folder(first: &str, second: &str) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::new(format!("cannot create {}: {error}", path.display()))
            .hint("name another folder with --run DIR")
    };
    let parent = Path::new("runs");
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let mut number = 1_u64;
    loop {
        let path = parent.join(format!("{first}-{second}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

/// Removes a folder that was made for work that then did not start; a folder that holds anything stays.
pub(in crate::commands) fn remove_if_empty(folder: &Path) {
    // Nothing is lost if it stays.
    let _ = fs::remove_dir(folder);
}
