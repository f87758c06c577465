//! `summary.json`: the last figures and why the run ended.

use ls_core::objective::Measurement;
use serde::{Deserialize, Serialize};

use crate::learner::{Stop, SweepRecord};

/// Version of the run folder's files.
pub const SCHEMA: u32 = 2;

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
    /// The sweep whose weights were kept, and whose figures these are: the last, or with a validation split the best.
    pub kept_sweep: usize,
    /// Wall time spent in sweeps; measurements are not counted.
    pub seconds: f64,
    /// Figures of the training split.
    pub train: TrainFigures,
    /// Figures of the validation split; `null` without one.
    pub validation: Option<TestFigures>,
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
    /// Why a method that has certificates gives none for this network; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_reason: Option<String>,
    /// Share of correct samples, 0 to 1.
    pub accuracy: f64,
}

/// Figures of a split that nothing is fitted to.
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
            certificate_reason: separated
                .and_then(|s| Some(s.no_certificate.as_ref()?.to_string())),
            accuracy: record.train.accuracy,
        }
    }
}

impl From<&Measurement> for TestFigures {
    fn from(measured: &Measurement) -> Self {
        Self {
            original_loss: measured.original_loss_mean,
            accuracy: measured.accuracy,
        }
    }
}

/// The sweep whose weights are kept, with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Number of the sweep.
    pub sweep: usize,
    /// Figures of the training split.
    pub train: TrainFigures,
    /// Figures of the validation split, by which it was chosen.
    pub validation: Option<TestFigures>,
    /// Figures of the test split.
    pub test: TestFigures,
}

impl From<&SweepRecord> for Kept {
    fn from(record: &SweepRecord) -> Self {
        Self {
            sweep: record.sweep,
            train: record.into(),
            validation: record.validation.as_ref().map(TestFigures::from),
            test: (&record.test).into(),
        }
    }
}
