//! What the dashboards and metric logs show. One file per metric, one line each in [`all`].

mod accepted;
mod accuracy;
mod certificate;
mod condition;
mod damping;
mod original_loss;
mod rejected;
mod residual;
mod separated_loss;
mod step;
mod validation_accuracy;
mod validation_loss;

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use ls_core::method::SweepReport;
use ls_core::objective::Measurement;

use crate::config::MethodConfig;

/// Digits after the point in dashboards.
const PRECISION: usize = 5;

/// What is known of a split after a sweep.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Its losses.
    pub measured: Measurement,
    /// What the method did; nothing on the test split.
    pub report: SweepReport,
    /// The validation split; `None` without one, and on the test split.
    pub validation: Option<Measurement>,
}

/// Picks one number out of all; `None` where there is no such number.
type Pick = dyn Fn(&Figures) -> Option<f64> + Send + Sync;

/// One of the [`Figures`] as a metric of burn-train.
#[derive(Clone)]
pub struct Figure {
    name: MetricName,
    higher_is_better: bool,
    /// Whether the test split has this figure: auxiliary variables belong to training samples.
    on_test: bool,
    pick: Arc<Pick>,
    state: NumericMetricState,
}

impl Figure {
    fn new(
        name: impl Into<String>,
        pick: impl Fn(&Figures) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: Arc::new(name.into()),
            higher_is_better: false,
            on_test: false,
            pick: Arc::new(pick),
            state: NumericMetricState::new(),
        }
    }

    fn higher_is_better(self) -> Self {
        Self {
            higher_is_better: true,
            ..self
        }
    }

    fn on_test(self) -> Self {
        Self {
            on_test: true,
            ..self
        }
    }

    /// Whether the test split has this figure.
    pub fn is_on_test(&self) -> bool {
        self.on_test
    }
}

/// Whether a line per sweep leaves out the metric of that name, as those that stand for one stage or for the search of steps:
/// the dashboard and `history.csv` have them.
pub fn is_detail(name: &str) -> bool {
    let first = name.split(' ').next().unwrap_or(name);
    [
        "Residual",
        "Condition",
        "Step",
        "Damping",
        "Accepted",
        "Rejected",
    ]
    .contains(&first)
}

/// The metrics of a run: those of every method, those of the separated loss for methods with auxiliary variables, those of a
/// validation split, and what method `exact` chose.
pub fn all(hidden: usize, method: &MethodConfig, validated: bool) -> Vec<Figure> {
    let separated = method.is_separated();
    let mut figures = vec![original_loss::figure()];
    if separated {
        figures.extend([separated_loss::figure(), certificate::figure()]);
    }
    figures.push(accuracy::figure());
    if validated {
        figures.extend([validation_loss::figure(), validation_accuracy::figure()]);
    }
    if separated {
        figures.extend((1..=hidden).map(residual::figure));
    }
    if matches!(method, MethodConfig::Exact(_)) {
        figures.extend([step::figure(), damping::figure()]);
        figures.extend([accepted::figure(), rejected::figure()]);
        figures.extend((1..=hidden + 1).map(condition::figure));
    }
    figures
}

impl Metric for Figure {
    /// `None` while a sweep is under way: figures are measured when it ends.
    type Input = Option<Figures>;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: self.higher_is_better,
        }
        .into()
    }

    fn update(
        &mut self,
        item: &Self::Input,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let Some((value, samples)) = item
            .as_ref()
            .and_then(|figures| Some(((self.pick)(figures)?, figures.measured.samples)))
        else {
            return Ok(SerializedEntry::not_available(None));
        };
        self.state.update(value, samples);
        Ok(self.state.compute_update(self.format()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Figure {
    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(PRECISION)
    }
}

impl Numeric for Figure {
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

/// Nothing before the first figure of an epoch, where the state stands at NaN.
fn defined(entry: NumericEntry) -> Option<NumericEntry> {
    (!entry.current().is_nan()).then_some(entry)
}
