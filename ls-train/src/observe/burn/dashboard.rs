//! A renderer of burn-train, such as its full-screen dashboard, as an observer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::train::Interrupter;
use burn::train::renderer::MetricsRenderer;
use ls_core::figure::Figure;
use ls_core::fit::{Observer, RunStart, SweepProgress, SweepRecord};

use super::metric::{definition, is_on_test, metric_name, metric_state};
use crate::{Error, Result};

/// Makes the renderer once the run is about to start, so that a terminal is taken over only then.
pub type MakeRenderer = Box<dyn FnOnce(Interrupter) -> Box<dyn MetricsRenderer>>;

/// Drives a renderer of burn-train with the events of a run.
///
/// A renderer asks the run to end through its `Interrupter`. burn-train's own dashboard can also be killed: it then panics in
/// whatever call comes next, so that a panic of a renderer ends the run at once, with [`Error::DashboardClosed`].
pub struct Dashboard {
    make: Option<MakeRenderer>,
    renderer: Option<Box<dyn MetricsRenderer>>,
    interrupter: Interrupter,
    figures: Vec<Figure>,
    samples: usize,
}

impl Dashboard {
    /// A dashboard that is made when the run starts.
    ///
    /// ```no_run
    /// use burn::train::renderer::CliMetricsRenderer;
    /// use ls_train::observe::burn::Dashboard;
    ///
    /// let dashboard = Dashboard::new(Box::new(|_interrupter| Box::new(CliMetricsRenderer::new())));
    /// ```
    pub fn new(make: MakeRenderer) -> Self {
        Self {
            make: Some(make),
            renderer: None,
            interrupter: Interrupter::new(),
            figures: Vec::new(),
            samples: 0,
        }
    }

    /// Hands the renderer an event; a panic of the renderer ends the run.
    fn show(&mut self, event: impl FnOnce(&mut dyn MetricsRenderer)) -> Result<()> {
        let Some(renderer) = &mut self.renderer else {
            return Ok(());
        };
        let shown = catch_unwind(AssertUnwindSafe(|| event(renderer.as_mut())));
        shown.map_err(|_| {
            self.close();
            Error::DashboardClosed
        })
    }

    /// Gives the terminal back.
    fn close(&mut self) {
        let renderer = self.renderer.take();
        // A dashboard that was killed panics once more when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(renderer)));
    }
}

impl Observer<Error> for Dashboard {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        if let Some(make) = self.make.take() {
            self.renderer = Some(make(self.interrupter.clone()));
        }
        self.figures = start.figures.to_vec();
        self.samples = start.samples;
        let mut names: Vec<String> = Vec::new();
        for figure in start.figures {
            let name = metric_name(figure);
            // Training and test split of one metric are one definition.
            if !names.contains(&name) {
                names.push(name);
                self.show(|renderer| renderer.register_metric(definition(figure)))?;
            }
        }
        let (sweeps, done, label) = (start.sweeps, start.done, start.label.to_owned());
        self.show(|renderer| {
            renderer.start(sweeps, done + 1, None, Some(&label));
            renderer.update_epoch(done);
        })
    }

    fn progressed(&mut self, progress: SweepProgress) -> Result<()> {
        self.show(|renderer| {
            if progress.seen == 0 {
                renderer.start_split("train", progress.samples);
            }
            renderer.update_split(progress.seen);
        })
    }

    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        // burn-train counts epochs from 1.
        if record.sweep == 0 {
            return Ok(());
        }
        let figures = self.figures.clone();
        let samples = self.samples;
        self.show(|renderer| {
            for figure in &figures {
                let value = record.value(figure);
                let Some(state) = value.and_then(|value| metric_state(figure, value)) else {
                    continue;
                };
                match is_on_test(figure) {
                    true => renderer.update_valid(state),
                    false => renderer.update_train(state),
                }
            }
            renderer.update_split(samples);
            renderer.end_split();
            renderer.update_epoch(record.sweep);
        })
    }

    fn wants_stop(&self) -> bool {
        self.interrupter.should_stop()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}
