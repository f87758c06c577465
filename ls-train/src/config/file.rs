//! Reading of small text files that a user names.

use std::fs;
use std::path::Path;

use crate::{Error, Result, files};

/// Largest size of a configuration in bytes: far above any real one.
const SIZE_LIMIT: u64 = 1 << 20;

/// Reads a regular text file of at most 1 MiB. Devices and pipes are refused before they are opened: a read of them might never end.
///
/// # Errors
/// [`Error::File`], naming what is wrong.
pub fn read_text(path: &Path) -> Result<String> {
    let failed = |reason: String| Error::file("read", path, reason);
    let metadata = fs::metadata(path).map_err(|cause| failed(cause.to_string()))?;
    if metadata.is_file() && metadata.len() > SIZE_LIMIT {
        return Err(failed(
            "it is larger than 1 MiB, which no configuration is".into(),
        ));
    }
    files::read_text(path).map_err(|cause| failed(cause.to_string()))
}

/// Returns a mistake in a file in plain words, with its line.
pub fn in_file(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or_else(String::new, |span| {
        let number = text[..span.start.min(text.len())].matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        format!("line {}, `{line}`: ", number + 1)
    });
    line + &in_plain_words(error.message())
}

/// A message of the parser without names of Rust types.
pub(crate) fn in_plain_words(message: &str) -> String {
    message
        .trim()
        .replace('\n', " ")
        .replace("expected usize", "expected a whole number")
        .replace("expected u64", "expected a whole number")
        .replace("expected f64", "expected a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_files_of_at_most_a_mebibyte_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        let limit = SIZE_LIMIT as usize;
        fs::write(&file, "x".repeat(limit)).unwrap();
        assert_eq!(read_text(&file).unwrap().len(), limit);
        let refused = |path: &Path| read_text(path).unwrap_err().to_string();
        fs::write(&file, "x".repeat(limit + 1)).unwrap();
        assert!(
            refused(&file).ends_with("a.toml: it is larger than 1 MiB, which no configuration is")
        );
        fs::write(&file, [0xff]).unwrap();
        assert!(refused(&file).ends_with("a.toml: it is not text in UTF-8"));
        assert!(refused(folder.path()).ends_with(": it is not a regular file"));
        if cfg!(unix) {
            assert_eq!(
                refused(Path::new("/dev/zero")),
                "cannot read /dev/zero: it is not a regular file"
            );
        }
        assert!(refused(&folder.path().join("gone")).contains("No such file"));
    }
}
