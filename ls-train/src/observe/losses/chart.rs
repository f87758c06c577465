//! The chart of the losses.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::axis::{LogAxis, power};
use super::dots::{Dots, Pattern};
use super::state::{Loss, LossCurve, State};
use crate::format;

/// Columns of the labels to the left of the axis.
const LABELS: u16 = 6;

/// Columns of the names at the ends of the lines.
const NAMES: u16 = 5;

/// Least number of rows from one label of the vertical axis to the next.
const ROWS: u16 = 2;

/// The looks of a line: its names, its colour and its dots, so that each tells the lines apart.
struct Looks {
    short: &'static str,
    long: &'static str,
    color: Color,
    pattern: Pattern,
    sample: &'static str,
}

fn looks(loss: Loss) -> Looks {
    let (short, long, color, pattern, sample) = match loss {
        Loss::Original => ("F", "F original loss", Color::Cyan, (1, 0), "⠒⠒⠒"),
        Loss::Certificate => ("C", "C certificate", Color::Yellow, (4, 3), "⠒⠂⠒"),
        Loss::Separated => ("S", "S separated loss", Color::Magenta, (1, 2), "⠂⠐ "),
        Loss::Validation => ("val", "validation loss", Color::Blue, (6, 2), "⠒⠒⠂"),
        Loss::Test => ("test", "test loss", Color::Green, (1, 0), "⠒⠒⠒"),
    };
    let (on, off) = pattern;
    Looks {
        short,
        long,
        color,
        pattern: Pattern { on, off },
        sample,
    }
}

/// Draws the legend, the axes, and a line for each loss; `F` lies on top.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let entries = legend(state, usize::from(area.width));
    let rows = (entries.len() as u16).min(area.height);
    for (line, row) in entries.iter().zip(area.rows()) {
        line.render(row, buffer);
    }
    let plot = Rect {
        x: area.x + LABELS + 1,
        y: area.y + rows,
        width: area.width.saturating_sub(LABELS + 1 + NAMES),
        height: area.height.saturating_sub(rows + 1),
    };
    if plot.width < 2 || plot.height < 2 {
        return;
    }
    let values = state.courses.iter().flat_map(|course| &course.points);
    let axis = LogAxis::around(values.map(|&(_, value)| value));
    vertical_axis(axis, plot, buffer);
    horizontal_axis(state, plot, buffer);
    lines(state, axis, plot, buffer);
    names(state, axis, plot, buffer);
}

/// The legend with the newest values, in as many lines as it needs; short names where the long ones need more than one.
fn legend(state: &State, width: usize) -> Vec<Line<'static>> {
    let entries = |name: fn(&Looks) -> &'static str| {
        let courses = state.courses.iter().filter_map(|course| {
            let &(_, value) = course.points.last()?;
            let looks = looks(course.loss);
            let style = Style::new().fg(looks.color);
            let text = format!(" {} {}", name(&looks), format::number(value));
            Some([Span::styled(looks.sample, style), Span::raw(text)])
        });
        wrapped(courses, width)
    };
    let long = entries(|looks| looks.long);
    if long.len() > 1 {
        return entries(|looks| looks.short);
    }
    long
}

/// Entries in lines of at most `width` columns, where they fit.
fn wrapped(entries: impl Iterator<Item = [Span<'static>; 2]>, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for entry in entries {
        let own: usize = entry.iter().map(Span::width).sum();
        match lines.last_mut() {
            Some(line) if line.width() + 3 + own <= width => {
                line.push_span("   ");
                line.extend(entry);
            }
            _ => lines.push(Line::from_iter(entry)),
        }
    }
    lines
}

/// Row of a place on the axis, 0 at the top.
fn row(place: f64, height: u16) -> u16 {
    ((1.0 - place) * f64::from(height - 1)).round() as u16
}

fn vertical_axis(axis: LogAxis, plot: Rect, buffer: &mut Buffer) {
    for y in plot.rows() {
        buffer.set_string(plot.x - 1, y.y, "│", faint());
    }
    let width = usize::from(LABELS - 1);
    for exponent in axis.ticks(usize::from((plot.height - 1) / ROWS)) {
        let y = plot.y + row(axis.place_of_power(exponent), plot.height);
        let label = format!("{:>width$}", power(exponent));
        buffer.set_stringn(plot.x - 1 - LABELS, y, label, width, Style::new());
        buffer.set_string(plot.x - 1, y, "┤", faint());
        for x in (plot.x..plot.right()).skip(1).step_by(4) {
            buffer.set_string(x, y, "·", faint());
        }
    }
}

/// The axis of the sweeps, with its ends and its middle.
fn horizontal_axis(state: &State, plot: Rect, buffer: &mut Buffer) {
    let y = plot.bottom();
    let Some((first, last)) = sweeps(state) else {
        buffer.set_string(plot.x, y, "no sweep has ended yet", faint());
        return;
    };
    let mut place = |x: u16, label: &str| {
        buffer.set_string(x, y, label, Style::new());
    };
    let start = format!("sweep {first}");
    place(plot.x, &start);
    if first == last {
        return;
    }
    let end = last.to_string();
    let right = plot.right().saturating_sub(end.len() as u16);
    place(right, &end);
    let middle = first.midpoint(last);
    let (label, share) = (middle.to_string(), share(middle, first, last));
    let x = plot.x + (share * f64::from(plot.width - 1)).round() as u16;
    let x = x.saturating_sub(label.len() as u16 / 2);
    let is_free = x > plot.x + start.len() as u16 && x + (label.len() as u16) < right;
    if is_free && middle > first {
        place(x, &label);
    }
}

/// First and last sweep with a value.
fn sweeps(state: &State) -> Option<(usize, usize)> {
    let points = state.courses.iter().flat_map(|course| &course.points);
    let sweeps = points.map(|&(sweep, _)| sweep);
    Some((sweeps.clone().min()?, sweeps.max()?))
}

/// Place of a sweep between the first and the last one, 0 to 1.
fn share(sweep: usize, first: usize, last: usize) -> f64 {
    (sweep - first) as f64 / (last - first).max(1) as f64
}

/// Place of a value; zero lies at the smallest positive value.
fn place(state: &State, axis: LogAxis, value: f64) -> f64 {
    axis.place(value.max(state.least().unwrap_or(0.0)))
}

fn lines(state: &State, axis: LogAxis, plot: Rect, buffer: &mut Buffer) {
    let Some((first, last)) = sweeps(state) else {
        return;
    };
    let least = state.least().unwrap_or(0.0);
    let mut dots = Dots::new(plot.width, plot.height);
    // What is drawn last lies on top.
    for course in state.courses.iter().rev() {
        let looks = looks(course.loss);
        let points = course.points.iter();
        let points =
            points.map(|&(sweep, value)| (share(sweep, first, last), axis.place(value.max(least))));
        dots.line(points, looks.pattern, looks.color);
    }
    dots.render(plot, buffer);
}

/// Names at the ends of the lines, in the order of their values, moved apart where they would meet. Of equal values `F` is the
/// lowest, as its bounds lie above it.
fn names(state: &State, axis: LogAxis, plot: Rect, buffer: &mut Buffer) {
    let ends = state.courses.iter().rev().filter_map(|course: &LossCurve| {
        let &(_, value) = course.points.last()?;
        Some((place(state, axis, value), looks(course.loss)))
    });
    let mut ends: Vec<(f64, Looks)> = ends.collect();
    ends.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let wanted: Vec<u16> = ends
        .iter()
        .map(|&(place, _)| row(place, plot.height))
        .collect();
    for (row, (_, looks)) in apart(&wanted, plot.height).into_iter().zip(&ends) {
        let style = Style::new().fg(looks.color).add_modifier(Modifier::BOLD);
        buffer.set_stringn(plot.right() + 1, plot.y + row, looks.short, 4, style);
    }
}

/// Moves rows apart, from the top down and then up from the last row; the ones that find no row share the first.
fn apart(wanted: &[u16], height: u16) -> Vec<u16> {
    let mut free = 0;
    let mut rows: Vec<u16> = Vec::new();
    for &row in wanted {
        rows.push(row.max(free));
        free = row.max(free) + 1;
    }
    let mut end = height;
    for row in rows.iter_mut().rev() {
        end = (*row + 1).min(end).saturating_sub(1);
        *row = end;
    }
    rows
}

/// The style of axes.
fn faint() -> Style {
    Style::new().fg(Color::DarkGray)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_apart_and_stay_on_the_screen() {
        assert_eq!(apart(&[0, 5, 9], 10), [0, 5, 9]);
        assert_eq!(apart(&[3, 3, 3], 10), [3, 4, 5]);
        assert_eq!(apart(&[9, 9, 9], 10), [7, 8, 9]);
        assert_eq!(apart(&[0, 0, 0], 2), [0, 0, 1]);
        assert_eq!(apart(&[], 2), [0_u16; 0]);
    }
}
