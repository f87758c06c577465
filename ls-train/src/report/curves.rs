//! Curves of a chart: names, colours and places in the legend of the columns of one group.

use ls_core::figure::{FigureScale, SplitName};

use crate::chart::{AxisScale, Band, COLOURS, Colour, Curve};
use crate::run_dir::{Column, HistoryTable};

/// Unit of shares, 0 to 1, which charts show in percent.
const SHARE: &str = "share";

/// Stages that a legend lists one by one; of more stages it lists the first, the middle and the last.
const LISTED_STAGES: usize = 6;

/// Colours from the first stage to the last.
const RAMP: [Colour; 3] = [COLOURS[0], COLOURS[3], COLOURS[1]];

/// Splits in the order of a legend, with their names for readers and their places in [`COLOURS`].
const SPLITS: [(SplitName, &str, usize); 3] = [
    (SplitName::Train, "training", 0),
    (SplitName::Validation, "validation", 4),
    (SplitName::Test, "test", 3),
];

/// Two losses that should be equal may differ by so much of themselves.
const ROUNDING: f64 = 1e-6;

/// A column with its points `(sweep, value)`.
struct Series<'a> {
    column: &'a Column,
    points: Vec<(f64, f64)>,
}

impl<'a> Series<'a> {
    fn read(column: &'a Column, history: &HistoryTable) -> Self {
        let mut points = history.points("sweep", &column.key);
        if column.unit == SHARE {
            points.iter_mut().for_each(|(_, share)| *share *= 100.0);
        }
        Self { column, points }
    }

    /// Returns the place of the column's split in [`SPLITS`].
    fn split(&self) -> Option<usize> {
        let split = self.column.split?;
        SPLITS.iter().position(|(own, _, _)| *own == split)
    }
}

/// The columns of a history that share a chart.
pub(super) struct ColumnGroup<'a> {
    /// Title of the chart, as the columns give it.
    pub(super) title: &'a str,
    series: Vec<Series<'a>>,
}

impl<'a> ColumnGroup<'a> {
    pub(super) fn new(title: &'a str) -> Self {
        Self {
            title,
            series: Vec::new(),
        }
    }

    /// Adds a column with its points.
    pub(super) fn add(&mut self, column: &'a Column, history: &HistoryTable) {
        self.series.push(Series::read(column, history));
    }

    /// Returns the scale of the vertical axis: logarithmic if it is so for all columns.
    pub(super) fn scale(&self) -> AxisScale {
        let is_log = |series: &Series<'_>| series.column.scale == FigureScale::Log;
        match self.series.iter().all(is_log) {
            true => AxisScale::Log,
            false => AxisScale::Linear,
        }
    }

    /// Returns the unit that all columns share, if there is one.
    pub(super) fn unit(&self) -> Option<&str> {
        let unit = self.series.first()?.column.unit.as_str();
        let is_shared = self.series.iter().all(|series| series.column.unit == unit);
        match unit {
            SHARE if is_shared => Some("percent"),
            unit => (is_shared && !unit.is_empty()).then_some(unit),
        }
    }

    /// Returns the names of the figures, each once.
    pub(super) fn figures(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for series in &self.series {
            if !names.contains(&series.column.name.as_str()) {
                names.push(&series.column.name);
            }
        }
        names
    }

    /// Returns whether a column has a value that the chart can show.
    pub(super) fn shows(&self, key: &str) -> bool {
        let mut series = self.series.iter();
        series.any(|series| series.column.key == key && self.is_visible(series))
    }

    /// Returns the band between two columns, in the sweeps that have both; none where the second one is ever below the first.
    pub(super) fn band(&self, keys: [&str; 2]) -> Option<Band> {
        let of = |key: &str| self.series.iter().find(|series| series.column.key == key);
        let (lower, upper) = (of(keys[0])?, of(keys[1])?);
        // Both run from left to right.
        let mut ends = upper.points.iter().peekable();
        let both = lower.points.iter().filter_map(|&(x, low)| {
            while ends.next_if(|point| point.0 < x).is_some() {}
            let &&(place, high) = ends.peek()?;
            (place == x).then_some((x, low, high))
        });
        let points: Vec<_> = both.collect();
        let is_ordered = points
            .iter()
            .all(|&(_, low, high)| low <= high * (1.0 + ROUNDING));
        is_ordered.then_some(Band {
            colour: COLOURS[SPLITS[0].2],
            points,
        })
    }

    /// Returns the curves: first those of the whole network, then those of single stages, figure by figure.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let mut curves = self.network_curves();
        for figure in self.figures() {
            curves.extend(self.stage_curves(figure));
        }
        curves
    }

    /// Returns how many stages of how many have no value of a figure that the chart can show.
    pub(super) fn invisible_stages(&self, figure: &str) -> (usize, usize) {
        let visible = self.stages(figure).filter(|series| self.is_visible(series));
        let (visible, all) = (visible.count(), self.stages(figure).count());
        (all - visible, all)
    }

    /// Returns the curves of the columns that belong to no stage. Figures of several splits come last, and so are drawn above the
    /// others; the first of these figures has the colours of the splits.
    fn network_curves(&self) -> Vec<Curve> {
        let all = self.series.iter();
        let mut series: Vec<&Series<'_>> = all.filter(|s| s.column.stage.is_none()).collect();
        series.sort_by_key(|s| (self.has_several_splits(&s.column.name), s.split()));
        let names = series.iter().map(|series| series.column.name.as_str());
        let split_figure = names.into_iter().find(|name| self.has_several_splits(name));
        let is_free = |place: &usize| {
            split_figure.is_none() || SPLITS.iter().all(|(_, _, reserved)| reserved != place)
        };
        let mut free = (0..COLOURS.len()).filter(is_free).cycle();
        let curve = |series: &Series<'_>| {
            let own = series
                .split()
                .filter(|_| split_figure == Some(&series.column.name));
            let place = own.map(|split| SPLITS[split].2).or_else(|| free.next());
            let colour = COLOURS[place.unwrap_or(0)];
            Curve::new(self.label(series), colour, series.points.clone())
        };
        series.into_iter().map(curve).collect()
    }

    /// Returns the curves of a figure of the stages, coloured from the first stage to the last.
    fn stage_curves(&self, figure: &str) -> Vec<Curve> {
        let stages = self.stages(figure);
        let visible: Vec<&Series<'_>> = stages.filter(|series| self.is_visible(series)).collect();
        let count = visible.len();
        let curve = |(i, series): (usize, &Series<'_>)| Curve {
            in_legend: count <= LISTED_STAGES || [0, count / 2, count - 1].contains(&i),
            ..Curve::new(self.label(series), ramp(i, count), series.points.clone())
        };
        visible.into_iter().enumerate().map(curve).collect()
    }

    fn stages(&self, figure: &str) -> impl Iterator<Item = &Series<'a>> {
        let is_own = move |column: &Column| column.stage.is_some() && column.name == figure;
        self.series
            .iter()
            .filter(move |series| is_own(series.column))
    }

    fn is_visible(&self, series: &Series<'_>) -> bool {
        let scale = self.scale();
        series.points.iter().any(|point| scale.shows(point.1))
    }

    fn has_several_splits(&self, figure: &str) -> bool {
        let own = |series: &&Series<'_>| series.column.name == figure;
        let mut splits = self.series.iter().filter(own).map(Series::split);
        let first = splits.next();
        splits.any(|split| Some(split) != first)
    }

    /// Returns the name of a curve: figure, stage and split, as far as they tell it apart from the other curves.
    fn label(&self, series: &Series<'_>) -> String {
        let column = series.column;
        let is_title = column.name.eq_ignore_ascii_case(self.title);
        let split = series
            .split()
            .filter(|_| self.has_several_splits(&column.name))
            .map(|split| SPLITS[split].1.to_owned());
        let stage = column.stage.map(|stage| format!("stage {stage}"));
        let is_implied = stage.is_some() || (is_title && split.is_some());
        let figure = (self.figures().len() > 1 || !is_implied).then(|| column.name.clone());
        let words: Vec<String> = [figure, stage, split].into_iter().flatten().collect();
        words.join(", ")
    }
}

/// Returns the colour of stage `i` of `count`, from 0.
fn ramp(i: usize, count: usize) -> Colour {
    let place = 2.0 * i as f64 / count.saturating_sub(1).max(1) as f64;
    let half = usize::from(place >= 1.0);
    let (from, to, share) = (RAMP[half], RAMP[half + 1], place - half as f64);
    let mix = |from: u8, to: u8| {
        let mixed = f64::from(from) + share * (f64::from(to) - f64::from(from));
        mixed.round() as u8
    };
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_begins_and_ends_with_its_colours() {
        assert_eq!(ramp(0, 1), RAMP[0]);
        assert_eq!(ramp(0, 30), RAMP[0]);
        assert_eq!(ramp(15, 31), RAMP[1]);
        assert_eq!(ramp(29, 30), RAMP[2]);
    }
}
