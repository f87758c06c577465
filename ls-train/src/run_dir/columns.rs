//! The columns of `history.csv`, which its header describes.

use ls_core::figure::{Better, Figure, FigureScale, SplitName};
use serde::{Deserialize, Serialize};

/// Key of the column with the number of the sweep.
pub const SWEEP: &str = "sweep";

/// Key of the column with the seconds spent in sweeps.
pub const SECONDS: &str = "seconds";

/// A column of `history.csv`: the definition of its figure, as the header of the file holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Column {
    /// Name of the column.
    #[serde(skip)]
    pub key: String,
    /// Name of the figure that people read.
    pub name: String,
    /// Samples that the figure is measured on; none for a figure of the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitName>,
    /// Stage that the figure belongs to, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// Unit in words; empty for a pure number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Values that are better.
    pub better: Better,
    /// Scale of its chart.
    pub scale: FigureScale,
    /// Title of the chart that it is drawn in.
    pub chart: String,
}

impl From<&Figure> for Column {
    fn from(figure: &Figure) -> Self {
        Self {
            key: figure.key(),
            name: figure.name.into(),
            split: figure.split,
            stage: figure.stage,
            unit: figure.unit.into(),
            better: figure.better,
            scale: figure.scale,
            chart: figure.chart_title().into(),
        }
    }
}

impl Column {
    /// Describes the columns of a run with the given figures: sweep, seconds, and one for each figure.
    pub fn all(figures: &[Figure]) -> Vec<Self> {
        let counter = |key: &str, name: &str, unit: &str| Self {
            key: key.into(),
            name: name.into(),
            split: None,
            stage: None,
            unit: unit.into(),
            better: Better::Neither,
            scale: FigureScale::Linear,
            chart: name.into(),
        };
        let mut columns = vec![
            counter(SWEEP, "Sweep", "sweeps"),
            counter(SECONDS, "Seconds", "seconds of training"),
        ];
        columns.extend(figures.iter().map(Self::from));
        columns
    }

    /// Returns its line of the header, a comment whose text is TOML.
    pub fn header_line(&self) -> String {
        let mut text = String::new();
        let table = toml::Table::try_from(self).unwrap_or_default();
        for (key, value) in &table {
            let comma = if text.is_empty() { "" } else { ", " };
            text += &format!("{comma}{key} = {value}");
        }
        format!("# {} = {{ {text} }}", self.key)
    }

    /// Reads the lines of a header, by their keys.
    ///
    /// # Errors
    /// The mistake, in words.
    pub fn parse_header(lines: &[&str]) -> Result<Vec<Self>, String> {
        let text: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("# "))
            .collect();
        let tables: toml::Table = text
            .join("\n")
            .parse()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let column = |(key, value): (String, toml::Value)| {
            let column: Self = value
                .try_into()
                .map_err(|error: toml::de::Error| format!("{key}: {}", error.message()))?;
            Ok(Self { key, ..column })
        };
        tables.into_iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_describes_every_column() {
        let residual = Figure::new("Residual")
            .on(SplitName::Train)
            .at(2)
            .unit("squared activation units")
            .better(Better::Lower);
        let columns = Column::all(&[residual]);
        let lines: Vec<_> = columns.iter().map(Column::header_line).collect();
        assert!(
            lines[2].starts_with("# train_residual_2 = { better = \"lower\""),
            "{}",
            lines[2]
        );
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let mut read = Column::parse_header(&lines).unwrap();
        read.sort_by_key(|column| columns.iter().position(|own| own.key == column.key));
        assert_eq!(read, columns);
    }
}
