//! One line per sweep, for logs, pipes and narrow terminals.

use std::io::Write;
use std::time::Instant;

use ls_core::figure::{Figure, FigureValue, SplitName};
use ls_core::fit::{
    ACCURACY, CERTIFICATE, ORIGINAL_LOSS, Observer, RunStart, SEPARATED_LOSS, SweepRecord,
};

use super::shown_number;
use crate::format;
use crate::{Error, Result};

/// Least width of a column of figures where there is room.
const WIDTH: usize = 16;

/// Least width of a column of figures on a narrow terminal: two spaces, and the longest number.
const NARROW: usize = 11;

/// Columns of the number of the sweep, and of the seconds.
const BESIDE: usize = 9 + 10;

/// Writes the figures of each sweep in columns. Details, such as residuals, are left to the other outputs.
pub struct Lines {
    out: Box<dyn Write + Send>,
    /// Characters of a line, at most.
    limit: Option<usize>,
    columns: Vec<Figure>,
    /// Least width of a column.
    least: usize,
    sweeps: usize,
    started: Instant,
    has_header: bool,
}

impl Lines {
    /// Lines to `out`, or to nowhere once `out` is closed.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Box::new(out),
            limit: None,
            columns: Vec::new(),
            least: WIDTH,
            sweeps: 0,
            started: Instant::now(),
            has_header: false,
        }
    }

    /// Limits the lines of the sweeps to a number of characters: columns become narrower, and then the least important ones are left
    /// out. The original loss is always there.
    #[must_use]
    pub fn within(self, limit: Option<usize>) -> Self {
        Self { limit, ..self }
    }

    /// Leaves out columns until a line is within the limit.
    fn fit(&mut self) {
        let limit = self.limit.unwrap_or(usize::MAX);
        let total = |columns: &[Figure]| -> usize {
            let widths = columns.iter().map(|figure| width(&name(figure), WIDTH));
            BESIDE + widths.sum::<usize>()
        };
        if total(&self.columns) <= limit {
            return;
        }
        self.least = NARROW;
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        order.sort_by_key(|&at| rank(&self.columns[at]));
        let mut used = BESIDE;
        let mut shown = vec![false; self.columns.len()];
        for at in order {
            let own = width(&name(&self.columns[at]), NARROW);
            shown[at] = used == BESIDE || used + own <= limit;
            used += if shown[at] { own } else { 0 };
        }
        let mut shown = shown.into_iter();
        self.columns.retain(|_| shown.next().unwrap_or(false));
    }

    fn line(&mut self, text: &str) {
        // A closed pipe ends the printing, not the training.
        let _ = writeln!(self.out, "{}", text.trim_end()).and_then(|()| self.out.flush());
    }

    fn header(&self) -> String {
        let names = self.columns.iter().map(|figure| {
            let name = name(figure);
            format!("{name:>width$}", width = width(&name, self.least))
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
            format!("{text:>width$}", width = width(&name(figure), self.least))
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
fn width(name: &str, least: usize) -> usize {
    least.max(name.chars().count() + 2)
}

/// Place of a figure in the order of importance, from 0.
fn rank(figure: &Figure) -> usize {
    let order = [
        ORIGINAL_LOSS.on(SplitName::Train),
        ACCURACY.on(SplitName::Test),
        ACCURACY.on(SplitName::Validation),
        SEPARATED_LOSS,
        CERTIFICATE,
        ACCURACY.on(SplitName::Train),
    ];
    let place = order.iter().position(|own| own.is(figure));
    place.unwrap_or(order.len())
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
        self.fit();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use ls_core::fit::BOUND_RATIO;

    use super::*;

    struct Sent(Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The names of the columns, and the length of the longest line, for a run of `exact` on a terminal.
    fn columns(limit: Option<usize>) -> (Vec<String>, usize) {
        let (sender, receiver) = channel();
        let mut lines = Lines::new(Sent(sender)).within(limit);
        let figures = [
            ORIGINAL_LOSS.on(SplitName::Train),
            SEPARATED_LOSS,
            CERTIFICATE,
            BOUND_RATIO,
            ACCURACY.on(SplitName::Train),
            ORIGINAL_LOSS.on(SplitName::Test),
            ACCURACY.on(SplitName::Test),
        ];
        lines
            .started(&RunStart {
                label: "",
                figures: &figures,
                done: 0,
                sweeps: 30,
                samples: 9,
            })
            .unwrap();
        let header = lines.header();
        lines.line(&header);
        let names = lines.columns.iter().map(name).collect();
        drop(lines);
        let bytes: Vec<u8> = receiver.into_iter().flatten().collect();
        let text = String::from_utf8(bytes).unwrap();
        (names, text.lines().map(str::len).max().unwrap())
    }

    #[test]
    fn a_narrow_terminal_shows_the_most_important_columns() {
        let all = [
            "Original loss",
            "Separated loss",
            "Certificate",
            "S/F",
            "Accuracy",
            "test original loss",
            "test accuracy",
        ];
        assert_eq!(columns(None).0, all);
        assert_eq!(columns(Some(133)).0, all);
        let at_80 = [
            "Original loss",
            "Separated loss",
            "Certificate",
            "test accuracy",
        ];
        assert_eq!(columns(Some(80)).0, at_80);
        assert_eq!(columns(Some(50)).0, ["Original loss", "test accuracy"]);
        assert_eq!(columns(Some(1)).0, ["Original loss"]);
        for limit in 34..140 {
            assert!(columns(Some(limit)).1 <= limit, "{limit}");
        }
    }
}
