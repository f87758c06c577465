//! Original loss over time, one curve per contender, as SVG and PNG.

use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::register_font;

use super::Row;
use crate::{Error, Result};

const SIZE: (u32, u32) = (900, 560);

/// Smallest loss shown: below it f32 figures are noise.
const FLOOR: f64 = 1e-9;

/// Hues that people with colour blindness tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Plots the histories of some runs to `path.svg` and `path.png`.
pub(super) fn losses(path: &Path, title: &str, rows: &[Row]) -> Result<()> {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        // The file is a part of the program; text would be missing, not wrong, if it could not be read.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
    let curves: Vec<Curve> = rows.iter().map(curve).collect::<Result<_>>()?;
    let (svg, png) = (path.with_extension("svg"), path.with_extension("png"));
    let drawn = draw(
        &SVGBackend::new(&svg, SIZE).into_drawing_area(),
        title,
        &curves,
    );
    drawn.map_err(|error| Error::file("write", &svg, error))?;
    let drawn = draw(
        &BitMapBackend::new(&png, SIZE).into_drawing_area(),
        title,
        &curves,
    );
    drawn.map_err(|error| Error::file("write", &png, error))
}

fn curve(row: &Row) -> Result<Curve> {
    let mut points = read_losses(&row.run)?;
    for (_, loss) in &mut points {
        *loss = loss.max(FLOOR);
    }
    let name = match row.setting.as_str() {
        "-" => row.contender.to_owned(),
        setting => format!("{}, {setting}", row.contender),
    };
    Ok(Curve { name, points })
}

/// Seconds and original loss of each sweep, from the `history.csv` of a run folder.
pub(super) fn read_losses(run: &Path) -> Result<Vec<(f64, f64)>> {
    let path = run.join("history.csv");
    let failed = |error: csv::Error| Error::file("read", &path, error);
    let mut reader = csv::Reader::from_path(&path).map_err(failed)?;
    let mut points = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let number = |column: usize| record.get(column).and_then(|cell| cell.parse::<f64>().ok());
        if let (Some(seconds), Some(loss)) = (number(1), number(2)) {
            points.push((seconds, loss));
        }
    }
    Ok(points)
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    title: &str,
    curves: &[Curve],
) -> core::result::Result<(), String> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let end = points().map(|point| point.0).fold(1e-3, f64::max);
    let low = points().map(|point| point.1).fold(1.0, f64::min);
    let high = points().map(|point| point.1).fold(1.0, f64::max);
    let draw_all = || -> core::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 22))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..end, (low * 0.7..high * 1.4).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("seconds")
            .y_desc("original loss of the training split")
            .y_label_formatter(&|value| format!("{value:.0e}"))
            .label_style(("sans-serif", 14))
            .draw()?;
        for (i, curve) in curves.iter().enumerate() {
            let style = COLOURS[i % COLOURS.len()].stroke_width(2);
            chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), style))?
                .label(curve.name.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.4))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()
    };
    draw_all().map_err(|error| error.to_string())
}
