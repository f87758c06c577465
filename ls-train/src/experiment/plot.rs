//! Original loss over time, one curve per contender, as SVG and PNG.

use std::path::Path;

use super::Row;
use crate::Result;
use crate::chart::{Axis, COLOURS, Chart, Colour, Curve, Scale};
use crate::run_dir::HistoryTable;

/// Smallest loss shown: below it f32 figures are noise.
const FLOOR: f64 = 1e-9;

/// Plots the histories of some runs to `path.svg` and `path.png`.
pub(super) fn losses(path: &Path, title: &str, rows: &[Row]) -> Result<()> {
    let colours = COLOURS.into_iter().cycle();
    let curves = rows.iter().zip(colours);
    let curves = curves.map(|(row, colour)| curve(row, colour));
    let x = Axis::new("seconds", Scale::Linear);
    let y = Axis::new("original loss of the training split", Scale::Log);
    Chart::new(title, x, y, curves.collect::<Result<_>>()?).save(path)?;
    Ok(())
}

fn curve(row: &Row, colour: Colour) -> Result<Curve> {
    let mut points = HistoryTable::read(&row.run)?.points("seconds", "train_original_loss");
    for (_, loss) in &mut points {
        *loss = loss.max(FLOOR);
    }
    let name = match row.setting.as_str() {
        "-" => row.contender.clone(),
        setting => format!("{}, {setting}", row.contender),
    };
    Ok(Curve::new(name, colour, points))
}
