//! Tables of pixels, with or without labels: lines, columns and headers of CSV files.

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::Error;
use crate::input::{cleaned, shortened};
use crate::samples::{SIDE_LIMIT, check_size};

/// Names of the label column in a header.
const LABEL_NAMES: [&[u8]; 3] = [b"label", b"class", b"target"];

/// Contents of the lines of a table.
#[derive(Clone, Copy)]
pub(crate) enum TableLayout {
    /// The pixels of one image and a label, which is in the first column unless the header names another.
    Labelled,
    /// This number of pixels, and a label only if the header names its column.
    Pixels(usize),
}

/// Reads a table line by line.
pub(crate) struct Lines<'a> {
    file: &'a str,
    reader: Reader<&'a [u8]>,
    record: ByteRecord,
    columns: Columns,
    /// Whether the record is a first line of values that `advance` has not returned yet.
    is_pending: bool,
}

impl<'a> Lines<'a> {
    /// Reads the first line, which determines the columns.
    pub(crate) fn new(file: &'a str, text: &'a [u8], layout: TableLayout) -> Result<Self, Error> {
        check_lines(file, text)?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let mut lines = Self {
            file,
            reader,
            record: ByteRecord::new(),
            columns: Columns::default(),
            is_pending: false,
        };
        if lines.read()? {
            lines.columns = Columns::detect(&lines.record, layout);
            lines.check_count(lines.columns.expected(layout))?;
            lines.is_pending = !lines.columns.is_header;
        }
        Ok(lines)
    }

    /// Returns the number of pixels in each line; 0 in an empty table.
    pub(crate) fn features(&self) -> usize {
        self.columns.count - usize::from(self.columns.label.is_some())
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

    /// Appends the pixels of the current line.
    pub(crate) fn add_pixels(&self, pixels: &mut Vec<u8>) -> Result<(), Error> {
        for (column, value) in values(&self.record).enumerate() {
            if Some(column) != self.columns.label {
                pixels.push(self.pixel(value, column + 1)?);
            }
        }
        Ok(())
    }

    fn pixel(&self, value: &[u8], column: usize) -> Result<u8, Error> {
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::InvalidValue {
            file: self.file.to_owned(),
            line: self.number(),
            column,
            found: shortened(value),
            limit: u8::MAX,
        })
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
        })
    }
}

/// Refuses a line with more values than any image has, because the CSV reader would keep several copies of it.
fn check_lines(file: &str, text: &[u8]) -> Result<(), Error> {
    let commas = |line: &[u8]| line.iter().filter(|&&byte| byte == b',').count() as u64;
    let most = text.split(|&byte| byte == b'\n').map(commas).max();
    // A line has one comma less than it has values, and one value is usually the label.
    let pixels = most.unwrap_or(0).max(1);
    check_size(file, "pixels in a line", pixels, SIDE_LIMIT * SIDE_LIMIT)
}

/// Returns the values of a line without surrounding spaces; the CSV reader itself would trim a copy of the line.
fn values(record: &ByteRecord) -> impl Iterator<Item = &[u8]> {
    record.iter().map(<[u8]>::trim_ascii)
}

/// Columns of the table, as detected from its first line.
#[derive(Clone, Copy, Default)]
struct Columns {
    count: usize,
    /// Column of the label, from 0.
    label: Option<usize>,
    is_header: bool,
}

impl Columns {
    fn detect(record: &ByteRecord, layout: TableLayout) -> Self {
        let unnamed = match layout {
            TableLayout::Labelled => Some(0),
            TableLayout::Pixels(_) => None,
        };
        let named = values(record).position(is_label);
        let label = named.or(unnamed);
        let is_header = is_text(record, label) || (named.is_some() && is_numbered(record, label));
        Self {
            count: record.len(),
            // In a line of data, a word such as `label` is a class.
            label: if is_header { label } else { unnamed },
            is_header,
        }
    }

    /// Returns the number of values that the first line must have; an image with a label has at least one pixel.
    fn expected(self, layout: TableLayout) -> usize {
        match layout {
            TableLayout::Labelled => self.count.max(2),
            TableLayout::Pixels(features) => features + usize::from(self.label.is_some()),
        }
    }
}

fn is_label(name: &[u8]) -> bool {
    LABEL_NAMES
        .iter()
        .any(|label| name.eq_ignore_ascii_case(label))
}

/// Returns the values of all columns except the label.
fn others(record: &ByteRecord, label: Option<usize>) -> impl Iterator<Item = &[u8]> {
    let columns = values(record).enumerate();
    columns
        .filter(move |&(at, _)| Some(at) != label)
        .map(|(_, value)| value)
}

/// Returns whether the line has names and no number, so that one wrong pixel does not make it a header.
fn is_text(record: &ByteRecord, label: Option<usize>) -> bool {
    others(record, label).any(|name| !name.is_empty()) && !others(record, label).any(is_number)
}

fn is_number(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// Returns whether the columns are numbered from 0 or from 1, as some programs do.
fn is_numbered(record: &ByteRecord, label: Option<usize>) -> bool {
    let is_counted = |first: usize| {
        others(record, label)
            .enumerate()
            .all(|(i, name)| name == (first + i).to_string().as_bytes())
    };
    is_counted(0) || is_counted(1)
}
