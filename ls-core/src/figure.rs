//! Figures: the numbers that a run reports, by name.
//!
//! A [`Figure`] is a definition: name, stage, unit, direction. Measurements and methods offer lists of them; dashboards, line
//! output, `history.csv`, charts, reports and comparisons are made from that one list. A method that reports a figure of its own
//! defines a constant and records values under it:
//!
//! ```
//! use ls_core::figure::{Better, Figure, Figures};
//!
//! const GRADIENT_NORM: Figure = Figure::new("Gradient norm").unit("loss per weight").better(Better::Lower);
//!
//! let report = Figures::default().with(GRADIENT_NORM, 0.25).with(GRADIENT_NORM.at(2), 0.5);
//! assert_eq!(report.number(&GRADIENT_NORM), Some(0.25));
//! assert_eq!(GRADIENT_NORM.at(2).key(), "gradient_norm_2");
//! ```

use core::fmt;

use serde::{Deserialize, Serialize};

/// Which values of a figure are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Smaller ones, as of a loss.
    Lower,
    /// Larger ones, as of an accuracy.
    Higher,
    /// Neither, as of a step length.
    #[default]
    Neither,
}

/// The scale on which a figure is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FigureScale {
    /// For values of one size.
    Linear,
    /// For values that span decades.
    #[default]
    Log,
}

/// The samples that a figure is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitName {
    /// The training split.
    Train,
    /// The samples that are held out to choose weights by.
    Validation,
    /// The test split.
    Test,
}

impl SplitName {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// How the values of the batches of a sweep become the value of the sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// The last batch decides.
    #[default]
    Last,
    /// The batches add up, as counts do.
    Sum,
}

/// The definition of a number, or a word, that a run reports after every sweep.
///
/// Name, split and stage together identify a figure. Two figures of one run must not share all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Name that people read, such as `Original loss`.
    pub name: &'static str,
    /// Samples that it is measured on; `None` for a figure of the method.
    pub split: Option<SplitName>,
    /// Number of the stage that it belongs to, from 1; `None` for the whole network.
    pub stage: Option<usize>,
    /// Unit in words; empty for a pure number.
    pub unit: &'static str,
    /// Which values are better.
    pub better: Better,
    /// Scale of its chart.
    pub scale: FigureScale,
    /// Title of the chart that it is drawn in; its own name where empty.
    pub chart: &'static str,
    /// Whether the line of a sweep leaves it out.
    pub is_detail: bool,
    /// How the batches of a sweep combine.
    pub combine: Combine,
}

impl Figure {
    /// Defines a figure of the whole network in the last batch of a sweep: without unit and direction, on a logarithmic scale.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            split: None,
            stage: None,
            unit: "",
            better: Better::Neither,
            scale: FigureScale::Log,
            chart: "",
            is_detail: false,
            combine: Combine::Last,
        }
    }

    /// Sets the unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Sets the direction that is better.
    pub const fn better(self, better: Better) -> Self {
        Self { better, ..self }
    }

    /// Sets the scale of the chart.
    pub const fn scale(self, scale: FigureScale) -> Self {
        Self { scale, ..self }
    }

    /// Sets the title of the chart.
    pub const fn chart(self, chart: &'static str) -> Self {
        Self { chart, ..self }
    }

    /// Leaves the figure out of the line of a sweep; the other outputs have it.
    pub const fn detail(self) -> Self {
        Self {
            is_detail: true,
            ..self
        }
    }

    /// Adds up the values of the batches of a sweep.
    pub const fn sum(self) -> Self {
        Self {
            combine: Combine::Sum,
            ..self
        }
    }

    /// Returns the figure of one stage, counted from 1.
    pub const fn at(self, stage: usize) -> Self {
        Self {
            stage: Some(stage),
            ..self
        }
    }

    /// Returns the figure of one split.
    pub const fn on(self, split: SplitName) -> Self {
        Self {
            split: Some(split),
            ..self
        }
    }

    /// Returns the title of the chart.
    pub fn chart_title(&self) -> &'static str {
        if self.chart.is_empty() {
            self.name
        } else {
            self.chart
        }
    }

    /// Returns the name in files: `split_name_stage` in lower case, without the parts that the figure does not have.
    pub fn key(&self) -> String {
        let mut key = self
            .split
            .map_or_else(String::new, |split| format!("{}_", split.name()));
        let name = self.name.to_lowercase().replace('/', "_over_");
        key += &name.replace([' ', '-'], "_");
        if let Some(stage) = self.stage {
            key += &format!("_{stage}");
        }
        key
    }

    /// Returns the name that people read, with its stage, without its split: `Residual 2`.
    pub fn title(&self) -> String {
        match self.stage {
            Some(stage) => format!("{} {stage}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Tells whether two definitions identify the same figure.
    pub fn is(&self, other: &Self) -> bool {
        (self.name, self.split, self.stage) == (other.name, other.split, other.stage)
    }
}

/// The value of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FigureValue {
    /// A number.
    Number(f64),
    /// A choice, by its name.
    Word(&'static str),
}

impl FigureValue {
    /// Returns the number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            Self::Word(_) => None,
        }
    }
}

impl From<f64> for FigureValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&'static str> for FigureValue {
    fn from(value: &'static str) -> Self {
        Self::Word(value)
    }
}

impl fmt::Display for FigureValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// Figures with their values, in the order in which they were recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    values: Vec<(Figure, FigureValue)>,
}

impl Figures {
    /// Records a value, in place of an earlier one of the same figure.
    pub fn record(&mut self, figure: Figure, value: impl Into<FigureValue>) {
        let value = value.into();
        match self.values.iter_mut().find(|(own, _)| own.is(&figure)) {
            Some((_, own)) => *own = value,
            None => self.values.push((figure, value)),
        }
    }

    /// Records a value, if there is one.
    pub fn record_some(&mut self, figure: Figure, value: Option<impl Into<FigureValue>>) {
        if let Some(value) = value {
            self.record(figure, value);
        }
    }

    /// Returns the figures with one more value.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: impl Into<FigureValue>) -> Self {
        self.record(figure, value);
        self
    }

    /// Returns the value of a figure, if it was recorded.
    pub fn value(&self, figure: &Figure) -> Option<FigureValue> {
        let mut values = self.values.iter();
        values
            .find(|(own, _)| own.is(figure))
            .map(|&(_, value)| value)
    }

    /// Returns the number of a figure, if one was recorded.
    pub fn number(&self, figure: &Figure) -> Option<f64> {
        self.value(figure)?.number()
    }

    /// Returns all figures with their values.
    pub fn iter(&self) -> impl Iterator<Item = &(Figure, FigureValue)> {
        self.values.iter()
    }

    /// Takes in the figures of the next batch: each combines as its definition says.
    #[must_use]
    pub fn followed_by(mut self, next: Self) -> Self {
        for (figure, value) in next.values {
            let sum = match (figure.combine, self.number(&figure), value) {
                (Combine::Sum, Some(before), FigureValue::Number(own)) => {
                    FigureValue::Number(before + own)
                }
                _ => value,
            };
            self.record(figure, sum);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Figure = Figure::new("Count").sum();
    const STEP: Figure = Figure::new("Step length");

    #[test]
    fn counts_add_up_and_other_figures_take_the_last_value() {
        let first = Figures::default().with(COUNT, 2.0).with(STEP, 0.5);
        let second = Figures::default().with(COUNT, 3.0).with(STEP, "none");
        let both = first.followed_by(second).followed_by(Figures::default());
        assert_eq!(both.number(&COUNT), Some(5.0));
        assert_eq!(both.value(&STEP), Some(FigureValue::Word("none")));
    }

    #[test]
    fn name_split_and_stage_identify_a_figure() {
        let figures = [
            COUNT,
            COUNT.at(1),
            COUNT.at(2),
            COUNT.on(SplitName::Test).at(1),
        ];
        let mut values = Figures::default();
        for (i, figure) in figures.into_iter().enumerate() {
            values.record(figure, i as f64);
        }
        for (i, figure) in figures.iter().enumerate() {
            assert_eq!(values.number(figure), Some(i as f64));
        }
        let keys = figures.map(|figure| figure.key());
        assert_eq!(keys, ["count", "count_1", "count_2", "test_count_1"]);
    }
}
