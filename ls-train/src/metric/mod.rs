//! What the dashboards and metric logs show. One file per metric, one line each in [`all`].

mod accuracy;
mod certificate;
mod original_loss;
mod residual;
mod separated_loss;

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use ls_core::objective::Measurement;

/// Digits after the point in dashboards.
const PRECISION: usize = 5;

/// Picks a figure out of a measurement; `None` where there is no such figure.
type Pick = dyn Fn(&Measurement) -> Option<f64> + Send + Sync;

/// One figure of a [`Measurement`] as a metric of burn-train.
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
        pick: impl Fn(&Measurement) -> Option<f64> + Send + Sync + 'static,
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

/// The metrics of a run: those of every method, and with auxiliary variables those of the separated loss.
pub fn all(hidden: usize, separated: bool) -> Vec<Figure> {
    let mut figures = vec![original_loss::figure()];
    if separated {
        figures.extend([separated_loss::figure(), certificate::figure()]);
    }
    figures.push(accuracy::figure());
    if separated {
        figures.extend((1..=hidden).map(residual::figure));
    }
    figures
}

impl Metric for Figure {
    /// `None` while a sweep is under way: figures are measured when it ends.
    type Input = Option<Measurement>;

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
            .and_then(|m| Some(((self.pick)(m)?, m.samples)))
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
