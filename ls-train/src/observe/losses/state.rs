//! What the view shows, without a terminal.

use core::time::Duration;
use std::time::Instant;

use ls_core::figure::{Figure, FigureValue, SplitName};
use ls_core::fit::{
    ACCURACY, BOUND_RATIO, CERTIFICATE, ORIGINAL_LOSS, RESIDUAL, RunStart, SEPARATED_LOSS,
    SweepProgress, SweepRecord,
};

use crate::format;

/// Number of the latest sweeps whose mean duration predicts the remaining time.
const RECENT: usize = 10;

/// A loss with a line in the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// `F` on the training split.
    Original,
    /// `C`.
    Certificate,
    /// `S`.
    Separated,
    /// `F` on the validation split.
    Validation,
    /// `F` on the test split.
    Test,
}

impl Loss {
    /// All losses, in the order of the legend.
    const ALL: [Self; 5] = [
        Self::Original,
        Self::Certificate,
        Self::Separated,
        Self::Validation,
        Self::Test,
    ];

    /// Returns the figure that holds its values.
    pub(super) fn figure(self) -> Figure {
        match self {
            Self::Original => ORIGINAL_LOSS.on(SplitName::Train),
            Self::Certificate => CERTIFICATE,
            Self::Separated => SEPARATED_LOSS,
            Self::Validation => ORIGINAL_LOSS.on(SplitName::Validation),
            Self::Test => ORIGINAL_LOSS.on(SplitName::Test),
        }
    }
}

/// The values of a loss over the sweeps.
#[derive(Clone, Debug)]
pub(super) struct LossCurve {
    /// The loss.
    pub loss: Loss,
    /// Sweeps with their finite values.
    pub points: Vec<(usize, f64)>,
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    #[default]
    None,
    /// An end after the current sweep.
    Stop,
    /// An end at once.
    Close,
}

/// What the view shows.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The run in one line.
    pub label: String,
    /// Number of the last sweep of the run.
    pub sweeps: usize,
    /// Number of the latest sweep that ended.
    pub sweep: usize,
    /// Training samples seen in the current sweep.
    pub seen: usize,
    /// Training samples in all.
    pub samples: usize,
    /// Losses that the run reports.
    pub courses: Vec<LossCurve>,
    /// Newest residual of each hidden stage.
    pub residuals: Vec<Option<f64>>,
    /// What the user asked for.
    pub request: Request,
    /// Number of changes so far.
    pub changes: usize,
    started: Instant,
    /// Times since the start at which sweeps of this session ended; the first is its beginning.
    ends: Vec<Duration>,
    /// Accuracies first, then `S/F` and the figures of the method.
    figures: Vec<(Figure, Option<FigureValue>)>,
}

impl State {
    /// The state before the first sweep.
    pub(super) fn new(start: &RunStart<'_>) -> Self {
        let reports = |figure: Figure| start.figures.iter().any(|own| own.is(&figure));
        let losses = Loss::ALL.into_iter().filter(|loss| reports(loss.figure()));
        let residuals = start.figures.iter().filter(|own| own.name == RESIDUAL.name);
        let accuracies = start.figures.iter().filter(|own| own.name == ACCURACY.name);
        let own = start.figures.iter().filter(|own| is_beside(own));
        Self {
            label: start.label.into(),
            sweeps: start.sweeps,
            sweep: start.done,
            seen: 0,
            samples: start.samples,
            courses: losses
                .map(|loss| LossCurve {
                    loss,
                    points: Vec::new(),
                })
                .collect(),
            residuals: vec![None; residuals.count()],
            request: Request::None,
            changes: 0,
            started: Instant::now(),
            ends: vec![Duration::ZERO],
            figures: accuracies.chain(own).map(|&own| (own, None)).collect(),
        }
    }

    /// Takes in the progress within a sweep.
    pub(super) fn progressed(&mut self, progress: SweepProgress) {
        self.changes += 1;
        self.seen = progress.seen;
        self.samples = progress.samples;
    }

    /// Takes in the record of a sweep.
    pub(super) fn sweep_ended(&mut self, record: &SweepRecord) {
        self.sweep_ended_at(record, self.elapsed());
    }

    fn sweep_ended_at(&mut self, record: &SweepRecord, elapsed: Duration) {
        self.changes += 1;
        self.sweep = record.sweep;
        self.seen = 0;
        // The measurement before the first sweep takes no part in the duration of sweeps.
        match record.sweep {
            0 => self.ends = vec![elapsed],
            _ => self.ends.push(elapsed),
        }
        for course in &mut self.courses {
            let value = record.figures.number(&course.loss.figure());
            let value = value.filter(|value| value.is_finite());
            course
                .points
                .extend(value.map(|value| (record.sweep, value)));
        }
        for (l, residual) in self.residuals.iter_mut().enumerate() {
            *residual = record.figures.number(&RESIDUAL.at(l + 1)).or(*residual);
        }
        for (figure, value) in &mut self.figures {
            *value = record.value(figure).or(*value);
        }
    }

    /// Takes in a wish of the user to end; the second one is for an end at once.
    pub(super) fn ask_to_end(&mut self) {
        self.changes += 1;
        self.request = match self.request {
            Request::None => Request::Stop,
            Request::Stop | Request::Close => Request::Close,
        };
    }

    /// Returns the time since the start of the session.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Estimates the time until the last sweep, from the mean duration of the latest sweeps; `None` before the first one ends.
    pub(super) fn remaining(&self, elapsed: Duration) -> Option<Duration> {
        let recent = RECENT.min(self.ends.len() - 1);
        let last = *self.ends.last()?;
        let count = u32::try_from(recent).ok().filter(|&count| count > 0)?;
        let mean = last.saturating_sub(self.ends[self.ends.len() - 1 - recent]) / count;
        let left = self.sweeps.saturating_sub(self.sweep);
        let left = mean.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        Some(left.saturating_sub(elapsed.saturating_sub(last)))
    }

    /// Returns the share of the run that is done, 0 to 1.
    pub(super) fn done(&self) -> f64 {
        let part = self.seen as f64 / self.samples.max(1) as f64;
        ((self.sweep as f64 + part) / self.sweeps.max(1) as f64).min(1.0)
    }

    /// Returns the smallest positive value of all lines, at which the chart shows a loss of zero.
    pub(super) fn least(&self) -> Option<f64> {
        let points = self.courses.iter().flat_map(|course| &course.points);
        let positive = points.map(|&(_, value)| value).filter(|&value| value > 0.0);
        positive.reduce(f64::min)
    }

    /// Returns the names and newest values of the figures beside losses and residuals.
    pub(super) fn figures(&self) -> Vec<(String, String)> {
        let shown = |&(figure, value): &(Figure, _)| (name(&figure), text(&figure, value));
        self.figures.iter().map(shown).collect()
    }
}

/// Whether a figure has a place beside the accuracies: no loss of the chart, and of the whole network.
fn is_beside(figure: &Figure) -> bool {
    let measured = [
        ORIGINAL_LOSS.name,
        SEPARATED_LOSS.name,
        CERTIFICATE.name,
        RESIDUAL.name,
        ACCURACY.name,
    ];
    figure.stage.is_none() && !measured.contains(&figure.name)
}

/// Name of a figure, with its split where there are several.
fn name(figure: &Figure) -> String {
    match figure.split {
        _ if figure.is(&BOUND_RATIO) => figure.title(),
        None => figure.title(),
        Some(split) => {
            let split = split.name();
            let (first, rest) = split.split_at(1);
            let title = figure.title().to_lowercase();
            format!("{}{rest} {title}", first.to_uppercase())
        }
    }
}

/// Value of a figure as people read it: words as they are, whole numbers without decimals, shares in percent.
fn text(figure: &Figure, value: Option<FigureValue>) -> String {
    match value {
        None => "-".into(),
        Some(FigureValue::Word(word)) => word.into(),
        Some(FigureValue::Number(share)) if figure.unit == ACCURACY.unit => {
            format!("{}%", format::percent(share))
        }
        Some(FigureValue::Number(number)) if number.fract() == 0.0 && number.abs() < 1e7 => {
            format!("{number}")
        }
        Some(FigureValue::Number(number)) => format::number(number),
    }
}

#[cfg(test)]
mod tests {
    use ls_core::figure::Figures;

    use super::super::testing::{record, start_figures, state_of};
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn missing_and_infinite_values_leave_gaps() {
        let mut state = state_of(&start_figures(1), 9);
        let losses = [
            Some(2.0),
            None,
            Some(f64::NAN),
            Some(f64::INFINITY),
            Some(0.0),
        ];
        for (sweep, loss) in losses.into_iter().enumerate() {
            let mut figures = Figures::default();
            figures.record_some(SEPARATED_LOSS, loss);
            state.sweep_ended(&record(sweep, figures));
        }
        let separated = state.courses.iter();
        let separated = separated.clone().find(|own| own.loss == Loss::Separated);
        assert_eq!(separated.unwrap().points, [(0, 2.0), (4, 0.0)]);
        assert_eq!(state.least(), Some(2.0));
    }

    #[test]
    fn the_newest_value_of_each_figure_stays() {
        let step = Figure::new("Step");
        let mut state = state_of(&[ACCURACY.on(SplitName::Train), step, RESIDUAL.at(1)], 9);
        let figures = Figures::default()
            .with(ACCURACY.on(SplitName::Train), 0.98108)
            .with(step, 3.0)
            .with(RESIDUAL.at(1), 0.5);
        state.sweep_ended(&record(1, figures));
        state.sweep_ended(&record(2, Figures::default().with(step, "none")));
        let shown = state.figures();
        let expected = [("Train accuracy", "98.11%"), ("Step", "none")];
        assert_eq!(
            shown,
            expected.map(|(name, text)| (name.into(), text.into()))
        );
        assert_eq!(state.residuals, [Some(0.5)]);
    }

    #[test]
    fn the_ratio_outlives_a_sweep_without_it() {
        let mut state = state_of(&start_figures(1), 9);
        let original = ORIGINAL_LOSS.on(SplitName::Train);
        let both = Figures::default()
            .with(original, 0.2)
            .with(BOUND_RATIO, 1.5);
        state.sweep_ended(&record(1, both));
        state.sweep_ended(&record(2, Figures::default().with(original, 0.1)));
        let ratio = ("S/F".to_owned(), "1.50000".to_owned());
        assert!(state.figures().contains(&ratio), "{:?}", state.figures());
        let backprop = state_of(&[original, ACCURACY.on(SplitName::Train)], 9);
        assert_eq!(backprop.figures().len(), 1);
    }

    #[test]
    fn the_remaining_time_follows_the_latest_sweeps() {
        let mut state = state_of(&start_figures(1), 40);
        assert_eq!(state.remaining(seconds(5)), None);
        let mut end = |sweep, elapsed| {
            state.sweep_ended_at(&record(sweep, Figures::default()), seconds(elapsed));
            state.remaining(seconds(elapsed))
        };
        assert_eq!(end(0, 7), None);
        assert_eq!(end(1, 9), Some(seconds(78)));
        // Ten sweeps of one second each push the slow first one out.
        for sweep in 2..=10 {
            end(sweep, 8 + sweep as u64);
        }
        assert_eq!(end(11, 19), Some(seconds(29)));
        assert_eq!(state.remaining(seconds(22)), Some(seconds(26)));
        assert_eq!(state.remaining(seconds(999)), Some(Duration::ZERO));
    }

    #[test]
    fn a_resumed_run_counts_its_own_sweeps() {
        let mut state = state_of(&start_figures(1), 40);
        state.sweep = 30;
        state.sweep_ended_at(&record(31, Figures::default()), seconds(2));
        assert_eq!(state.remaining(seconds(2)), Some(seconds(18)));
        state.progressed(SweepProgress {
            sweep: 32,
            seen: 50,
            samples: 100,
        });
        // 31.5 of 40 sweeps.
        assert_eq!(state.done(), 0.7875);
    }

    #[test]
    fn the_second_wish_to_end_closes() {
        let mut state = state_of(&start_figures(1), 9);
        let requests = [(); 3].map(|()| {
            state.ask_to_end();
            state.request
        });
        assert_eq!(requests, [Request::Stop, Request::Close, Request::Close]);
    }
}
