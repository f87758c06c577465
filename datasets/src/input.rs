//! Opened files that keep their name for errors and count the bytes read.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::Error;

/// Limit on the size of a file, packed or unpacked: every known data set is far smaller than 1 GiB.
pub(crate) const BYTES_LIMIT: u64 = 1 << 30;

/// A source of bytes, decompressed where needed, and its name for errors.
pub(crate) struct Input<'a> {
    name: String,
    reader: Box<dyn Read + 'a>,
    position: u64,
}

impl<'a> Input<'a> {
    /// Reads bytes as they are.
    pub(crate) fn plain(name: impl Into<String>, reader: impl Read + 'a) -> Self {
        Self {
            name: name.into(),
            reader: Box::new(reader),
            position: 0,
        }
    }

    /// Reads bytes through a gzip decoder.
    pub(crate) fn gzip(name: impl Into<String>, reader: impl Read + 'a) -> Self {
        Self::plain(name, MultiGzDecoder::new(reader))
    }

    /// Opens a file; one whose name ends in `.gz` is decompressed.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|cause| read_failed(&name, cause))?;
        let compressed = path.extension().is_some_and(|extension| extension == "gz");
        Ok(if compressed {
            Self::gzip(name, file)
        } else {
            Self::plain(name, file)
        })
    }

    /// Opens the first of `names` that is a file in `folder`.
    pub(crate) fn find(folder: &Path, names: &[String]) -> Result<Self, Error> {
        match names
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
        {
            Some(path) => Self::open(&path),
            None => Err(Error::FileMissing {
                place: folder.display().to_string(),
                looked_for: names.join(", "),
            }),
        }
    }

    /// Returns the name of the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the next `limit` bytes, or fewer if the file ends earlier.
    ///
    /// The buffer grows with the data: a size in a header alone never causes an allocation.
    pub(crate) fn read_at_most(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let outcome = self.reader.by_ref().take(limit).read_to_end(&mut bytes);
        outcome.map_err(|cause| read_failed(&self.name, cause))?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads the rest, which must not be longer than `limit` bytes.
    ///
    /// A request for one byte more distinguishes a file that is too long from one that just fits.
    pub(crate) fn read_within(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.read_at_most(limit.saturating_add(1))?;
        if bytes.len() as u64 <= limit {
            return Ok(bytes);
        }
        Err(Error::TooLarge {
            file: self.name.clone(),
            limit,
        })
    }

    /// Reads the next `size` bytes, which must end the file.
    ///
    /// A request for one byte more finds trailing bytes, and makes the gzip decoder compare its checksum.
    pub(crate) fn read_rest(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let expected = self.position.saturating_add(size);
        let bytes = self.read_at_most(size.saturating_add(1))?;
        match self.position.cmp(&expected) {
            Ordering::Less => Err(self.truncated(expected)),
            Ordering::Equal => Ok(bytes),
            Ordering::Greater => Err(Error::TrailingBytes {
                file: self.name.clone(),
                expected,
            }),
        }
    }

    /// Returns the error for a file that ended here instead of after `expected` bytes.
    pub(crate) fn truncated(&self, expected: u64) -> Error {
        Error::Truncated {
            file: self.name.clone(),
            found: self.position,
            expected,
        }
    }
}

/// Distinguishes a failing disk from damaged contents: only errors of the operating system carry an error number.
pub(crate) fn read_failed(file: &str, cause: io::Error) -> Error {
    let file = file.to_owned();
    if cause.raw_os_error().is_some() {
        return Error::Io { file, cause };
    }
    let reason = cleaned(&cause.to_string());
    Error::Corrupt { file, reason }
}

/// Removes control characters from text that may quote a file: they must not reach a terminal or break the line.
pub(crate) fn cleaned(text: &str) -> String {
    text.replace(char::is_control, "").trim().to_owned()
}

/// Returns the beginning of a value, escaped, so that any value fits into a message of one line.
pub(crate) fn shortened(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.escape_debug().take(20).collect()
}

/// Returns the first names, so that a message stays short.
pub(crate) fn listed(classes: &[String]) -> String {
    let names: Vec<String> = classes
        .iter()
        .take(10)
        .map(|name| shortened(name.as_bytes()))
        .collect();
    let more = if classes.len() > 10 { " and more" } else { "" };
    names.join(", ") + more
}

/// Checks that a path names a folder, so that a mistyped path is not reported as missing files.
pub(crate) fn check_folder(path: &Path) -> Result<(), Error> {
    let place = path.display().to_string();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Err(Error::PathMissing { path: place })
        }
        Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Err(read_failed(&place, cause))
        }
        _ => Err(Error::NotAFolder { folder: place }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gzipped;

    #[test]
    fn data_that_is_not_gzip_is_corrupt() {
        let error = Input::gzip("a.gz", &b"plain text, no gzip"[..])
            .read_rest(4)
            .unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("a.gz is not a valid compressed file, or is damaged: ")
        );
    }

    #[test]
    fn a_cut_gzip_file_is_corrupt_at_every_length() {
        let whole = gzipped(b"four");
        for length in 1..whole.len() {
            let error = Input::gzip("a.gz", &whole[..length])
                .read_rest(4)
                .unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn a_wrong_gzip_checksum_is_corrupt() {
        let mut bytes = gzipped(b"four");
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        let error = Input::gzip("a.gz", &bytes[..]).read_rest(4).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }

    #[test]
    fn bytes_after_the_gzip_data_are_not_ignored() {
        let mut bytes = gzipped(b"four");
        bytes.extend(b"junk");
        assert!(Input::gzip("a.gz", &bytes[..]).read_rest(4).is_err());
    }

    #[test]
    fn a_file_that_never_ends_is_abandoned_after_the_expected_bytes() {
        let error = Input::plain("endless", io::repeat(0))
            .read_rest(1000)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "endless continues after the expected 1000 bytes"
        );
    }

    #[test]
    fn a_file_above_the_limit_is_refused_and_not_cut() {
        let read = |limit| Input::plain("a.csv", &b"1234"[..]).read_within(limit);
        assert_eq!(read(4).unwrap(), b"1234");
        let error = read(3).unwrap_err().to_string();
        assert_eq!(error, "a.csv holds more than the 3 bytes that are allowed");
        let packed = gzipped(b"1234");
        let error = Input::gzip("a.gz", &packed[..]).read_within(3).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 3, .. }), "{error}");
    }

    #[test]
    fn a_huge_expected_size_does_not_allocate() {
        let error = Input::plain("small", &[1, 2, 3][..])
            .read_rest(u64::MAX)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("small ends after 3 bytes, expected {}", u64::MAX)
        );
    }

    #[test]
    fn the_operating_systems_errors_are_not_called_damage() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Input::open(&folder.path().join("missing")).err().unwrap();
        assert!(matches!(missing, Error::Io { .. }), "{missing}");
    }

    #[test]
    fn a_missing_file_lists_the_names_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["one".to_owned(), "one.gz".to_owned()];
        let error = Input::find(folder.path(), &names).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("{} holds none of: one, one.gz", folder.path().display())
        );
    }

    #[test]
    fn a_path_that_is_no_folder_or_does_not_exist_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let gone = tempfile::tempdir().unwrap().path().join("gone");
        for (path, reason) in [
            (file.path(), "is not a folder"),
            (&file.path().join("below"), "is not a folder"),
            (&gone, "does not exist"),
        ] {
            let error = check_folder(path).unwrap_err();
            assert_eq!(error.to_string(), format!("{} {reason}", path.display()));
        }
    }
}
