//! Experiments: contenders on the same initialisation and data order, for equal time, over several seeds.
//!
//! One file per experiment, one line each in [`Experiment::ALL`]. An experiment is a list of [`Case`]s; a case pits
//! [`Contender`]s against each other; a contender with several settings, such as the learning rates of a baseline, is swept
//! on the first seed and then shown at its best. [`run`] does that and leaves CSV, Markdown and plots.

mod convolution;
mod depth;
mod initialization;
mod mnist;
mod plot;
mod runner;
mod weighting;

use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::stage::{Activation, Init};

pub use runner::{Progress, Row, Scope, run};

use crate::config::{
    AlternatingSettings, BackpropSettings, BatchSize, ExactSettings, MethodConfig, OptimizerKind,
    RunConfig,
};

/// A named comparison.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Name on the command line.
    pub name: &'static str,
    /// What it asks, in one line.
    pub about: &'static str,
    /// Seconds for each run unless the user says otherwise.
    pub seconds: f64,
    cases: fn() -> Vec<Case>,
}

impl Experiment {
    /// All experiments, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        depth::EXPERIMENT,
        convolution::EXPERIMENT,
        mnist::EXPERIMENT,
        weighting::EXPERIMENT,
        initialization::EXPERIMENT,
    ];

    /// The experiment of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|experiment| experiment.name == name)
    }

    /// Its cases.
    pub fn cases(&self) -> Vec<Case> {
        (self.cases)()
    }
}

/// One problem with those who try to solve it.
pub struct Case {
    /// Name of the sub-folder and of the plot.
    pub name: String,
    /// Who takes part.
    pub contenders: Vec<Contender>,
}

/// A way to train, with one setting or several to choose from.
pub struct Contender {
    /// Name in tables and plots.
    pub name: &'static str,
    /// The settings, by name; the best on the first seed stands for the contender.
    pub settings: Vec<(String, RunConfig)>,
}

impl Contender {
    /// A contender with nothing to choose.
    fn fixed(name: &'static str, config: RunConfig) -> Self {
        Self {
            name,
            settings: vec![("-".into(), config)],
        }
    }

    /// Alternating minimization on the whole split, and in batches.
    fn full_and_batches(base: &RunConfig, batch: usize) -> Vec<Self> {
        let full = with_method(base, alternating(1));
        let batches = RunConfig {
            batch_size: BatchSize::Samples(batch),
            ..full.clone()
        };
        vec![
            Self::fixed("alternating, full", full),
            Self::fixed("alternating, batches", batches),
        ]
    }

    /// Exact weight blocks on the whole split.
    fn exact(base: &RunConfig) -> Self {
        let method = MethodConfig::Exact(ExactSettings::default());
        let config = RunConfig {
            method,
            ..base.clone()
        };
        Self::fixed("exact", config)
    }

    /// Exact weight blocks in batches.
    fn exact_batches(base: &RunConfig, batch: usize) -> Self {
        let mut contender = Self::exact(base);
        contender.name = "exact, batches";
        for (_, config) in &mut contender.settings {
            config.batch_size = BatchSize::Samples(batch);
        }
        contender
    }

    /// Backpropagation at several learning rates.
    fn swept(
        name: &'static str,
        base: &RunConfig,
        optimizer: OptimizerKind,
        rates: &[f64],
    ) -> Self {
        let setting = |&learning_rate: &f64| {
            let method = MethodConfig::Backprop(BackpropSettings {
                optimizer,
                learning_rate,
            });
            let config = RunConfig {
                method,
                ..base.clone()
            };
            (format!("rate {learning_rate}"), config)
        };
        Self {
            name,
            settings: rates.iter().map(setting).collect(),
        }
    }

    /// Gradient descent and Adam on the whole split, SGD with momentum and Adam in batches, each at four rates or more.
    fn baselines(base: &RunConfig, batch: usize) -> Vec<Self> {
        let batches = RunConfig {
            batch_size: BatchSize::Samples(batch),
            ..base.clone()
        };
        let (gd, momentum) = ([0.1, 0.3, 1.0, 3.0], [0.01, 0.03, 0.1, 0.3, 1.0]);
        let adam = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2];
        vec![
            Self::swept("gradient descent", base, OptimizerKind::Gd, &gd),
            Self::swept("sgd, batches", &batches, OptimizerKind::Sgd, &momentum),
            Self::swept("adam, full", base, OptimizerKind::Adam, &adam),
            Self::swept("adam, batches", &batches, OptimizerKind::Adam, &adam),
        ]
    }
}

/// A fully connected network on the embedded digits.
fn digits(hidden: &[usize], activation: Activation, init: Init) -> RunConfig {
    RunConfig {
        model: ModelConfig::Mlp(MlpConfig {
            hidden: hidden.to_vec(),
            activation,
            init,
        }),
        ..RunConfig::default()
    }
}

/// Alternating minimization with so many weight passes.
fn alternating(weight_passes: usize) -> AlternatingSettings {
    AlternatingSettings {
        weight_passes,
        ..AlternatingSettings::default()
    }
}

fn with_method(base: &RunConfig, settings: AlternatingSettings) -> RunConfig {
    RunConfig {
        method: MethodConfig::Alternating(settings),
        ..base.clone()
    }
}
