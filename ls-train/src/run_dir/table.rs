//! `history.csv` read back, by the names of its columns.

use std::path::Path;

use super::HISTORY;
use crate::{Error, Result};

/// The figures that a run has written so far; a row per sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryTable {
    names: Vec<String>,
    rows: Vec<Vec<Option<f64>>>,
}

impl HistoryTable {
    /// Reads the history of the run in a folder; a run that has not got as far as to have one has no rows.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join(HISTORY);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| Error::file("read", &path, error))?;
        Self::parse(&text).map_err(|error| Error::file("read", &path, error))
    }

    fn parse(text: &str) -> csv::Result<Self> {
        // The last line of a run under way, or of one that was killed, may be half a row.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut reader = csv::Reader::from_reader(complete.as_bytes());
        let names = reader.headers()?.iter().map(String::from).collect();
        let number = |cell: &str| cell.parse().ok();
        let rows = reader
            .records()
            .map(|row| Ok(row?.iter().map(number).collect()));
        Ok(Self {
            names,
            rows: rows.collect::<csv::Result<_>>()?,
        })
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names of the columns that begin so, from left to right.
    pub fn columns<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.names.iter().map(String::as_str);
        names.filter(move |name| name.starts_with(beginning))
    }

    /// The figures of two columns, from the rows that have both as finite numbers; none without such columns.
    pub fn points(&self, x: &str, y: &str) -> Vec<(f64, f64)> {
        let position = |wanted: &str| self.names.iter().position(|name| name == wanted);
        let (Some(x), Some(y)) = (position(x), position(y)) else {
            return Vec::new();
        };
        let finite = |row: &[Option<f64>], column: usize| {
            let cell = row.get(column).copied().flatten();
            cell.filter(|number| number.is_finite())
        };
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((finite(row, x)?, finite(row, y)?)))
            .collect()
    }

    /// Returns the original losses of the training split over the seconds spent in sweeps, as pairs `(seconds, F)`.
    pub fn original_losses(&self) -> Vec<(f64, f64)> {
        self.points("seconds", "train_original_loss")
    }

    /// The figure of a column in the last row.
    pub fn last(&self, name: &str) -> Option<f64> {
        let column = self.names.iter().position(|own| own == name)?;
        *self.rows.last()?.get(column)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_half_a_row_is_left_out() {
        let text = "sweep,form,loss,residual_1,residual_2\n0,,inf,,\n1,full,0.5,1e-3,2\n2,full,0.2";
        let table = HistoryTable::parse(text).unwrap();
        assert_eq!(table.points("sweep", "loss"), [(1.0, 0.5)]);
        assert_eq!(table.points("loss", "residual_2"), [(0.5, 2.0)]);
        assert!(table.points("sweep", "form").is_empty());
        assert!(table.points("sweep", "nothing").is_empty());
        let residuals: Vec<_> = table.columns("residual_").collect();
        assert_eq!(residuals, ["residual_1", "residual_2"]);
        assert_eq!(table.last("residual_1"), Some(1e-3));
    }
}
