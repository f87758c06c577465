//! Figures as metrics of burn-train.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricDefinition, MetricEntry, MetricId, MetricMetadata, MetricName,
    Numeric, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::MetricState;
use ls_core::figure::{Better, Figure, FigureValue, Figures, SplitName};

use super::super::{SHARE, shown_number};

/// Digits after the point in dashboards.
const PRECISION: usize = 5;

/// Returns the name of a figure in burn-train, which tells the training split and the validation split of a metric apart itself. Its
/// validation split is our test split.
pub(super) fn metric_name(figure: &Figure) -> String {
    // burn-train names files by it.
    let title = figure.title().replace('/', " over ");
    match figure.split {
        Some(SplitName::Validation) => format!("Validation {}", title.to_lowercase()),
        _ => title,
    }
}

/// Returns whether burn-train shows the figure on its validation split.
pub(super) fn is_on_test(figure: &Figure) -> bool {
    figure.split == Some(SplitName::Test)
}

fn attributes(figure: &Figure) -> MetricAttributes {
    let unit = match figure.unit {
        "" => None,
        SHARE => Some("%".to_owned()),
        unit => Some(unit.to_owned()),
    };
    NumericAttributes {
        unit,
        higher_is_better: figure.better == Better::Higher,
    }
    .into()
}

/// Returns the definition of a figure under an identity.
pub(super) fn definition(figure: &Figure) -> MetricDefinition {
    let name = Arc::new(metric_name(figure));
    MetricDefinition {
        metric_id: MetricId::new(Arc::clone(&name)),
        name,
        description: None,
        attributes: attributes(figure),
    }
}

/// Returns a value as burn-train's renderers take it; `None` for a word.
pub(super) fn metric_state(figure: &Figure, value: FigureValue) -> Option<MetricState> {
    let number = shown_number(figure, value)?;
    let name = Arc::new(metric_name(figure));
    // burn-train's own text names an epoch and a batch, whose numbers are one here.
    let shown = crate::format::number(number);
    let entry = SerializedEntry::new(shown, number.to_string());
    let entry = MetricEntry::new(MetricId::new(name), entry);
    Some(MetricState::Numeric(
        entry,
        Some(NumericEntry::Value(number)),
    ))
}

/// A figure as a metric of burn-train: takes its value from the [`Figures`] of a sweep.
///
/// ```
/// use burn::train::metric::Metric;
/// use ls_core::figure::SplitName;
/// use ls_core::fit::ORIGINAL_LOSS;
/// use ls_train::observe::burn::FigureMetric;
///
/// let metric = FigureMetric::new(ORIGINAL_LOSS.on(SplitName::Train));
/// assert_eq!(*metric.name(), "Original loss");
/// ```
#[derive(Clone)]
pub struct FigureMetric {
    figure: Figure,
    name: MetricName,
    state: NumericMetricState,
}

impl FigureMetric {
    /// The metric of a figure.
    pub fn new(figure: Figure) -> Self {
        Self {
            name: Arc::new(metric_name(&figure)),
            figure,
            state: NumericMetricState::new(),
        }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(PRECISION)
    }
}

impl Metric for FigureMetric {
    /// Figures with the number of samples that they are means over; empty while a sweep is under way.
    type Input = (Figures, usize);

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        attributes(&self.figure)
    }

    fn update(
        &mut self,
        (figures, samples): &Self::Input,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let value = figures.value(&self.figure);
        let Some(value) = value.and_then(|value| shown_number(&self.figure, value)) else {
            return Ok(SerializedEntry::not_available(None));
        };
        self.state.update(value, *samples);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for FigureMetric {
    fn value(&self) -> Option<NumericEntry> {
        defined(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        defined(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

/// Nothing before the first figure of an epoch, where the state holds NaN.
fn defined(entry: NumericEntry) -> Option<NumericEntry> {
    (!entry.current().is_nan()).then_some(entry)
}
