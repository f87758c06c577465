//! `history.csv` read back, by the names of its columns.

use std::path::Path;

use ls_core::figure::SplitName;
use ls_core::fit::ORIGINAL_LOSS;

use super::HISTORY;
use super::columns::{Column, SECONDS, SWEEP};
use crate::{Error, Result, files};

/// The figures that a run has written so far; a row per sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryTable {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// The lines of a history before its first row of names.
fn is_comment(line: &str) -> bool {
    line.starts_with('#')
}

impl HistoryTable {
    /// Reads the history of the run in a folder; a run before its first sweep has no rows.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join(HISTORY);
        let failed = |reason: String| Error::file("read", &path, reason);
        let Some(bytes) = files::read(&path)? else {
            return Ok(Self::default());
        };
        let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    fn parse(text: &str) -> core::result::Result<Self, String> {
        // The last line of a run under way, or of one that was killed, may be half a row.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        let header: Vec<&str> = complete
            .lines()
            .take_while(|line| is_comment(line))
            .collect();
        let described = Column::parse_header(&header)?;
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(complete.as_bytes());
        let names = reader.headers().map_err(|error| error.to_string())?.clone();
        let column = |key: &str| {
            let found = described.iter().find(|column| column.key == key);
            found
                .cloned()
                .ok_or_else(|| format!("its header does not describe the column `{key}`"))
        };
        let cells = |row: csv::StringRecord| row.iter().map(String::from).collect();
        let rows = reader.records().map(|row| row.map(cells));
        Ok(Self {
            columns: names
                .iter()
                .map(column)
                .collect::<core::result::Result<_, _>>()?,
            rows: rows
                .collect::<csv::Result<_>>()
                .map_err(|error| error.to_string())?,
        })
    }

    /// Returns the columns, from left to right.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the numbers of the sweeps between the first row and the last that have no row: of a damaged file, as a run leaves none out.
    pub fn missing_sweeps(&self) -> Vec<usize> {
        let sweeps: Vec<usize> = self
            .points(SWEEP, SWEEP)
            .iter()
            .map(|row| row.0 as usize)
            .collect();
        let gaps = sweeps.windows(2);
        gaps.flat_map(|pair| pair[0] + 1..pair[1]).collect()
    }

    /// Returns the values of two columns, from the rows that have both as finite numbers; none without such columns.
    pub fn points(&self, x: &str, y: &str) -> Vec<(f64, f64)> {
        let (Some(x), Some(y)) = (self.position(x), self.position(y)) else {
            return Vec::new();
        };
        let finite = |row: &[String], column: usize| {
            let number: f64 = row.get(column)?.parse().ok()?;
            number.is_finite().then_some(number)
        };
        let rows = self.rows.iter();
        rows.filter_map(|row| Some((finite(row, x)?, finite(row, y)?)))
            .collect()
    }

    /// Returns the original losses of the training split over the seconds of training.
    pub fn original_losses(&self) -> Vec<(f64, f64)> {
        self.points(SECONDS, &ORIGINAL_LOSS.on(SplitName::Train).key())
    }

    /// Returns the number of a column in the last row.
    pub fn last(&self, key: &str) -> Option<f64> {
        self.rows.last()?.get(self.position(key)?)?.parse().ok()
    }

    /// Returns the cells of the last row, with their columns; empty cells are left out.
    pub fn last_row(&self) -> Vec<(&Column, &str)> {
        self.rows
            .last()
            .map_or_else(Vec::new, |row| self.cells(row))
    }

    /// Returns the cells of the row of a sweep, with their columns; empty cells are left out.
    pub fn row(&self, sweep: usize) -> Option<Vec<(&Column, &str)>> {
        let column = self.position(SWEEP)?;
        let is_of = |row: &&Vec<String>| {
            row.get(column)
                .is_some_and(|cell| *cell == sweep.to_string())
        };
        Some(self.cells(self.rows.iter().find(is_of)?))
    }

    fn cells<'a>(&'a self, row: &'a [String]) -> Vec<(&'a Column, &'a str)> {
        let cells = self.columns.iter().zip(row.iter().map(String::as_str));
        cells.filter(|(_, cell)| !cell.is_empty()).collect()
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ls_core::figure::Figure;

    #[test]
    fn columns_are_found_by_name_and_half_a_row_is_left_out() {
        let figures = [
            Figure::new("Form"),
            Figure::new("Loss"),
            Figure::new("Residual").at(1),
        ];
        let header: String = Column::all(&figures)
            .iter()
            .map(|column| column.header_line() + "\n")
            .collect();
        let text = header
            + "sweep,seconds,form,loss,residual_1\n0,0,,inf,\n1,0.5,full,0.5,1e-3\n2,1,full,0.2";
        let table = HistoryTable::parse(&text).unwrap();
        assert_eq!(table.points("sweep", "loss"), [(1.0, 0.5)]);
        assert_eq!(table.points("loss", "residual_1"), [(0.5, 1e-3)]);
        assert!(table.points("sweep", "form").is_empty());
        assert!(table.points("sweep", "nothing").is_empty());
        assert_eq!(table.last("residual_1"), Some(1e-3));
        let row = table.row(1).unwrap();
        assert_eq!(row[2].1, "full");
        assert_eq!(row[3].0.name, "Loss");
        assert!(table.row(2).is_none());
        let first: Vec<_> = table.row(0).unwrap().iter().map(|cell| cell.1).collect();
        assert_eq!(first, ["0", "0", "inf"]);
    }

    #[test]
    fn a_column_without_a_description_is_refused() {
        let refused = HistoryTable::parse("sweep,loss\n0,1\n").unwrap_err();
        assert!(refused.contains("`sweep`"), "{refused}");
    }
}
