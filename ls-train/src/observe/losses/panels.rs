//! The residuals and the figures.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::axis::LogAxis;
use crate::format;

/// Bars of growing length, in eighths of a cell.
const ACROSS: [&str; 9] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// Columns of growing height, in eighths of a cell.
const UP: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Columns of a number.
const NUMBER: usize = 9;

/// Number of columns that a figure with its name gets at the least, and at the most where it needs less.
const FIGURE: (usize, usize) = (21, 34);

/// Columns between two figures.
const GAP: usize = 2;

/// The style of bars.
fn bars() -> Style {
    Style::new().fg(Color::Magenta)
}

/// Length of a bar in eighths of a cell, for `cells` cells at the most; a positive value has an eighth at least.
fn eighths(axis: LogAxis, value: f64, cells: u16) -> usize {
    if value.is_nan() || value <= 0.0 {
        return 0;
    }
    let length = axis.place(value) * 8.0 * f64::from(cells);
    (length.round() as usize).max(1)
}

/// Draws a bar for the residual of each hidden stage; columns where the stages are more than the rows.
pub(super) fn residuals(values: &[Option<f64>], area: Rect, buffer: &mut Buffer) {
    let axis = LogAxis::around(values.iter().flatten().copied());
    if values.len() <= usize::from(area.height) {
        list(values, axis, area, buffer);
    } else {
        columns(values, axis, area, buffer);
    }
}

/// A row for each stage: its number, its bar, its value.
fn list(values: &[Option<f64>], axis: LogAxis, area: Rect, buffer: &mut Buffer) {
    let digits = values.len().to_string().len();
    let cells = usize::from(area.width).saturating_sub(digits + NUMBER + 2);
    for ((l, &value), row) in values.iter().enumerate().zip(area.rows()) {
        let length = value.map_or(0, |value| eighths(axis, value, cells as u16));
        let bar = ACROSS[8].repeat(length / 8) + ACROSS[length % 8];
        let number = value.map_or_else(|| "-".into(), format::number);
        let stage = format!("{:>digits$} ", l + 1);
        let (x, _) = buffer.set_stringn(row.x, row.y, stage, row.width.into(), Style::new());
        buffer.set_stringn(x, row.y, bar, cells, bars());
        let number = format!("{number:>NUMBER$}");
        let x = row.right().saturating_sub(NUMBER as u16).max(x);
        buffer.set_stringn(x, row.y, number, (row.right() - x).into(), Style::new());
    }
}

/// A column for each stage, or for the largest of several neighbours; the number of the largest above, numbers of stages below.
fn columns(values: &[Option<f64>], axis: LogAxis, area: Rect, buffer: &mut Buffer) {
    if area.height < 3 || area.width == 0 {
        return;
    }
    let in_one = values.len().div_ceil(area.width.into());
    let count = values.len().div_ceil(in_one);
    let width = (usize::from(area.width) / count).clamp(1, 4);
    let height = area.height - 2;
    for (bin, own) in values.chunks(in_one).enumerate() {
        let largest = own.iter().flatten().copied().fold(0.0, f64::max);
        let length = eighths(axis, largest, height);
        let x = area.x + (bin * width) as u16;
        for cell in 0..height {
            let part = length.saturating_sub(8 * usize::from(cell)).min(8);
            // Wide columns have a gap between them.
            let symbols = UP[part].repeat((width - 1).max(1));
            buffer.set_string(x, area.bottom() - 2 - cell, symbols, bars());
        }
    }
    buffer.set_stringn(
        area.x,
        area.y,
        largest(values),
        area.width.into(),
        Style::new(),
    );
    let last = values.len().to_string();
    let end = area.x + (count * width) as u16;
    buffer.set_string(area.x, area.bottom() - 1, "1", Style::new());
    let x = end.saturating_sub(last.len() as u16).max(area.x + 2);
    buffer.set_stringn(
        x,
        area.bottom() - 1,
        last,
        (area.right() - x).into(),
        Style::new(),
    );
}

/// The largest residual in words.
fn largest(values: &[Option<f64>]) -> String {
    let known = values.iter().enumerate();
    let known = known.filter_map(|(l, value)| Some((l + 1, (*value)?)));
    match known.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        Some((stage, value)) => format!("max {} at {stage}", format::number(value)),
        None => "-".into(),
    }
}

/// Writes names and values in as many columns as fit; what finds no place is left out.
pub(super) fn figures(entries: &[(String, String)], area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let rows = usize::from(area.height);
    let columns: Vec<_> = entries.chunks(rows).collect();
    let mut x = area.x;
    for (column, width) in columns.iter().zip(widths(&columns, area.width.into())) {
        for ((name, value), row) in column.iter().zip(area.rows()) {
            let values = value.chars().count().min(width);
            let names = (width - values).saturating_sub(1);
            buffer.set_stringn(x, row.y, name, names, Style::new());
            let bold = Style::new().add_modifier(Modifier::BOLD);
            let end = x + (width - values) as u16;
            buffer.set_stringn(end, row.y, value, values, bold);
        }
        x += (width + GAP) as u16;
    }
}

/// Widths of the columns that fit into `width`: room for whole names and values where there is enough, equal widths elsewhere.
fn widths(columns: &[&[(String, String)]], width: usize) -> Vec<usize> {
    let (least, most) = FIGURE;
    let count = columns.len().min((width + GAP) / (least + GAP)).max(1);
    let needed = columns.iter().take(count).map(|column| {
        let entries = column.iter();
        let widths = entries.map(|(name, value)| name.chars().count() + 1 + value.chars().count());
        widths.max().unwrap_or(0)
    });
    let needed: Vec<usize> = needed.collect();
    match (width + GAP).checked_sub(needed.iter().sum::<usize>() + GAP * count) {
        Some(spare) => {
            let widths = needed.into_iter();
            widths
                .map(|own| (own + spare / count).min(own.max(most)))
                .collect()
        }
        None => vec![((width + GAP) / count).saturating_sub(GAP); count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: u16, height: u16, draw: impl Fn(Rect, &mut Buffer)) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        draw(area, &mut buffer);
        let rows = buffer.content.chunks(width.into());
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect()
    }

    #[test]
    fn few_stages_have_a_row_each() {
        let values = [Some(1.0), Some(0.01), Some(0.0), None];
        let shown = screen(22, 4, |area, buffer| residuals(&values, area, buffer));
        // Two decades and 3 % of them at each end, in 10 cells.
        let expected = [
            "1 █████████▊   1.00000",
            "2 ▎            0.01000",
            "3              0.00000",
            "4                    -",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn many_stages_share_columns() {
        let mut values = [Some(1.0); 100];
        values[70] = Some(1e4);
        let shown = screen(25, 5, |area, buffer| residuals(&values, area, buffer));
        assert_eq!(shown[0].trim_end(), "max 10000.00 at 71");
        // Four stages in each column.
        assert_eq!(shown[1].chars().position(|cell| cell != ' '), Some(17));
        assert_eq!(shown[4].trim_end(), "1                     100");
        let twelve = [Some(1.0); 12];
        let shown = screen(40, 3, |area, buffer| residuals(&twelve, area, buffer));
        assert_eq!(shown[2].split_whitespace().collect::<Vec<_>>(), ["1", "12"]);
    }

    #[test]
    fn figures_fill_columns_as_far_as_they_fit() {
        let entries: Vec<_> = (0..5)
            .map(|i| (format!("name {i}"), format!("{i}")))
            .collect();
        let shown = screen(46, 2, |area, buffer| figures(&entries, area, buffer));
        let lines = shown.join("\n");
        assert!(
            lines.contains("name 3") && !lines.contains("name 4"),
            "{lines}"
        );
        let narrow = screen(5, 2, |area, buffer| figures(&entries, area, buffer));
        assert_eq!(narrow, ["nam 0", "nam 1"]);
        let long = [("a name of more than its share", "1"), ("short", "2")];
        let long = long.map(|(name, value)| (name.into(), value.into()));
        let whole = screen(46, 1, |area, buffer| figures(&long, area, buffer));
        assert!(
            whole[0].starts_with("a name of more than its share "),
            "{whole:?}"
        );
    }
}
