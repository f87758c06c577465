//! The whole screen.

use core::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::line;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, LineGauge, Widget};

use super::state::{Loss, Request, State};
use super::{chart, panels};
use crate::format;

/// Least size of a screen with a chart.
const CHART: (u16, u16) = (34, 9);

/// Least height of a screen with panels below the chart.
const PANELS: u16 = 19;

/// Least size of a screen with panels beside the chart.
const WIDE: (u16, u16) = (110, 24);

/// Columns of the panels beside the chart.
const SIDE: u16 = 44;

/// Draws the state of a run after `elapsed` on a screen of any size.
pub(super) fn draw(state: &State, elapsed: Duration, area: Rect, buffer: &mut Buffer) {
    if area.width < CHART.0 || area.height < CHART.1 {
        return small(state, elapsed, area, buffer);
    }
    let [main, gauge, times, keys] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_main(state, main, buffer);
    let [gauge, times, keys] = [gauge, times, keys].map(inset);
    draw_gauge(state, gauge, buffer);
    Line::raw(progress(state, elapsed)).render(times, buffer);
    footer(state).render(keys, buffer);
}

/// Chart and panels.
fn draw_main(state: &State, area: Rect, buffer: &mut Buffer) {
    let figures = state.figures();
    let has_residuals = !state.residuals.is_empty();
    let (chart, panels) = if area.width >= WIDE.0 && area.height >= WIDE.1 {
        let [chart, side] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(SIDE)]).areas(area);
        let rows = u16::try_from(figures.len() + 2).unwrap_or(u16::MAX);
        let figures = match has_residuals {
            true => Constraint::Length(rows.min(side.height / 2)),
            false => Constraint::Fill(1),
        };
        let split: [Rect; 2] = Layout::vertical([figures, Constraint::Fill(1)]).areas(side);
        (chart, Some(split))
    } else if area.height + 3 >= PANELS {
        let height = (area.height / 3).max(7);
        let [chart, below] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(area);
        let residuals = if has_residuals { below.width / 3 } else { 0 };
        let [residuals, figures] =
            Layout::horizontal([Constraint::Length(residuals), Constraint::Fill(1)]).areas(below);
        (chart, Some([figures, residuals]))
    } else {
        (area, None)
    };
    chart::draw(state, framed(&state.label, chart, buffer), buffer);
    let Some([at_figures, at_residuals]) = panels else {
        return;
    };
    panels::figures(&figures, framed("Figures", at_figures, buffer), buffer);
    if has_residuals {
        let inner = framed("Residuals by stage", at_residuals, buffer);
        panels::residuals(&state.residuals, inner, buffer);
    }
}

/// Draws a frame with a title, and returns the area within it.
fn framed(title: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(Line::styled(format!(" {title} "), bold));
    let inner = inset(block.inner(area));
    block.render(area, buffer);
    inner
}

/// The area without its first and last column.
fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + area.width.min(1),
        width: area.width.saturating_sub(2),
        ..area
    }
}

fn draw_gauge(state: &State, area: Rect, buffer: &mut Buffer) {
    let percent = format!("{:>3.0}% ", 100.0 * state.done());
    LineGauge::default()
        .ratio(state.done())
        .label(percent)
        .filled_symbol(line::THICK_HORIZONTAL)
        .unfilled_symbol(line::HORIZONTAL)
        .filled_style(Style::new().fg(Color::Cyan))
        .unfilled_style(Style::new().fg(Color::DarkGray))
        .render(area, buffer);
}

/// Sweeps, samples and times in one line, the most important first.
fn progress(state: &State, elapsed: Duration) -> String {
    let mut text = format!("sweep {} of {}", state.sweep, state.sweeps);
    if state.seen > 0 {
        text += &format!(" + {} of {} samples", state.seen, state.samples);
    }
    text += &format!("   {} elapsed", clock(elapsed));
    if let Some(left) = state.remaining(elapsed) {
        text += &format!("   about {} left", clock(left));
    }
    text
}

/// A duration as minutes and seconds, with hours where there are any.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The keys, or what the pressed one does.
fn footer(state: &State) -> Line<'static> {
    match state.request {
        Request::None => Line::styled(keys(state), Style::new().fg(Color::DarkGray)),
        Request::Stop => Line::styled(
            " ends after this sweep; q again: close the view, end at the next step ",
            Style::new().add_modifier(Modifier::REVERSED),
        ),
        Request::Close => Line::raw("ends"),
    }
}

/// The keys, and the meaning of the letters in the chart.
fn keys(state: &State) -> &'static str {
    let has_bounds = state
        .courses
        .iter()
        .any(|own| own.loss == Loss::Certificate);
    match has_bounds {
        true => "q or Ctrl-C: end after this sweep   C: upper bound of the loss F; S: by layers",
        false => "q or Ctrl-C: end after this sweep",
    }
}

/// A screen without room for a chart: as many lines as fit, the most important first.
fn small(state: &State, elapsed: Duration, area: Rect, buffer: &mut Buffer) {
    let loss = state
        .courses
        .iter()
        .find(|course| course.loss == Loss::Original);
    let loss = loss.and_then(|course| course.points.last());
    let loss = loss.map_or_else(|| "-".into(), |&(_, value)| format::number(value));
    let mut lines = vec![
        Line::raw(format!("sweep {} of {}", state.sweep, state.sweeps)),
        Line::raw(format!("F {loss}")),
        Line::raw(format!("{} elapsed", clock(elapsed))),
        footer(state),
    ];
    if let Some(left) = state.remaining(elapsed) {
        lines.insert(3, Line::raw(format!("about {} left", clock(left))));
    }
    // The answer to a key must be seen.
    if state.request != Request::None {
        lines.rotate_right(1);
    }
    for (line, row) in lines.iter().zip(area.rows()) {
        line.render(row, buffer);
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
