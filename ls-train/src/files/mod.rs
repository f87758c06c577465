//! Every change of the disk: whole files, rows of tables, folders.
//!
//! A file is written beside its place, made to last on the disk, and renamed. So nobody ever reads half of it, a full disk leaves no
//! draft, and after a power cut there is the old file or the new one. In tests any change can be made to fail.

#[cfg(test)]
pub(crate) mod faults;
mod rows;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

pub(crate) use rows::Rows;

use crate::{Error, Result};

/// Ending of the names of drafts. A process that was killed may leave one.
const DRAFT: &str = "draft";

/// Writes a file, in the place of an older one if there is one.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be written; the older one is then still there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let replaced = || {
        let place = replaceable(path)?;
        let draft = draft(&place);
        let written = put(&draft, bytes, Lasting::Yes)
            .and_then(|()| change(|| fs::rename(&draft, &place)))
            .and_then(|()| sync_names(&place));
        written.inspect_err(|_| remove_draft(&draft))
    };
    replaced().map_err(|error| failed("write", path, error))
}

/// Writes a file of a folder that is itself a draft: nobody reads it before the folder is renamed.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be written.
pub(crate) fn write_in_draft(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, bytes, Lasting::Yes).map_err(|error| failed("write", path, error))
}

/// Writes a small file that may be lost in a power cut, such as one of the many logs.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be written; nothing of it is then left.
pub(crate) fn write_log(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = put(path, bytes, Lasting::No).inspect_err(|_| remove_draft(path));
    written.map_err(|error| failed("write", path, error))
}

/// Makes a folder and those above it, if they do not exist.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be made.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    change(|| fs::create_dir_all(path)).map_err(|error| failed("create", path, error))
}

/// Renames a file or a folder, and makes the new name last.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be renamed.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    change(|| fs::rename(from, to))
        .and_then(|()| sync_names(to))
        .map_err(|error| failed("write", to, error))
}

/// Removes a file, if there is one.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match removal(|| fs::remove_file(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it, if there is one; as a draft first, so that a process that is killed on the way leaves no
/// half of a folder.
///
/// # Errors
/// [`Error::File`] or [`Error::Disk`] when it cannot be removed.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    let draft = path.with_extension(DRAFT);
    let mut removed = removal(|| match draft == path {
        true => Ok(()),
        // One that such a process has left.
        false => match fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::rename(path, &draft),
        },
    });
    if removed.is_ok() {
        removed = removal(|| fs::remove_dir_all(&draft));
    }
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Returns whether there is something at a path.
///
/// # Errors
/// [`Error::File`] when the system does not say, as without the permission to look.
pub(crate) fn exists(path: &Path) -> Result<bool> {
    let found = path.try_exists();
    found.map_err(|error| Error::file("read", path, error))
}

/// Reads a whole file; `None` where there is none.
///
/// # Errors
/// [`Error::File`] when it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match read_bytes(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path, error)),
    }
}

/// Reads a regular file. A pipe is refused before it is opened: its end might never come.
///
/// # Errors
/// What the system says, or that it is no regular file.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    fs::read(path)
}

/// Reads a regular text file.
///
/// # Errors
/// As [`read_bytes`], or that it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_bytes(path)?);
    text.map_err(|_| io::Error::other("it is not text in UTF-8"))
}

/// Returns whether a name is that of a draft.
pub(crate) fn is_draft(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending == DRAFT)
}

/// Whether the contents of a file must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasting {
    Yes,
    No,
}

/// Writes a file in its place, and removes nothing if that fails.
fn put(path: &Path, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
    let mut file = change(|| File::create(path))?;
    fill(&mut file, bytes)?;
    match lasting {
        Lasting::Yes => change(|| file.sync_all()),
        Lasting::No => Ok(()),
    }
}

/// Writes bytes to an open file. A test that lets this fail gets half of them written, as by a full disk.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Err(error) = faults::next() {
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(error);
    }
    file.write_all(bytes)
}

/// Changes something on the disk.
fn change<T>(what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(test)]
    faults::next()?;
    what()
}

/// Frees room on the disk.
fn removal(what: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(test)]
    faults::next_removal()?;
    what()
}

/// Returns the place of a file that is written: a link stays a link, and the file that it names is replaced.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] for what is no file, such as a device, which a rename would replace.
pub(crate) fn replaceable(path: &Path) -> io::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => path.canonicalize(),
        Ok(_) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is no regular file",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.into()),
        Err(error) => Err(error),
    }
}

/// Returns the path of a draft. Two processes that write the same file have a draft each.
fn draft(place: &Path) -> PathBuf {
    let mut name = place.file_name().map_or_else(OsString::new, Into::into);
    name.push(format!(".{}.{DRAFT}", std::process::id()));
    place.with_file_name(name)
}

/// Removes what could not be written whole. The error of the writing is what matters, so another one here is not.
fn remove_draft(path: &Path) {
    let _ = removal(|| fs::remove_file(path));
}

/// Makes the names in the folder of a path last. Only Unix can.
fn sync_names(path: &Path) -> io::Result<()> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        change(|| File::open(folder)?.sync_all())?;
    }
    Ok(())
}

/// Wraps what the system said about a change: a place that a user may not write to, or a failure of the disk.
fn failed(action: &'static str, path: &Path, error: io::Error) -> Error {
    let is_mistake = matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
    );
    match is_mistake {
        true => Error::file(action, path, error),
        false => Error::Disk {
            action,
            path: path.into(),
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_the_older_file_and_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, b"older").unwrap();
        let mut n = 1;
        loop {
            let full = faults::Fault::FullAt(n);
            let (written, _) = faults::with(full, || write(&path, b"newer"));
            let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
            assert_eq!(names.len(), 1, "{n}");
            let found = fs::read(&path).unwrap();
            let Err(error) = written else {
                assert_eq!(found, b"newer");
                break;
            };
            assert!(matches!(error, Error::Disk { .. }), "{error}");
            // Renamed already, only not known to last.
            assert!(found == b"older" || n == 5, "{n}");
            n += 1;
        }
        assert!(n > 4, "create, fill, sync, rename, sync of the name");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link_and_a_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "older").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"newer").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"newer");
        // A socket stands for a device, which a test must not put at risk.
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refused = write(&socket, b"newer").unwrap_err();
        assert!(refused.to_string().contains("no regular file"), "{refused}");
    }
}
