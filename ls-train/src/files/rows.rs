//! Tables in CSV that grow row by row.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{change, failed, fill, removal, write};
use crate::{Error, Result};

/// A table that is open for more rows. A row that cannot be written whole is taken back.
pub(crate) struct Rows {
    path: PathBuf,
    file: File,
    /// Bytes so far.
    length: u64,
}

impl Rows {
    /// Writes the beginning of a table, in the place of an older one, and opens it.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when it cannot be written.
    pub(crate) fn create(path: &Path, beginning: &str) -> Result<Self> {
        write(path, beginning.as_bytes())?;
        let opened = change(|| File::options().append(true).open(path));
        Ok(Self {
            path: path.into(),
            file: opened.map_err(|error| failed("write", path, error))?,
            length: beginning.len() as u64,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Disk`] when it cannot be written, or when another program has changed the table.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = String>) -> Result<()> {
        let row = row(cells).map_err(|error| Error::file("write", &self.path, error))?;
        let found = self.file.metadata();
        let found = found.map_err(|error| failed("write", &self.path, error))?;
        if found.len() != self.length {
            return Err(Error::file(
                "write",
                &self.path,
                "another program has changed it",
            ));
        }
        let written = fill(&mut self.file, &row).inspect_err(|_| {
            // Readers leave out half a row that could not be taken back.
            let _ = removal(|| self.file.set_len(self.length));
        });
        written.map_err(|error| failed("write", &self.path, error))?;
        self.length += row.len() as u64;
        Ok(())
    }
}

/// Formats a row with its end of line.
fn row(cells: impl IntoIterator<Item = String>) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells.into_iter().map(String::into_bytes))?;
    writer.flush()?;
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::super::faults::{self, Fault};
    use super::*;

    #[test]
    fn half_a_row_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut rows = Rows::create(&path, "a,b\n").unwrap();
        let cells = || ["1", "x,y"].map(String::from);
        faults::with(Fault::FullAt(1), || rows.add(cells()).unwrap_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n");
        rows.add(cells()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,\"x,y\"\n");
    }

    #[test]
    fn a_table_that_another_program_has_emptied_gets_no_more_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut rows = Rows::create(&path, "a\n").unwrap();
        std::fs::write(&path, "").unwrap();
        let refused = rows.add(["1".to_owned()]).unwrap_err().to_string();
        assert!(
            refused.ends_with("another program has changed it"),
            "{refused}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
