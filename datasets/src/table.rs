//! Tables of pixels, with or without a label: lines, columns and headers of CSV files.

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::Error;
use crate::input::{cleaned, shortened};
use crate::samples::{SIDE_LIMIT, check_size};

/// Names of the label column in a header.
const LABEL_NAMES: [&[u8]; 3] = [b"label", b"class", b"target"];

/// What the lines of a table hold.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// The pixels of one image, and a label: in the first column unless the header names another.
    Labelled,
    /// So many pixels, and a label only where the header names its column.
    Pixels(usize),
}

/// The lines of a table, one after the other.
pub(crate) struct Lines<'a> {
    file: &'a str,
    reader: Reader<&'a [u8]>,
    record: ByteRecord,
    columns: Columns,
    /// Whether the record is a first line of values that nobody has asked for yet.
    is_ahead: bool,
}

impl<'a> Lines<'a> {
    /// Reads the first line, which says what the columns are.
    pub(crate) fn new(file: &'a str, text: &'a [u8], layout: Layout) -> Result<Self, Error> {
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
            is_ahead: false,
        };
        if lines.read()? {
            lines.columns = Columns::of(&lines.record, layout);
            lines.check_count(lines.columns.expected(layout))?;
            lines.is_ahead = !lines.columns.is_header;
        }
        Ok(lines)
    }

    /// Number of pixels in each line; 0 in an empty table.
    pub(crate) fn features(&self) -> usize {
        self.columns.count - usize::from(self.columns.label.is_some())
    }

    /// Goes to the next line of values; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        if std::mem::take(&mut self.is_ahead) {
            return Ok(true);
        }
        let is_there = self.read()?;
        if is_there {
            self.check_count(self.columns.count)?;
        }
        Ok(is_there)
    }

    /// Number of the present line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.record.position().map_or(0, |at| at.line() as usize)
    }

    /// The label in the present line.
    pub(crate) fn label(&self) -> Option<&[u8]> {
        values(&self.record).nth(self.columns.label?)
    }

    /// Adds the pixels of the present line.
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

/// Refuses a line with more values than any image has, of which the library would keep several copies.
fn check_lines(file: &str, text: &[u8]) -> Result<(), Error> {
    let commas = |line: &[u8]| line.iter().filter(|&&byte| byte == b',').count() as u64;
    let most = text.split(|&byte| byte == b'\n').map(commas).max();
    // A line has one comma less than values, and mostly one value that is no pixel.
    let pixels = most.unwrap_or(0).max(1);
    check_size(file, "pixels in a line", pixels, SIDE_LIMIT * SIDE_LIMIT)
}

/// The values of a line without spaces around them; the library would trim a copy of the whole line.
fn values(record: &ByteRecord) -> impl Iterator<Item = &[u8]> {
    record.iter().map(<[u8]>::trim_ascii)
}

/// What the first line says about all of them.
#[derive(Clone, Copy, Default)]
struct Columns {
    count: usize,
    /// Column of the label, from 0.
    label: Option<usize>,
    is_header: bool,
}

impl Columns {
    fn of(record: &ByteRecord, layout: Layout) -> Self {
        let unnamed = match layout {
            Layout::Labelled => Some(0),
            Layout::Pixels(_) => None,
        };
        let named = values(record).position(is_label);
        let label = named.or(unnamed);
        let is_header = is_text(record, label) || (named.is_some() && is_numbered(record, label));
        Self {
            count: record.len(),
            // In a line of data such a word is a class.
            label: if is_header { label } else { unnamed },
            is_header,
        }
    }

    /// Values that the first line must have: of an image with a label, at least one pixel.
    fn expected(self, layout: Layout) -> usize {
        match layout {
            Layout::Labelled => self.count.max(2),
            Layout::Pixels(features) => features + usize::from(self.label.is_some()),
        }
    }
}

fn is_label(name: &[u8]) -> bool {
    LABEL_NAMES
        .iter()
        .any(|label| name.eq_ignore_ascii_case(label))
}

/// The values of all columns but that of the label.
fn others(record: &ByteRecord, label: Option<usize>) -> impl Iterator<Item = &[u8]> {
    let columns = values(record).enumerate();
    columns
        .filter(move |&(at, _)| Some(at) != label)
        .map(|(_, value)| value)
}

/// Whether there are names of pixels and not one number, so that a single wrong pixel makes no header.
fn is_text(record: &ByteRecord, label: Option<usize>) -> bool {
    others(record, label).any(|name| !name.is_empty()) && !others(record, label).any(is_number)
}

fn is_number(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// Whether the pixels are called by their numbers, from 0 or from 1, as some programs do.
fn is_numbered(record: &ByteRecord, label: Option<usize>) -> bool {
    let is_counted = |first: usize| {
        others(record, label)
            .enumerate()
            .all(|(i, name)| name == (first + i).to_string().as_bytes())
    };
    is_counted(0) || is_counted(1)
}
