//! The files that belong to a run, by their names.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::{
    CONFIG, EXPORT_PREFIX, FILES, FINGERPRINT, FOLDERS, LOCK, REPORT_FILE, SAFETENSORS_FILE,
};
use crate::{Error, Result, files};

/// Returns whether a command derived a file of this name from a run; such a file is of no use to the next run.
pub(crate) fn is_derived(name: &OsStr) -> bool {
    let is_export = |name: &str| name == SAFETENSORS_FILE || name.starts_with(EXPORT_PREFIX);
    name.to_str()
        .is_some_and(|name| name == REPORT_FILE || is_export(name))
}

/// Returns whether a run or one of its commands writes a file of this name.
fn is_own(name: &OsStr) -> bool {
    FILES.iter().any(|own| name == *own) || is_derived(name)
}

/// Returns whether a name is that of a draft of such a file: of a process that was killed, as others remove theirs.
fn is_own_draft(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    let is_of = |own: &&str| text.starts_with(*own);
    files::is_draft(Path::new(name)) && FILES.iter().any(is_of)
}

/// Returns whether a folder holds a run. Other programs have files called `config.toml`, too.
fn is_run(folder: &Path) -> bool {
    let has = |name| folder.join(name).is_file();
    has(CONFIG) && (has(LOCK) || has(FINGERPRINT))
}

/// Returns whether a file is one that a run lives by: one of its names beside a configuration, or one in the folders of a run.
pub(super) fn is_run_file(file: &Path) -> bool {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.into());
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
        return false;
    };
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.into());
    let is_named = FILES.iter().chain(&[LOCK]).any(|own| name == *own);
    let is_folder = |folder: &Path| {
        let name = folder.file_name();
        name.is_some_and(|name| FOLDERS.iter().any(|own| name == *own))
            && folder.parent().is_some_and(is_run)
    };
    (is_named && is_run(&parent)) || parent.ancestors().any(is_folder)
}

/// Removes the files of a run and of its commands, and nothing else: the folder may hold somebody's notes.
pub(super) fn remove_files(path: &Path) -> Result<()> {
    remove_named(path, |name| is_own(name) || is_own_draft(name))
}

/// Removes the drafts that a process left which was killed.
pub(super) fn remove_drafts(path: &Path) -> Result<()> {
    remove_named(path, is_own_draft)
}

fn remove_named(path: &Path, is_to_go: impl Fn(&OsStr) -> bool) -> Result<()> {
    let failed = |error| Error::file("read", path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_to_go(&entry.file_name()) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Refuses a folder with files that no run has written, unless a run is among them.
///
/// A name is no proof, as other programs leave `checkpoints` and `model.safetensors`, too. A run writes its lock before all else, so what a
/// killed process left has one beside it.
pub(super) fn ensure_no_foreign_files(path: &Path) -> Result<()> {
    if !path.is_dir() || is_run(path) {
        return Ok(());
    }
    let has_lock = files::exists(&path.join(LOCK))?;
    let is_left = |name: &OsStr| {
        let mut other = FOLDERS.iter().chain(&[LOCK]);
        is_own(name) || files::is_draft(Path::new(name)) || other.any(|own| name == *own)
    };
    let failed = |error| Error::file("read", path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !has_lock || !is_left(&name) {
            return Err(Error::NotARun {
                path: path.into(),
                file: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_run_are_known_by_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir_all(run.join("checkpoints/00000001")).unwrap();
        fs::write(run.join(CONFIG), "").unwrap();
        fs::write(run.join(LOCK), "").unwrap();
        for own in [
            "model.bpk",
            "lock",
            "checkpoints/00000001/model.bpk",
            "logs",
        ] {
            assert_eq!(is_run_file(&run.join(own)), own != "logs", "{own}");
        }
        assert!(is_run_file(&run.join("checkpoints/../history.csv")));
        assert!(!is_run_file(&run.join("report.html")));
        let fold = run.join("folds/1");
        fs::create_dir_all(&fold).unwrap();
        fs::write(fold.join(CONFIG), "").unwrap();
        fs::write(fold.join(LOCK), "").unwrap();
        for own in ["history.csv", "model.bpk", "checkpoints/1/model.bpk"] {
            assert!(is_run_file(&fold.join(own)), "{own}");
        }
        assert!(!is_run_file(&fold.join("report.html")));
        assert!(!is_run_file(&folder.path().join("model.bpk")));
        assert!(!is_run_file(&folder.path().join("checkpoints/model.bpk")));
    }
}
