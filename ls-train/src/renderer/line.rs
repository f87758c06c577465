//! One line per sweep, for logs, pipes and narrow terminals.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

use crate::metric;

/// Prints the figures of each sweep in columns; residuals stay in the metric logs.
pub struct LineRenderer {
    // burn-train asks its renderers to be shareable between threads; only one of them ever writes.
    out: Mutex<Box<dyn Write + Send>>,
    names: HashMap<MetricId, String>,
    columns: Vec<String>,
    train: HashMap<String, f64>,
    test: HashMap<String, f64>,
    sweeps: usize,
    header_written: bool,
    started: Instant,
}

/// Width of a column of figures.
const WIDTH: usize = 16;

impl LineRenderer {
    /// A renderer that writes to `out`, or nowhere once `out` is closed.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: Mutex::new(out),
            names: HashMap::new(),
            columns: Vec::new(),
            train: HashMap::new(),
            test: HashMap::new(),
            sweeps: 0,
            header_written: false,
            started: Instant::now(),
        }
    }

    fn line(&self, text: &str) {
        if let Ok(mut out) = self.out.lock() {
            // A closed pipe ends the printing, not the training.
            let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
        }
    }

    fn header(&mut self) {
        let mut text = format!("{:>9}", "sweep");
        for name in &self.columns {
            text += &format!("{name:>width$}", width = width(name));
        }
        for name in self.tested() {
            text += &format!("{:>WIDTH$}", format!("test {}", first_word(name)));
        }
        self.line(&(text + &format!("{:>10}", "elapsed")));
        self.header_written = true;
    }

    fn sweep(&mut self, sweep: usize) {
        if !self.header_written {
            self.header();
        }
        let mut text = format!("{:>9}", format!("{sweep}/{}", self.sweeps));
        for name in &self.columns {
            text += &figure(self.train.get(name), width(name));
        }
        for name in self.tested() {
            text += &figure(self.test.get(name), WIDTH);
        }
        self.line(&(text + &format!("{:>10.1}", self.started.elapsed().as_secs_f64())));
    }

    fn tested(&self) -> impl Iterator<Item = &String> {
        self.columns
            .iter()
            .filter(|name| self.test.contains_key(*name))
    }

    fn take(&self, state: MetricState) -> Option<(String, f64)> {
        let MetricState::Numeric(entry, Some(value)) = state else {
            return None;
        };
        let name = self.names.get(&entry.metric_id)?;
        self.columns
            .contains(name)
            .then(|| (name.clone(), value.current()))
    }
}

/// Width of the column of a metric: long names do not run into each other.
fn width(name: &str) -> usize {
    WIDTH.max(name.chars().count() + 2)
}

fn first_word(name: &str) -> String {
    name.split(' ').next().unwrap_or(name).to_lowercase()
}

/// Six significant digits at most, scientific where a plain number would lose them.
fn figure(value: Option<&f64>, width: usize) -> String {
    match value {
        Some(value) if *value != 0.0 && !(1e-3..1e7).contains(&value.abs()) => {
            format!("{value:>width$.3e}")
        }
        Some(value) if value.abs() >= 10.0 => format!("{value:>width$.2}"),
        Some(value) => format!("{value:>width$.5}"),
        None => format!("{:>width$}", "-"),
    }
}

impl MetricsRendererTraining for LineRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.train.extend(self.take(state));
    }

    fn update_valid(&mut self, state: MetricState) {
        self.test.extend(self.take(state));
    }
}

impl TrainingProgressLogger for LineRenderer {
    fn start(
        &mut self,
        total_epochs: usize,
        _starting_epoch: usize,
        _total_items: Option<usize>,
        label: Option<&str>,
    ) {
        self.sweeps = total_epochs;
        self.started = Instant::now();
        if let Some(label) = label {
            self.line(label);
        }
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.sweep(epoch);
    }

    fn start_split(&mut self, _split: &str, _total_items: usize) {}

    fn update_split(&mut self, _items_processed: usize) {}

    fn end_split(&mut self) {}

    fn end(&mut self) {}

    fn log_event_training(&mut self, _event: String) {}
}

impl MetricsRenderer for LineRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        if !metric::is_detail(&definition.name) {
            self.columns.push(definition.name.to_string());
        }
        let name = definition.name.to_string();
        self.names.insert(definition.metric_id, name);
    }
}

// A training run evaluates nothing by these routes; burn-train wants one type for both.
impl MetricsRendererEvaluation for LineRenderer {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl EvaluationProgressLogger for LineRenderer {
    fn start_global_progress(&mut self, _total_tests: usize) {}

    fn start_test(&mut self, _name: &str, _total_items: usize) {}

    fn update_test_progress(&mut self, _items_processed: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _event: String) {}
}
