//! Line charts: as SVG inside a page, and as SVG and PNG files.
//!
//! A [`Chart`] is curves between two axes. In a page ([`Chart::svg`]) it has a transparent ground, and its lines and texts have
//! classes, so that the page's style decides on their colours; title and legend are the page's own. As a file ([`Chart::save`])
//! it stands alone, on white, with both.
//!
//! ```
//! use ls_train::chart::{Axis, COLOURS, Chart, Curve, Layout, Scale};
//!
//! let losses = vec![(0.0, 2.3), (1.0, 0.4), (2.0, 0.02)];
//! let curve = Curve::new("original loss", COLOURS[0], losses);
//! let (x, y) = (Axis::new("sweep", Scale::Whole), Axis::new("loss", Scale::Log));
//! let svg = Chart::new("A run", x, y, vec![curve]).svg(Layout::Wide)?;
//! assert!(svg.starts_with("<svg"));
//! # Ok::<(), ls_train::Error>(())
//! ```

mod axis;

use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use axis::Ranged;
pub use axis::{Axis, Scale};

use crate::run_dir::write_atomically;
use crate::{Error, Result};

/// Red, green and blue.
pub type Colour = (u8, u8, u8);

/// Hues that people with colour blindness tell apart, dark enough for white paper and bright enough for a dark page.
pub const COLOURS: [Colour; 8] = [
    (59, 130, 196),
    (213, 94, 0),
    (0, 158, 115),
    (184, 96, 154),
    (184, 134, 11),
    (122, 127, 135),
    (42, 157, 184),
    (155, 93, 60),
];

/// Lines and texts that are no curve.
const INK: RGBColor = RGBColor(74, 80, 88);
const GRID: RGBColor = RGBColor(222, 225, 230);

/// Thickness of a curve, and of nothing else: by it a page's style finds them.
const CURVE_WIDTH: u32 = 4;

/// Length of a line in the legend, and the space beside it.
const KEY_LENGTH: i32 = 44;
const GAP: i32 = 16;

/// Points of a curve that can be told apart in a chart.
const MOST_POINTS: usize = 1200;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Its colour.
    pub colour: Colour,
    /// Whether the legend shows it.
    pub in_legend: bool,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// A curve that the legend shows.
    pub fn new(name: impl Into<String>, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            colour,
            in_legend: true,
            points,
        }
    }

    fn style(&self) -> ShapeStyle {
        let (red, green, blue) = self.colour;
        RGBColor(red, green, blue).stroke_width(CURVE_WIDTH)
    }
}

/// Size of a chart in a page and of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// For a screen: 880 × 420.
    Wide,
    /// For a telephone, with larger text: 420 × 340.
    Narrow,
}

/// Measures of a drawing, in half pixels: curves drawn to whole pixels would look jagged.
#[derive(Clone, Copy)]
struct Measures {
    size: (u32, u32),
    font: u32,
    left: u32,
    bottom: u32,
    ticks: (usize, usize),
}

const WIDE: Measures = Measures {
    size: (1760, 840),
    font: 33,
    left: 110,
    bottom: 86,
    ticks: (11, 9),
};

const NARROW: Measures = Measures {
    size: (840, 680),
    font: 37,
    left: 116,
    bottom: 94,
    ticks: (6, 7),
};

const FILE: Measures = Measures {
    size: (1800, 1120),
    left: 160,
    ..WIDE
};

/// Curves between two axes; the horizontal one, of sweeps or seconds, begins at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    title: String,
    x: Axis,
    y: Axis,
    curves: Vec<Curve>,
}

impl Chart {
    /// A chart of what can be shown: points with a value that its axis has no place for are left out, and so are curves without
    /// a point.
    pub fn new(title: &str, x: Axis, y: Axis, mut curves: Vec<Curve>) -> Self {
        for curve in &mut curves {
            curve
                .points
                .retain(|point| x.shows(point.0) && y.shows(point.1));
            curve.points = thinned(core::mem::take(&mut curve.points));
        }
        curves.retain(|curve| !curve.points.is_empty());
        Self {
            title: title.into(),
            x,
            y,
            curves,
        }
    }

    /// The same with another title.
    pub fn with_title(self, title: &str) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// What it shows, in a few words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The horizontal and the vertical axis.
    pub fn axes(&self) -> (&Axis, &Axis) {
        (&self.x, &self.y)
    }

    /// The curves that have points.
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// An `svg` element for a page. It fills the width that it is given; curves have the class `curve`, the axes `ink`, the
    /// lines behind the curves `grid`. Title, legend and the label of the vertical axis are left to the page.
    ///
    /// # Errors
    /// [`Error::File`] when the backend fails.
    pub fn svg(&self, layout: Layout) -> Result<String> {
        let measures = match layout {
            Layout::Wide => WIDE,
            Layout::Narrow => NARROW,
        };
        let text = self.svg_text(measures, false)?;
        Ok(for_page(&text, measures.size))
    }

    /// Writes `path.svg` and `path.png`; returns their paths.
    ///
    /// # Errors
    /// [`Error::File`] when one cannot be written.
    pub fn save(&self, path: &Path) -> Result<[PathBuf; 2]> {
        // Not `with_extension`: a name may have a dot of its own.
        let named = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (svg, png) = (named(".svg"), named(".png"));
        write_atomically(&svg, self.svg_text(FILE, true)?.as_bytes())?;
        self.draw_png(&png)
            .map_err(|error| Error::file("write", &png, error))?;
        Ok([svg, png])
    }

    fn draw_png(&self, path: &Path) -> core::result::Result<(), String> {
        let area = BitMapBackend::new(path, FILE.size).into_drawing_area();
        self.draw(&area, FILE, true)
    }

    fn svg_text(&self, measures: Measures, is_file: bool) -> Result<String> {
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, measures.size).into_drawing_area();
        self.draw(&area, measures, is_file)
            .map_err(|error| Error::file("draw", &self.title, error))?;
        drop(area);
        Ok(text)
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        measures: Measures,
        is_file: bool,
    ) -> core::result::Result<(), String> {
        ensure_font();
        self.draw_all(area, measures, is_file)
            .map_err(|error| error.to_string())
    }

    fn draw_all<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        measures: Measures,
        is_file: bool,
    ) -> core::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let plot = if is_file {
            area.fill(&WHITE)?;
            let below = area
                .margin(GAP, 0, 0, 0)
                .titled(&self.title, text_style(measures.font * 3 / 2))?;
            self.draw_legend(&below, measures)?
        } else {
            area.clone()
        };
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        // Sweeps and seconds begin at 0, also where the curves begin later.
        let across = points().map(|point| point.0).chain([0.0]);
        let x = Ranged::around(self.x.scale, across);
        let y = Ranged::around(self.y.scale, points().map(|point| point.1)).padded();
        let mut plane = ChartBuilder::on(&plot)
            .margin(16)
            .margin_right(44)
            .x_label_area_size(measures.bottom)
            .y_label_area_size(measures.left)
            .build_cartesian_2d(x, y)?;
        let mut mesh = plane.configure_mesh();
        mesh.x_desc(&self.x.label)
            .x_labels(measures.ticks.0)
            .y_labels(measures.ticks.1)
            .label_style(text_style(measures.font))
            .axis_style(INK.stroke_width(2))
            .bold_line_style(GRID.stroke_width(1));
        if is_file {
            mesh.y_desc(&self.y.label);
        }
        mesh.draw()?;
        for curve in &self.curves {
            let style = curve.style();
            match curve.points[..] {
                // A line of one point would be invisible.
                [point] => plane.draw_series([Circle::new(point, 8, style.filled())])?,
                _ => plane.draw_series(LineSeries::new(curve.points.iter().copied(), style))?,
            };
        }
        area.present()
    }

    /// Draws the legend in as many lines as it takes; returns what is left below it.
    fn draw_legend<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        measures: Measures,
    ) -> core::result::Result<DrawingArea<B, Shift>, DrawingAreaErrorKind<B::ErrorType>> {
        let style = text_style(measures.font).pos(Pos::new(HPos::Left, VPos::Center));
        let [width, left, line] =
            [area.dim_in_pixel().0, measures.left, measures.font * 3 / 2].map(u32::cast_signed);
        let left = left + GAP;
        let (mut x, mut y) = (left, 0);
        for curve in self.curves.iter().filter(|curve| curve.in_legend) {
            let text = area
                .estimate_text_size(&curve.name, &style)?
                .0
                .cast_signed();
            let length = KEY_LENGTH + GAP + text;
            if x > left && x + length > width - GAP {
                (x, y) = (left, y + line);
            }
            let middle = y + line / 2;
            let key = vec![(x, middle), (x + KEY_LENGTH, middle)];
            area.draw(&PathElement::new(key, curve.style()))?;
            area.draw_text(&curve.name, &style, (x + KEY_LENGTH + GAP, middle))?;
            x += length + 3 * GAP;
        }
        let (_, below) = area.split_vertically(y + line + GAP);
        Ok(below)
    }
}

fn text_style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The file is a part of the program; text would be missing, not wrong, if it could not be read.
fn ensure_font() {
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
}

/// Exchanges fixed colours for classes and the fixed size for that of the page.
fn for_page(svg: &str, (width, height): (u32, u32)) -> String {
    // A page's `svg` needs no name space. Texts cannot be mistaken for attributes: their quotes are escaped.
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

/// No more points than can be told apart: of each stretch the lowest and the highest, so that no spike is lost.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut kept = vec![points[0]];
    for stretch in points.chunks(stretch) {
        let order = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [stretch.iter().min_by(order), stretch.iter().max_by(order)];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(ends);
    }
    kept.extend(points.last());
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(curves: Vec<Curve>) -> Chart {
        let (x, y) = (
            Axis::new("sweep", Scale::Whole),
            Axis::new("loss", Scale::Log),
        );
        Chart::new("losses", x, y, curves)
    }

    #[test]
    fn every_curve_with_a_point_is_one_element_of_a_page() {
        let falling = (0..9).map(|i| (f64::from(i), 0.1_f64.powi(i))).collect();
        let chart = chart(vec![
            Curve::new("falling", COLOURS[0], falling),
            Curve::new("one point", COLOURS[1], vec![(0.0, 1.0), (1.0, f64::NAN)]),
            Curve::new("nothing to show", COLOURS[2], vec![(0.0, 0.0), (1.0, -1.0)]),
        ]);
        assert_eq!(chart.curves().len(), 2);
        for layout in [Layout::Wide, Layout::Narrow] {
            let svg = chart.svg(layout).unwrap();
            assert_eq!(svg.matches("class=\"curve\"").count(), 2, "{svg}");
            assert!(!svg.contains("http") && svg.contains("10⁻⁸"), "{svg}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let chart = chart(vec![Curve::new(
            "<script>\"&'",
            COLOURS[0],
            vec![(0.0, 1.0), (1.0, 2.0)],
        )]);
        let folder = tempfile::tempdir().unwrap();
        let [svg, png] = chart.save(&folder.path().join("a.b")).unwrap();
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(svg.ends_with("a.b.svg") && png.is_file());
        assert!(
            text.contains("&lt;script&gt;") && !text.contains("<script"),
            "{text}"
        );
    }

    #[test]
    fn a_chart_without_points_is_still_a_chart() {
        let svg = chart(Vec::new()).svg(Layout::Wide).unwrap();
        assert!(svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_spikes() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_234].1 = 9.0;
        let kept = thinned(points.clone());
        assert!(kept.len() <= MOST_POINTS + 2);
        assert!(kept.contains(&(31_234.0, 9.0)));
        assert_eq!((kept[0], kept.last()), (points[0], points.last()));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
    }
}
