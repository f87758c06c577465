//! `summary.json`: the last figures and why the run ended.

use serde::{Deserialize, Serialize};

use crate::learner::{Stop, SweepRecord};

/// Version of the run folder's files.
pub const SCHEMA: u32 = 1;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this file.
    pub schema: u32,
    /// Name of the method.
    pub method: String,
    /// The architecture in short.
    pub model: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the device.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// Number of weights and biases.
    pub parameters: usize,
    /// Why the run ended.
    pub stop: Stop,
    /// Number of sweeps done.
    pub sweeps: usize,
    /// Wall time spent in sweeps; measurements are not counted.
    pub seconds: f64,
    /// Figures of the training split.
    pub train: TrainFigures,
    /// Figures of the test split.
    pub test: TestFigures,
}

/// Figures of the training split; `null` where a method has no such figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainFigures {
    /// `F`, mean over samples.
    pub original_loss: f64,
    /// `S`, mean over samples.
    pub separated_loss: Option<f64>,
    /// `C`, mean over samples.
    pub certificate: Option<f64>,
    /// Share of correct samples, 0 to 1.
    pub accuracy: f64,
}

/// Figures of the test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestFigures {
    /// `F`, mean over samples.
    pub original_loss: f64,
    /// Share of correct samples, 0 to 1.
    pub accuracy: f64,
}

impl From<&SweepRecord> for TrainFigures {
    fn from(record: &SweepRecord) -> Self {
        let separated = record.train.separated.as_ref();
        Self {
            original_loss: record.train.original_loss_mean,
            separated_loss: separated.map(|s| s.separated_loss_mean),
            certificate: separated.and_then(|s| s.certificate_mean),
            accuracy: record.train.accuracy,
        }
    }
}

impl From<&SweepRecord> for TestFigures {
    fn from(record: &SweepRecord) -> Self {
        Self {
            original_loss: record.test.original_loss_mean,
            accuracy: record.test.accuracy,
        }
    }
}
