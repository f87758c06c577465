//! Lines of braille dots.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

/// The dots of a cell, by column and row, as bits of Unicode's braille patterns.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// The first of Unicode's braille patterns, without dots.
const BLANK: u32 = 0x2800;

/// Dots of a line that are drawn, and those after them that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Number of dots that are drawn.
    pub on: usize,
    /// Number of dots that follow and are not.
    pub off: usize,
}

impl Pattern {
    fn draws(self, dot: usize) -> bool {
        dot % (self.on + self.off) < self.on
    }
}

/// A grid of dots, two columns and four rows in each cell. Lines share cells: their dots add up, and the last one gives the colour.
pub(super) struct Dots {
    width: u16,
    height: u16,
    cells: Vec<(u8, Color)>,
}

impl Dots {
    /// Makes an empty grid for an area of `width` × `height` cells.
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self {
            width,
            height,
            cells: vec![(0, Color::Reset); usize::from(width) * usize::from(height)],
        }
    }

    /// Draws a line through points, each by its place from the left and from the bottom, 0 to 1.
    pub(super) fn line(
        &mut self,
        points: impl Iterator<Item = (f64, f64)>,
        pattern: Pattern,
        color: Color,
    ) {
        if self.cells.is_empty() {
            return;
        }
        let right = f64::from(2 * u32::from(self.width) - 1);
        let bottom = f64::from(4 * u32::from(self.height) - 1);
        // Places of 0 to 1 lie within the grid after rounding.
        let dot = |(x, y): (f64, f64)| {
            (
                (x * right).round() as i64,
                ((1.0 - y) * bottom).round() as i64,
            )
        };
        let mut before: Option<(i64, i64)> = None;
        let mut drawn = 0;
        for point in points.map(dot) {
            for dot in between(before, point) {
                if pattern.draws(drawn) {
                    self.set(dot, color);
                }
                drawn += 1;
            }
            before = Some(point);
        }
    }

    fn set(&mut self, (x, y): (i64, i64), color: Color) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        let index = y / 4 * usize::from(self.width) + x / 2;
        if let Some((bits, own)) = self.cells.get_mut(index) {
            *bits |= BITS[x % 2][y % 4];
            *own = color;
        }
    }

    /// Puts the cells that have dots on the screen, with their upper left corner in that of `area`.
    pub(super) fn render(&self, area: Rect, buffer: &mut Buffer) {
        for (index, &(bits, color)) in self.cells.iter().enumerate() {
            let symbol = char::from_u32(BLANK + u32::from(bits)).filter(|_| bits != 0);
            let (row, column) = (
                index / usize::from(self.width),
                index % usize::from(self.width),
            );
            // Both are below a width and a height of `u16`.
            let place = (area.x + column as u16, area.y + row as u16);
            if let Some((symbol, cell)) = symbol.zip(buffer.cell_mut(place)) {
                cell.set_char(symbol).set_fg(color);
            }
        }
    }
}

/// The dots on the way from one dot to the next, without the first; a line starts with its first dot.
fn between(from: Option<(i64, i64)>, to: (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    let (x, y) = from.unwrap_or(to);
    let (across, up) = (to.0 - x, to.1 - y);
    let steps = across.abs().max(up.abs());
    let first = i64::from(from.is_some());
    (first..=steps).map(move |step| {
        let along =
            |length: i64| (length as f64 * step as f64 / steps.max(1) as f64).round() as i64;
        (x + along(across), y + along(up))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLID: Pattern = Pattern { on: 1, off: 0 };

    fn shown(width: u16, height: u16, lines: &[(&[(f64, f64)], Pattern)]) -> Vec<String> {
        let mut dots = Dots::new(width, height);
        for &(points, pattern) in lines {
            dots.line(points.iter().copied(), pattern, Color::Red);
        }
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        dots.render(area, &mut buffer);
        let rows = buffer.content.chunks(usize::from(width.max(1)));
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect()
    }

    #[test]
    fn lines_connect_their_points_and_share_cells() {
        let falling = [(0.0, 1.0), (1.0, 0.0)];
        assert_eq!(shown(2, 1, &[(&falling, SOLID)]), ["⠑⢄"]);
        let low = [(0.0, 0.0), (1.0, 0.0)];
        let both = shown(
            2,
            1,
            &[(&falling, SOLID), (&low, Pattern { on: 1, off: 1 })],
        );
        assert_eq!(both, ["⡑⣄"]);
    }

    #[test]
    fn a_pattern_runs_on_through_many_points() {
        let points: Vec<_> = (0..=100).map(|i| (f64::from(i) / 100.0, 0.0)).collect();
        let dashes = Pattern { on: 2, off: 2 };
        assert_eq!(shown(4, 1, &[(&points, dashes)]), ["⣀ ⣀ "]);
    }

    #[test]
    fn an_empty_grid_shows_nothing() {
        assert!(shown(0, 3, &[(&[(0.0, 0.0), (1.0, 1.0)], SOLID)]).is_empty());
    }
}
