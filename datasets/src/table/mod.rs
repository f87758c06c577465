//! Tables of pixels, with or without labels: separators, lines, columns and headers of CSV files.
//!
//! | module | holds |
//! | --- | --- |
//! | `rule` | what a caller says about a table |
//! | `separator` | the character between values |
//! | `columns` | the columns, as the first line shows them |

mod columns;
mod rule;
mod separator;

use csv::{ByteRecord, Reader, ReaderBuilder};

pub use rule::{LabelColumn, TableRule};

use self::columns::Columns;
use crate::Error;
use crate::input::{cleaned, shortened};
use crate::samples::{SIDE_LIMIT, check_size};
use crate::scale::{PixelScale, ScaleFinder};

/// Contents of the lines of a table.
#[derive(Clone, Copy)]
pub(crate) enum TableLayout<'a> {
    /// The pixels of one image and a label, which is in the given column, else in that which the header names, else in the first.
    Labelled(Option<&'a LabelColumn>),
    /// This number of pixels, and a label only if the header names its column.
    Pixels(usize),
}

/// Reads a table line by line.
pub(crate) struct Lines<'a> {
    file: &'a str,
    reader: Reader<&'a [u8]>,
    record: ByteRecord,
    separator: u8,
    columns: Columns,
    /// Whether the record is a first line of values that `advance` has not returned yet.
    is_pending: bool,
}

impl<'a> Lines<'a> {
    /// Reads the first line, which determines the columns.
    pub(crate) fn new(
        file: &'a str,
        text: &'a [u8],
        layout: TableLayout<'_>,
    ) -> Result<Self, Error> {
        let separator = separator::separator(text);
        check_lines(file, text, separator)?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text);
        let mut lines = Self {
            file,
            reader,
            record: ByteRecord::new(),
            separator,
            columns: Columns::default(),
            is_pending: false,
        };
        if lines.read()? {
            lines.columns = Columns::detect(file, &lines.record, layout)?;
            lines.check_count(lines.columns.expected(layout))?;
            lines.is_pending = !lines.columns.is_header;
        }
        Ok(lines)
    }

    /// Returns the number of pixels in each line; 0 in an empty table.
    pub(crate) fn features(&self) -> usize {
        self.columns.count - usize::from(self.columns.label.is_some())
    }

    /// Returns the name of the character between the values, and the column of the label, from 1.
    pub(crate) fn found(&self) -> (&'static str, Option<usize>) {
        let label = self.columns.label.map(|at| at + 1);
        (separator::name(self.separator), label)
    }

    /// Moves to the next line of values; returns `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        if std::mem::take(&mut self.is_pending) {
            return Ok(true);
        }
        let has_line = self.read()?;
        if has_line {
            self.check_count(self.columns.count)?;
        }
        Ok(has_line)
    }

    /// Returns the number of the current line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.record.position().map_or(0, |at| at.line() as usize)
    }

    /// Returns the label in the current line.
    pub(crate) fn label(&self) -> Option<&[u8]> {
        values(&self.record).nth(self.columns.label?)
    }

    /// Hands the numbers of the current line to the search for a scale.
    pub(crate) fn find_scale(&self, finder: &mut ScaleFinder) -> Result<(), Error> {
        for (column, value) in self.numbers() {
            if !number(value).is_some_and(|number| finder.add(number)) {
                return Err(self.invalid(value, column, finder.allowed()));
            }
        }
        Ok(())
    }

    /// Appends the pixels of the current line.
    pub(crate) fn add_pixels(&self, scale: PixelScale, pixels: &mut Vec<u8>) -> Result<(), Error> {
        for (column, value) in self.numbers() {
            let pixel = number(value).and_then(|number| scale.pixel(number));
            pixels.push(pixel.ok_or_else(|| self.invalid(value, column, scale.allowed()))?);
        }
        Ok(())
    }

    /// Returns the values of the current line but for the label, with their columns from 0.
    fn numbers(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let values = values(&self.record).enumerate();
        values.filter(|(column, _)| Some(*column) != self.columns.label)
    }

    fn invalid(&self, value: &[u8], column: usize, allowed: String) -> Error {
        Error::InvalidValue {
            file: self.file.to_owned(),
            line: self.number(),
            column: column + 1,
            found: shortened(value),
            allowed,
        }
    }

    /// Reads the next line that is not empty.
    fn read(&mut self) -> Result<bool, Error> {
        let outcome = self.reader.read_byte_record(&mut self.record);
        outcome.map_err(|error| Error::Corrupt {
            file: self.file.to_owned(),
            reason: cleaned(&error.to_string()),
        })
    }

    fn check_count(&self, expected: usize) -> Result<(), Error> {
        if self.record.len() == expected {
            return Ok(());
        }
        Err(Error::ValueCount {
            file: self.file.to_owned(),
            line: self.number(),
            found: self.record.len(),
            expected,
            separator: separator::name(self.separator),
        })
    }
}

fn number(text: &[u8]) -> Option<f64> {
    let text = str::from_utf8(text).ok()?;
    // Most tables hold bytes, which are read several times as fast.
    let byte = text.parse::<u8>().map(f64::from);
    byte.or_else(|_| text.parse()).ok()
}

/// Refuses a line with more values than any image has, because the CSV reader would keep several copies of it.
fn check_lines(file: &str, text: &[u8], separator: u8) -> Result<(), Error> {
    let count = |line: &[u8]| line.iter().filter(|&&byte| byte == separator).count() as u64;
    let most = text.split(|&byte| byte == b'\n').map(count).max();
    // A line has one separator less than it has values, and one value is usually the label.
    let pixels = most.unwrap_or(0).max(1);
    check_size(file, "pixels in a line", pixels, SIDE_LIMIT * SIDE_LIMIT)
}

/// Returns the values of a line without surrounding spaces; the CSV reader itself would trim a copy of the line.
fn values(record: &ByteRecord) -> impl Iterator<Item = &[u8]> {
    record.iter().map(<[u8]>::trim_ascii)
}
