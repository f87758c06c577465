//! Plots of the original loss over time, a curve per contender, as SVG and PNG.

use std::path::Path;

use super::options::RunResult;
use crate::Result;
use crate::chart::{AxisScale, COLOURS, Chart, ChartAxis, Colour, Curve};
use crate::run_dir::HistoryTable;

/// Smallest loss in a plot; smaller figures of f32 are noise.
const FLOOR: f64 = 1e-9;

/// Plots the histories of some runs to `path.svg` and `path.png`.
///
/// # Errors
/// [`crate::Error::File`] when a history cannot be read or a plot cannot be written.
pub(super) fn losses(path: &Path, title: &str, results: &[RunResult]) -> Result<()> {
    let colours = COLOURS.into_iter().cycle();
    let curves = results.iter().zip(colours);
    let curves = curves.map(|(result, colour)| curve(result, colour));
    let x = ChartAxis::new("seconds", AxisScale::Linear);
    let y = ChartAxis::new("original loss of the training split", AxisScale::Log);
    Chart::new(title, x, y, curves.collect::<Result<_>>()?).save(path)?;
    Ok(())
}

fn curve(result: &RunResult, colour: Colour) -> Result<Curve> {
    let mut points = HistoryTable::read(&result.run)?.original_losses();
    for (_, loss) in &mut points {
        *loss = loss.max(FLOOR);
    }
    let name = match result.setting.as_str() {
        "-" => result.contender.clone(),
        setting => format!("{}, {setting}", result.contender),
    };
    Ok(Curve::new(name, colour, points))
}
