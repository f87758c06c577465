//! Line charts, as SVG inside a page and as SVG and PNG files.
//!
//! A [`Chart`] holds curves between two axes. [`Chart::svg`] draws it for a page: its ground is transparent, and its lines and
//! texts have classes, so that the page's style decides the colours; title and legend are left to the page. [`Chart::save`]
//! draws it for files: on white, with title and legend.
//!
//! ```
//! use ls_train::chart::{AxisScale, COLOURS, Chart, ChartAxis, ChartLayout, Curve};
//!
//! let losses = vec![(0.0, 2.3), (1.0, 0.4), (2.0, 0.02)];
//! let curve = Curve::new("original loss", COLOURS[0], losses);
//! let x = ChartAxis::new("sweep", AxisScale::Whole);
//! let y = ChartAxis::new("loss", AxisScale::Log);
//! let svg = Chart::new("A run", x, y, vec![curve]).svg(ChartLayout::Wide)?;
//! assert!(svg.starts_with("<svg"));
//! # Ok::<(), ls_train::Error>(())
//! ```

mod axis;
mod drawing;
pub(crate) mod png;

use std::path::{Path, PathBuf};

pub use axis::{AxisScale, ChartAxis};

use crate::{Error, Result, files};

/// Red, green and blue, 0 to 255 each.
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

/// Number of points of a curve that a reader can tell apart.
const MAX_POINTS: usize = 1200;

/// A line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Colour of the line.
    pub colour: Colour,
    /// Whether the legend lists the curve.
    pub in_legend: bool,
    /// Points `(x, y)`, from left to right.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// Makes a curve that the legend lists.
    pub fn new(name: impl Into<String>, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            colour,
            in_legend: true,
            points,
        }
    }
}

/// The area between two curves that share their horizontal places, in a pale shade behind all curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Colour that is mixed with the ground.
    pub colour: Colour,
    /// `(x, lower end, upper end)`, from left to right.
    pub points: Vec<(f64, f64, f64)>,
}

/// Size of a chart in a page, and of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartLayout {
    /// For a screen: 880 × 420.
    Wide,
    /// For a telephone, with larger text: 420 × 340.
    Narrow,
}

/// Curves between two axes. The horizontal axis, of sweeps or seconds, begins at 0, unless it is logarithmic.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    title: String,
    x: ChartAxis,
    y: ChartAxis,
    curves: Vec<Curve>,
    band: Option<Band>,
}

impl Chart {
    /// Makes a chart. Points that an axis cannot show are left out, and so are curves without a point.
    pub fn new(title: &str, x: ChartAxis, y: ChartAxis, mut curves: Vec<Curve>) -> Self {
        for curve in &mut curves {
            curve
                .points
                .retain(|point| x.scale.shows(point.0) && y.scale.shows(point.1));
            curve.points = thinned(core::mem::take(&mut curve.points));
        }
        curves.retain(|curve| !curve.points.is_empty());
        Self {
            title: title.into(),
            x,
            y,
            curves,
            band: None,
        }
    }

    /// Adds a band. Places that an axis cannot show are left out.
    pub fn with_band(self, mut band: Band) -> Self {
        band.points.retain(|&(x, low, high)| {
            self.x.scale.shows(x) && self.y.scale.shows(low) && self.y.scale.shows(high)
        });
        Self {
            band: Some(band).filter(|band| band.points.len() > 1),
            ..self
        }
    }

    /// Replaces the title.
    pub fn with_title(self, title: &str) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// Returns the title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the horizontal and the vertical axis.
    pub fn axes(&self) -> (&ChartAxis, &ChartAxis) {
        (&self.x, &self.y)
    }

    /// Returns the band, if there is one.
    pub fn band(&self) -> Option<&Band> {
        self.band.as_ref()
    }

    /// Returns the curves that have points.
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// Draws an `svg` element for a page, as wide as its container. Curves have the class `curve`, the axes `ink`, and the lines
    /// behind the curves `grid`. Title, legend and the label of the vertical axis are left to the page.
    ///
    /// # Errors
    /// [`Error::File`] when the backend fails.
    pub fn svg(&self, layout: ChartLayout) -> Result<String> {
        let dimensions = match layout {
            ChartLayout::Wide => drawing::WIDE,
            ChartLayout::Narrow => drawing::NARROW,
        };
        drawing::page_svg(self, dimensions).map_err(|error| self.not_drawn(error))
    }

    /// Writes `path.svg` and `path.png`; returns their paths.
    ///
    /// # Errors
    /// [`Error::File`] when a file cannot be written.
    pub fn save(&self, path: &Path) -> Result<[PathBuf; 2]> {
        // Not `with_extension`: a name may have a dot of its own.
        let with_ending = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (svg, png) = (with_ending(".svg"), with_ending(".png"));
        let text = drawing::file_svg(self).map_err(|error| self.not_drawn(error))?;
        files::write(&svg, text.as_bytes())?;
        let picture = drawing::file_png(self).map_err(|error| self.not_drawn(error))?;
        files::write(&png, &picture)?;
        Ok([svg, png])
    }

    fn not_drawn(&self, error: String) -> Error {
        Error::file("draw", &self.title, error)
    }
}

/// Drops points that a reader cannot tell apart. Of each stretch the lowest and the highest stay, so that no spike is lost.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MAX_POINTS / 2);
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
            ChartAxis::new("sweep", AxisScale::Whole),
            ChartAxis::new("loss", AxisScale::Log),
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
        for layout in [ChartLayout::Wide, ChartLayout::Narrow] {
            let svg = chart.svg(layout).unwrap();
            assert_eq!(svg.matches("class=\"curve\"").count(), 2, "{svg}");
            assert!(!svg.contains("http") && svg.contains("10⁻⁸"), "{svg}");
        }
    }

    #[test]
    fn a_band_is_one_polygon_and_no_curve() {
        let points = vec![(0.0, 1.0, 2.0), (1.0, 0.1, 0.2), (2.0, 0.0, 0.1)];
        let lower = points.iter().map(|&(x, low, _)| (x, low)).collect();
        let band = Band {
            colour: COLOURS[0],
            points,
        };
        let chart = chart(vec![Curve::new("lower", COLOURS[0], lower)]).with_band(band);
        // A logarithm of zero has no place.
        assert_eq!(chart.band().unwrap().points.len(), 2);
        let svg = chart.svg(ChartLayout::Wide).unwrap();
        assert_eq!(svg.matches("<polygon").count(), 1, "{svg}");
        assert_eq!(svg.matches("class=\"curve\"").count(), 1, "{svg}");
    }

    #[test]
    fn a_logarithmic_horizontal_axis_begins_at_the_first_point() {
        let axis = |label: &str| ChartAxis::new(label, AxisScale::Log);
        let curve = Curve::new("a law", COLOURS[0], vec![(100.0, 1.0), (1000.0, 10.0)]);
        let chart = Chart::new("growth", axis("size"), axis("seconds"), vec![curve]);
        let svg = chart.svg(ChartLayout::Wide).unwrap();
        for tick in ["100", "200", "500", "1000"] {
            assert!(
                svg.contains(&format!("\n{tick}\n")),
                "no tick {tick}: {svg}"
            );
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
        let svg = chart(Vec::new()).svg(ChartLayout::Wide).unwrap();
        assert!(svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn thinning_keeps_the_ends_and_the_spikes() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_234].1 = 9.0;
        let kept = thinned(points.clone());
        assert!(kept.len() <= MAX_POINTS + 2);
        assert!(kept.contains(&(31_234.0, 9.0)));
        assert_eq!((kept[0], kept.last()), (points[0], points.last()));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
    }
}
