//! The columns of a table, as its first line shows them.

use csv::ByteRecord;

use super::{LabelColumn, TableLayout, values};
use crate::Error;
use crate::input::shortened;

/// Names of the label column in a header.
const LABEL_NAMES: [&[u8]; 3] = [b"label", b"class", b"target"];

/// Columns of the table, as detected from its first line.
#[derive(Clone, Copy, Default)]
pub(super) struct Columns {
    pub(super) count: usize,
    /// Column of the label, from 0.
    pub(super) label: Option<usize>,
    pub(super) is_header: bool,
}

impl Columns {
    /// Detects the columns.
    ///
    /// # Errors
    /// [`Error::LabelColumn`] for a named column that is not there.
    pub(super) fn detect(
        file: &str,
        record: &ByteRecord,
        layout: TableLayout<'_>,
    ) -> Result<Self, Error> {
        if let TableLayout::Labelled(Some(named)) = layout {
            return Self::with_label(file, record, named);
        }
        let unnamed = match layout {
            TableLayout::Labelled(_) => Some(0),
            TableLayout::Pixels(_) => None,
        };
        let named = values(record).position(is_label);
        let label = named.or(unnamed);
        let is_header = is_header(record, label);
        Ok(Self {
            count: record.len(),
            // In a line of data, a word such as `label` is a class.
            label: if is_header { label } else { unnamed },
            is_header,
        })
    }

    /// Takes the label column that the caller names.
    fn with_label(file: &str, record: &ByteRecord, named: &LabelColumn) -> Result<Self, Error> {
        let count = record.len();
        let refused = |reason: String| Error::LabelColumn {
            file: file.to_owned(),
            found: shortened(named.to_string().as_bytes()),
            reason,
        };
        let label = match named {
            LabelColumn::Last => count.saturating_sub(1),
            LabelColumn::Number(number) if (1..=count).contains(number) => number - 1,
            LabelColumn::Number(_) => {
                return Err(refused(format!("columns are numbered from 1 to {count}")));
            }
            LabelColumn::Name(name) => {
                let is_own = |value: &[u8]| value.eq_ignore_ascii_case(name.as_bytes());
                let at = values(record).position(is_own);
                at.ok_or_else(|| refused("no column of the first line has this name".into()))?
            }
        };
        let is_header = matches!(named, LabelColumn::Name(_)) || is_header(record, Some(label));
        Ok(Self {
            count,
            label: Some(label),
            is_header,
        })
    }

    /// Returns the number of values that the first line must have; an image with a label has at least one pixel.
    pub(super) fn expected(self, layout: TableLayout<'_>) -> usize {
        match layout {
            TableLayout::Labelled(_) => self.count.max(2),
            TableLayout::Pixels(features) => features + usize::from(self.label.is_some()),
        }
    }
}

/// Returns whether a first line holds names; `label` is the column of the label, if there is one.
fn is_header(record: &ByteRecord, label: Option<usize>) -> bool {
    let is_named = label
        .and_then(|at| values(record).nth(at))
        .is_some_and(is_label);
    is_text(record, label) || (is_named && is_numbered(record, label))
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
