//! Files that a command writes where the user says.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use ls_train::run_dir::RunDir;

use crate::failure::Failure;

/// Refuses to write over what must not be lost: a file of a run ever, any other file without `--overwrite`, unless it `is_earlier`, an
/// earlier result of the same command.
///
/// # Errors
/// Exit code 2, with the way on.
pub(in crate::commands) fn ensure_replaceable(
    path: &Path,
    overwrite: bool,
    is_earlier: impl Fn(&Path) -> bool,
) -> Result<(), Failure> {
    let shown = path.display();
    if RunDir::is_run_file(path) {
        return Err(Failure::new(format!("{shown} is a file of the run itself"))
            .hint("name another file with --output"));
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot write {shown}: {error}"))),
        Ok(found) if !found.is_file() => Err(Failure::new(format!(
            "{shown} is no regular file, so it is not replaced"
        ))
        .hint("name another file with --output")),
        Ok(_) if overwrite || is_earlier(path) => Ok(()),
        Ok(_) => Err(Failure::new(format!("{shown} exists already"))
            .hint("name another file with --output, or add --overwrite")),
    }
}

/// Takes no file for an earlier result.
pub(in crate::commands) fn none_is_earlier(_: &Path) -> bool {
    false
}
