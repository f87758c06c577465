//! Choices of the user, and results.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use ls_core::fit::StopSignal;
use serde::Serialize;

use crate::run_dir::Summary;

/// Choices of the user for an experiment.
pub struct ExperimentOptions<'a> {
    /// Folder to make.
    pub folder: &'a Path,
    /// Folder with a sub-folder for each data set that is not embedded.
    pub data: Option<&'a Path>,
    /// Number of seeds, from 1.
    pub seeds: u64,
    /// Beginning of the names of the contenders that take part; empty for all.
    pub only: &'a str,
    /// Seed that settings are tuned on. One beside the others, such as 0, keeps the choice independent of the results.
    pub tuning_seed: u64,
    /// Seconds of each run, which a case multiplies by its own factor.
    pub seconds: f64,
    /// Device of all runs.
    pub device: Device,
    /// Ends the experiment during the current run.
    pub signal: StopSignal,
}

/// Progress of an experiment, after each run.
pub struct ExperimentProgress<'a> {
    /// Number of runs done.
    pub done: usize,
    /// Number of all runs.
    pub total: usize,
    /// Result of the latest run.
    pub result: &'a RunResult,
}

/// Result of one run.
#[derive(Clone, Debug, Serialize)]
pub struct RunResult {
    /// Name of the case.
    pub case: String,
    /// Name of the contender.
    pub contender: String,
    /// Name of the setting.
    pub setting: String,
    /// Seed of the run.
    pub seed: u64,
    /// Summary of the run; `None` if it diverged.
    pub summary: Option<Summary>,
    /// Arrivals at the targets of the case.
    pub arrivals: Vec<Arrival>,
    /// Folder of the run.
    pub run: PathBuf,
}

/// Arrival of a run at a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Arrival {
    /// Original loss of the training split.
    pub target: f64,
    /// Number of the sweep that reached it; `None` without an arrival.
    pub sweep: Option<usize>,
    /// Seconds of training until the end of that sweep.
    pub seconds: Option<f64>,
}

impl RunResult {
    /// Returns the seconds until the last target of the case; `None` without a target or its arrival.
    pub fn seconds_to_target(&self) -> Option<f64> {
        self.arrivals.last()?.seconds
    }

    /// Returns the original loss of the training split at the end, infinite for a run that diverged.
    pub fn original_loss(&self) -> f64 {
        self.summary
            .as_ref()
            .map_or(f64::INFINITY, |summary| summary.train.original_loss())
    }
}
