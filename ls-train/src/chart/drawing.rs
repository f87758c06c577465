//! Drawing of a chart with plotters.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{AxisRange, AxisScale};
use super::{Chart, Curve, png};

/// Colour of axes and texts.
const INK: RGBColor = RGBColor(74, 80, 88);
/// Colour of the grid behind the curves.
const GRID: RGBColor = RGBColor(222, 225, 230);

/// Thickness of curves; nothing else has it, so that [`for_page`] recognizes curves by it.
const CURVE_WIDTH: u32 = 4;

/// Share of a band's colour; the rest is the ground.
const BAND_OPACITY: f64 = 0.15;

/// Length of a line in the legend.
const KEY_LENGTH: i32 = 44;
/// Space beside a line in the legend.
const GAP: i32 = 16;

/// Sizes of a drawing in half pixels; curves that are drawn to whole pixels look jagged.
#[derive(Clone, Copy)]
pub(super) struct Dimensions {
    pub(super) size: (u32, u32),
    font: u32,
    left: u32,
    bottom: u32,
    ticks: (usize, usize),
}

/// Sizes for a screen.
pub(super) const WIDE: Dimensions = Dimensions {
    size: (1760, 840),
    font: 33,
    left: 110,
    bottom: 86,
    ticks: (11, 9),
};

/// Sizes for a telephone.
pub(super) const NARROW: Dimensions = Dimensions {
    size: (840, 680),
    font: 37,
    left: 116,
    bottom: 94,
    ticks: (6, 7),
};

/// Sizes for a file.
const FILE: Dimensions = Dimensions {
    size: (1800, 1120),
    left: 160,
    ..WIDE
};

type DrawingError<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;

/// Draws a chart as an `svg` element for a page, without title, legend and label of the vertical axis.
///
/// # Errors
/// The message of the backend.
pub(super) fn page_svg(chart: &Chart, dimensions: Dimensions) -> Result<String, String> {
    let text = svg(chart, dimensions, false)?;
    Ok(for_page(&text, dimensions.size))
}

/// Draws a chart as an SVG document with title and legend.
///
/// # Errors
/// The message of the backend.
pub(super) fn file_svg(chart: &Chart) -> Result<String, String> {
    svg(chart, FILE, true)
}

/// Draws a chart as a PNG file with title and legend.
///
/// # Errors
/// The message of the backend.
pub(super) fn file_png(chart: &Chart) -> Result<Vec<u8>, String> {
    ensure_font();
    let (width, height) = FILE.size;
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, FILE.size).into_drawing_area();
    draw(chart, &area, FILE, true).map_err(|error| error.to_string())?;
    drop(area);
    png::encode(width, height, &pixels).map_err(|error| error.to_string())
}

fn svg(chart: &Chart, dimensions: Dimensions, is_file: bool) -> Result<String, String> {
    ensure_font();
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, dimensions.size).into_drawing_area();
    draw(chart, &area, dimensions, is_file).map_err(|error| error.to_string())?;
    drop(area);
    Ok(text)
}

fn draw<B: DrawingBackend>(
    chart: &Chart,
    area: &DrawingArea<B, Shift>,
    dimensions: Dimensions,
    is_file: bool,
) -> Result<(), DrawingError<B>> {
    let plot = if is_file {
        area.fill(&WHITE)?;
        let below = area
            .margin(GAP, 0, 0, 0)
            .titled(&chart.title, text_style(dimensions.font * 3 / 2))?;
        draw_legend(chart, &below, dimensions)?
    } else {
        area.clone()
    };
    let points = || chart.curves.iter().flat_map(|curve| &curve.points);
    // Sweeps and seconds begin at 0, also where the curves begin later; logarithms have no 0.
    let zero = (chart.x.scale != AxisScale::Log).then_some(0.0);
    let across = points().map(|point| point.0).chain(zero);
    let x = AxisRange::around(chart.x.scale, across);
    let ends = chart.band.iter().flat_map(|band| &band.points);
    let ends = ends.flat_map(|&(_, low, high)| [low, high]);
    let heights = points().map(|point| point.1).chain(ends);
    let y = AxisRange::around(chart.y.scale, heights).padded();
    let mut plane = ChartBuilder::on(&plot)
        .margin(16)
        .margin_right(44)
        .x_label_area_size(dimensions.bottom)
        .y_label_area_size(dimensions.left)
        .build_cartesian_2d(x, y)?;
    let mut mesh = plane.configure_mesh();
    mesh.x_desc(&chart.x.label)
        .x_labels(dimensions.ticks.0)
        .y_labels(dimensions.ticks.1)
        .label_style(text_style(dimensions.font))
        .axis_style(INK.stroke_width(2))
        .bold_line_style(GRID.stroke_width(1));
    if is_file {
        mesh.y_desc(&chart.y.label);
    }
    mesh.draw()?;
    if let Some(band) = &chart.band {
        let lower = band.points.iter().map(|&(x, low, _)| (x, low));
        let upper = band.points.iter().rev().map(|&(x, _, high)| (x, high));
        let outline: Vec<_> = lower.chain(upper).collect();
        let (red, green, blue) = band.colour;
        let shade = RGBColor(red, green, blue).mix(BAND_OPACITY);
        plane.draw_series([Polygon::new(outline, shade)])?;
    }
    for curve in &chart.curves {
        let style = style(curve);
        match curve.points[..] {
            // A line of one point would be invisible.
            [point] => plane.draw_series([Circle::new(point, 8, style.filled())])?,
            _ => plane.draw_series(LineSeries::new(curve.points.iter().copied(), style))?,
        };
    }
    area.present()
}

/// Draws the legend in as many lines as it takes; returns the area below it.
fn draw_legend<B: DrawingBackend>(
    chart: &Chart,
    area: &DrawingArea<B, Shift>,
    dimensions: Dimensions,
) -> Result<DrawingArea<B, Shift>, DrawingError<B>> {
    let text_style = text_style(dimensions.font).pos(Pos::new(HPos::Left, VPos::Center));
    let [width, left, line] = [
        area.dim_in_pixel().0,
        dimensions.left,
        dimensions.font * 3 / 2,
    ]
    .map(u32::cast_signed);
    let left = left + GAP;
    let (mut x, mut y) = (left, 0);
    for curve in chart.curves.iter().filter(|curve| curve.in_legend) {
        let (text, _) = area.estimate_text_size(&curve.name, &text_style)?;
        let length = KEY_LENGTH + GAP + text.cast_signed();
        if x > left && x + length > width - GAP {
            (x, y) = (left, y + line);
        }
        let middle = y + line / 2;
        let key = vec![(x, middle), (x + KEY_LENGTH, middle)];
        area.draw(&PathElement::new(key, style(curve)))?;
        area.draw_text(&curve.name, &text_style, (x + KEY_LENGTH + GAP, middle))?;
        x += length + 3 * GAP;
    }
    let (_, below) = area.split_vertically(y + line + GAP);
    Ok(below)
}

fn style(curve: &Curve) -> ShapeStyle {
    let (red, green, blue) = curve.colour;
    RGBColor(red, green, blue).stroke_width(CURVE_WIDTH)
}

fn text_style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Registers the font that the program carries. If that fails, charts lack their text, and nothing else.
fn ensure_font() {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
}

/// Replaces fixed colours by classes, and the fixed size by that of the page.
fn for_page(svg: &str, (width, height): (u32, u32)) -> String {
    // Inside a page an `svg` element needs no name space. Texts are never mistaken for attributes: their quotes are escaped.
    let start = svg.find('>').map_or(0, |end| end + 1);
    let hex = |colour: RGBColor| format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
    let body = svg[start..]
        .replace(&format!("stroke=\"{}\"", hex(GRID)), "class=\"grid\"")
        .replace(&format!("stroke=\"{}\"", hex(INK)), "class=\"ink\"")
        .replace(&format!("fill=\"{}\"", hex(INK)), "class=\"text\"")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        .replace(
            &format!("stroke-width=\"{CURVE_WIDTH}\""),
            &format!("class=\"curve\" stroke-width=\"{CURVE_WIDTH}\""),
        );
    format!("<svg viewBox=\"0 0 {width} {height}\">{body}")
}
