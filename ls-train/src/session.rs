//! The surroundings of a run: device, folder, checkpoints, observers.

use std::io::Write;
use std::path::Path;

use burn::tensor::Device;
use ls_core::fit::{Observer, StopSignal};

use crate::Error;
use crate::observe::{CheckpointRule, Lines};

/// The way a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In a new folder.
    New,
    /// In the place of the run that the folder holds.
    Overwrite,
    /// From the last checkpoint in the folder, or anew where the run was stopped before its first.
    Resume,
}

/// The surroundings of a run, beside its plan.
pub struct Session<'a> {
    /// Device of the tensors. Burn loads the states of optimizers to its default device first: one that has no f64, or cannot be
    /// opened, ends a run that is resumed. `BURN_DEVICE` names the default device.
    pub device: Device,
    /// The run folder.
    pub run: &'a Path,
    /// The way the run begins.
    pub start: Start,
    /// The rule that says when checkpoints are written.
    pub checkpoints: CheckpointRule,
    /// Number of checkpoints to keep.
    pub keep: usize,
    /// Whether the run writes burn-train's file per metric and sweep; many short sweeps make many files.
    pub metric_logs: bool,
    /// Observers beside those that write the folder.
    pub observers: Vec<Box<dyn Observer<Error> + 'a>>,
    /// Ends the run after the current sweep, from any thread.
    pub signal: StopSignal,
}

impl<'a> Session<'a> {
    /// A new run that shows nothing, with economical checkpoints of which two are kept.
    pub fn new(device: Device, run: &'a Path) -> Self {
        Self {
            device,
            run,
            start: Start::New,
            checkpoints: CheckpointRule::Economical,
            keep: 2,
            metric_logs: true,
            observers: Vec::new(),
            signal: StopSignal::new(),
        }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observe(mut self, observer: impl Observer<Error> + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Writes a line per sweep to `out`.
    #[must_use]
    pub fn with_lines(self, out: impl Write + Send + 'static) -> Self {
        self.observe(Lines::new(out))
    }
}
