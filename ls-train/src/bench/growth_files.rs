//! The files of a growth: `growth.csv`, `growth.md`, and a plot for each quantity.

use std::path::Path;

use super::exponent::Exponent;
use super::growth::{Growth, GrowthExponents, GrowthRow, Quantity};
use crate::chart::{AxisScale, COLOURS, Chart, ChartAxis, Curve};
use crate::experiment::{Spread, markdown};
use crate::files::Rows;
use crate::format::number;
use crate::{Error, Result, files};

/// Name of the table of all rows.
const TABLE: &str = "growth.csv";

/// Columns of the table.
const COLUMNS: [&str; 7] = [
    "quantity",
    "size",
    "method",
    "seconds_median",
    "seconds_min",
    "seconds_max",
    "memory_bytes",
];

/// `growth.csv`, open for more rows.
pub(super) struct GrowthTable {
    rows: Rows,
}

impl GrowthTable {
    /// Makes the folder and the file with its header.
    ///
    /// # Errors
    /// [`Error::ResultsExist`] when there is one, [`Error::File`] when it cannot be written.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let path = folder.join(TABLE);
        if files::exists(&path)? {
            let (path, file) = (folder.into(), TABLE);
            return Err(Error::ResultsExist { path, file });
        }
        files::create_folder(folder)?;
        let rows = Rows::create(&path, &(COLUMNS.join(",") + "\n"))?;
        Ok(Self { rows })
    }

    /// Appends a row.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub(super) fn append(&mut self, row: &GrowthRow) -> Result<()> {
        let Spread { median, min, max } = row.seconds;
        self.rows.add([
            row.series.quantity.name().into(),
            row.size.to_string(),
            row.series.method.clone(),
            median.to_string(),
            min.to_string(),
            max.to_string(),
            row.memory.to_string(),
        ])
    }
}

/// Writes `growth.md` and the plots.
///
/// # Errors
/// [`Error::File`] when one of them cannot be written.
pub(super) fn write(growth: &Growth, folder: &Path) -> Result<()> {
    files::write(&folder.join("growth.md"), growth.markdown().as_bytes())?;
    for quantity in Quantity::ALL {
        let curves = curves(growth, quantity);
        if !curves.is_empty() {
            let title = format!("seconds of a sweep by {}", quantity.name());
            let x = ChartAxis::new(quantity.name(), AxisScale::Log);
            let y = ChartAxis::new("seconds", AxisScale::Log);
            let path = folder.join(format!("growth-{}", quantity.name()));
            Chart::new(&title, x, y, curves).save(&path)?;
        }
    }
    Ok(())
}

fn curves(growth: &Growth, quantity: Quantity) -> Vec<Curve> {
    let exponents = growth.exponents.iter();
    let series = exponents
        .map(|exponents| &exponents.series)
        .filter(|series| series.quantity == quantity);
    let curves = series.zip(COLOURS).map(|(series, colour)| {
        let rows = growth.rows.iter().filter(|row| row.series == *series);
        let points = rows.map(|row| (row.size as f64, row.seconds.median));
        let mut points: Vec<_> = points.collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve::new(series.method.clone(), colour, points)
    });
    curves.collect()
}

impl Growth {
    /// Formats rows and exponents as two tables in Markdown.
    pub fn markdown(&self) -> String {
        let header = ["quantity", "size", "method", "seconds of a sweep", "memory"];
        let mut text = markdown::table(header, self.rows.iter().map(row));
        text += "\nMedian (minimum to maximum). Memory is the estimate that `train --verbose` prints.\n\n";
        let header = [
            "quantity",
            "method",
            "exponent of the seconds",
            "between the two largest",
            "exponent of the memory",
        ];
        text += &markdown::table(header, self.exponents.iter().map(exponents));
        text + "\nExponents `p` of `c size^p` by least squares on logarithms.\n"
    }
}

fn row(row: &GrowthRow) -> [String; 5] {
    let [median, min, max] = [row.seconds.median, row.seconds.min, row.seconds.max].map(number);
    [
        row.series.quantity.name().into(),
        row.size.to_string(),
        row.series.method.clone(),
        format!("{median} ({min} to {max})"),
        format!("{:.1} MB", row.memory as f64 / 1e6),
    ]
}

fn exponents(own: &GrowthExponents) -> [String; 5] {
    let text = |exponent: Option<f64>| exponent.map_or("-".into(), |p| format!("{p:.2}"));
    let all = |exponent: Option<Exponent>| exponent.map(|exponent| exponent.all);
    [
        own.series.quantity.name().into(),
        own.series.method.clone(),
        text(all(own.seconds)),
        text(own.seconds.map(|exponent| exponent.largest)),
        text(all(own.memory)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::growth::GrowthSeries;
    use super::*;
    use crate::bench::Machine;
    use crate::config::Precision;

    /// Rows whose seconds grow as the square of the width, and whose bytes grow as the width.
    fn growth() -> Growth {
        let row = |size: usize| {
            let seconds = (size * size) as f64 * 1e-4;
            GrowthRow {
                series: GrowthSeries {
                    quantity: Quantity::Width,
                    method: "exact@full".into(),
                },
                size,
                seconds: Spread::new([seconds].into_iter()),
                memory: 1_000_000 * size as u64,
            }
        };
        let rows = vec![row(8), row(16), row(32)];
        Growth {
            machine: Machine::this("flex", Precision::F32),
            exponents: GrowthExponents::all(&rows),
            rows,
        }
    }

    #[test]
    fn tables_and_a_picture_hold_the_rows_and_their_exponents() {
        let folder = tempfile::tempdir().unwrap();
        let growth = growth();
        let mut table = GrowthTable::create(folder.path()).unwrap();
        growth
            .rows
            .iter()
            .for_each(|row| table.append(row).unwrap());
        write(&growth, folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            read("growth.csv").lines().nth(2),
            Some("width,16,exact@full,0.0256,0.0256,0.0256,16000000")
        );
        let text = read("growth.md");
        assert!(
            text.contains("| width | exact@full | 2.00 | 2.00 | 1.00 |"),
            "{text}"
        );
        assert!(
            text.contains("| width | 16 | exact@full | 0.02560 ("),
            "{text}"
        );
        assert!(read("growth-width.svg").contains("exact@full"));
        assert!(folder.path().join("growth-width.png").exists());
        assert!(!folder.path().join("growth-depth.svg").exists());
        assert!(matches!(
            GrowthTable::create(folder.path()),
            Err(Error::ResultsExist { .. })
        ));
    }
}
