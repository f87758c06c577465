//! One line per sweep, for logs, pipes and narrow terminals.

use std::io::Write;
use std::time::Instant;

use ls_core::figure::{Figure, FigureValue, SplitName};
use ls_core::fit::{Observer, RunStart, SweepRecord};

use super::shown_number;
use crate::format;
use crate::{Error, Result};

/// Least width of a column of figures.
const WIDTH: usize = 16;

/// Writes the figures of each sweep in columns. Details, such as residuals, are left to the other outputs.
pub struct Lines {
    out: Box<dyn Write + Send>,
    columns: Vec<Figure>,
    sweeps: usize,
    started: Instant,
    has_header: bool,
}

impl Lines {
    /// Lines to `out`, or to nowhere once `out` is closed.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Box::new(out),
            columns: Vec::new(),
            sweeps: 0,
            started: Instant::now(),
            has_header: false,
        }
    }

    fn line(&mut self, text: &str) {
        // A closed pipe ends the printing, not the training.
        let _ = writeln!(self.out, "{}", text.trim_end()).and_then(|()| self.out.flush());
    }

    fn header(&self) -> String {
        let names = self.columns.iter().map(|figure| {
            let name = name(figure);
            format!("{name:>width$}", width = width(&name))
        });
        format!(
            "{:>9}{}{:>10}",
            "sweep",
            names.collect::<String>(),
            "elapsed"
        )
    }

    fn row(&self, record: &SweepRecord) -> String {
        let cells = self.columns.iter().map(|figure| {
            let text = cell(figure, record.value(figure));
            format!("{text:>width$}", width = width(&name(figure)))
        });
        format!(
            "{:>9}{}{:>10.1}",
            format!("{}/{}", record.sweep, self.sweeps),
            cells.collect::<String>(),
            self.started.elapsed().as_secs_f64()
        )
    }
}

/// Title of a column: the name of the figure, with its split where it is not the training split.
fn name(figure: &Figure) -> String {
    match figure.split {
        None | Some(SplitName::Train) => figure.title(),
        Some(split) => format!("{} {}", split.name(), figure.title().to_lowercase()),
    }
}

/// Width of a column: long names do not run into each other.
fn width(name: &str) -> usize {
    WIDTH.max(name.chars().count() + 2)
}

fn cell(figure: &Figure, value: Option<FigureValue>) -> String {
    match value {
        Some(FigureValue::Word(word)) => word.into(),
        value => {
            let number = value.and_then(|value| shown_number(figure, value));
            number.map_or_else(|| "-".into(), format::number)
        }
    }
}

impl Observer<Error> for Lines {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        let figures = start.figures.iter().copied();
        self.columns = figures.filter(|figure| !figure.is_detail).collect();
        self.sweeps = start.sweeps;
        self.started = Instant::now();
        self.line(start.label);
        Ok(())
    }

    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        // The start of a run is in its history.
        if record.sweep == 0 {
            return Ok(());
        }
        if !self.has_header {
            self.has_header = true;
            self.line(&self.header());
        }
        self.line(&self.row(record));
        Ok(())
    }
}
