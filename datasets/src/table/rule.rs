//! What a caller says about the tables of a data set.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// What a caller says about tables; whatever is missing is found in the file.
///
/// ```
/// use ls_datasets::{LabelColumn, TableRule};
///
/// let rule = TableRule { label_column: Some("last".parse()?), pixel_max: Some(16.0) };
/// assert_eq!(rule.label_column, Some(LabelColumn::Last));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableRule {
    /// Column of the labels: that which the header calls `label`, `class` or `target`, else the first.
    pub label_column: Option<LabelColumn>,
    /// Number of full intensity: the least of 1, 16 and 255 that no number exceeds.
    pub pixel_max: Option<f64>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelColumn {
    /// The last one.
    Last,
    /// By its position, from 1.
    Number(usize),
    /// By its name in the header, of which capitals do not matter.
    Name(String),
}

impl FromStr for LabelColumn {
    type Err = Infallible;

    /// Reads `first`, `last`, a position from 1, or a name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text, text.parse()) {
            ("first", _) => Self::Number(1),
            ("last", _) => Self::Last,
            (_, Ok(number)) => Self::Number(number),
            (name, Err(_)) => Self::Name(name.to_owned()),
        })
    }
}

impl fmt::Display for LabelColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
