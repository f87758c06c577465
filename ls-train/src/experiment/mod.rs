//! Experiments: contenders on the same initialisation and data order, for equal time, over several seeds.
//!
//! One file per experiment, one line each in [`Experiment::ALL`]. An experiment is a list of [`Case`]s; a case pits
//! [`Contender`]s against each other; a contender with several settings, such as the learning rates of a baseline, is swept
//! on the first seed and then shown at its best. [`run`] does that and leaves CSV, Markdown and plots.

mod cnn_small;
mod convolution;
mod deep_sigmoid;
mod depth;
mod hundred_layers;
mod initialization;
mod mnist;
mod mnist_time_to_loss;
mod paired;
mod plot;
mod runner;
mod weighting;

use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::stage::{Activation, Init};

pub use paired::{Comparison, Difference, Interval, Spread, Standing, comparison};
pub use runner::{Progress, Row, Scope, run};

use crate::config::{
    AlternatingSettings, BackpropSettings, BatchSize, ExactSettings, MethodConfig, OptimizerKind,
    RunConfig, Schedule,
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
    pub const ALL: [Self; 9] = [
        depth::EXPERIMENT,
        convolution::EXPERIMENT,
        mnist::EXPERIMENT,
        deep_sigmoid::EXPERIMENT,
        hundred_layers::EXPERIMENT,
        mnist_time_to_loss::EXPERIMENT,
        cnn_small::EXPERIMENT,
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
    /// Original loss of the training split that contenders race to.
    pub target: Option<f64>,
}

/// How long a run of an experiment may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// The seconds of the experiment.
    Seconds,
    /// The sweeps of its own configuration.
    Sweeps,
    /// So many times the seconds that the first contender took from the same seed.
    Times(f64),
}

/// A way to train, with one setting or several to choose from.
pub struct Contender {
    /// Name in tables and plots.
    pub name: String,
    /// The settings, by name; the best on the first seed stands for the contender.
    pub settings: Vec<(String, RunConfig)>,
    /// How long each of its runs may take.
    pub budget: Budget,
    /// Seeds that it takes part in, at most.
    pub seeds: u64,
}

impl Contender {
    /// The same with another budget.
    pub fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// The same from the first seed alone: for budgets that several seeds would make too long.
    fn once(self) -> Self {
        Self { seeds: 1, ..self }
    }

    /// A contender with nothing to choose.
    pub fn fixed(name: impl Into<String>, config: RunConfig) -> Self {
        Self {
            name: name.into(),
            settings: vec![("-".into(), config)],
            budget: Budget::Seconds,
            seeds: u64::MAX,
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
        contender.name = "exact, batches".into();
        for (_, config) in &mut contender.settings {
            config.batch_size = BatchSize::Samples(batch);
        }
        contender
    }

    /// Backpropagation at several learning rates, with schedule and decay of `base` where it configures the same optimizer.
    pub fn swept(
        name: impl Into<String>,
        base: &RunConfig,
        optimizer: OptimizerKind,
        rates: &[f64],
    ) -> Self {
        // A schedule and a decay belong to their optimizer.
        let (schedule, weight_decay) = match &base.method {
            MethodConfig::Backprop(settings) if settings.optimizer == optimizer => {
                (settings.schedule, settings.weight_decay)
            }
            _ => (Schedule::Constant, None),
        };
        let setting = |&learning_rate: &f64| {
            let method = MethodConfig::Backprop(BackpropSettings {
                optimizer,
                learning_rate,
                schedule,
                weight_decay,
            });
            let config = RunConfig {
                method,
                ..base.clone()
            };
            (format!("rate {learning_rate}"), config)
        };
        Self {
            name: name.into(),
            settings: rates.iter().map(setting).collect(),
            budget: Budget::Seconds,
            seeds: u64::MAX,
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
