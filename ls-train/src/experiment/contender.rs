//! Contenders of an experiment: training configurations on a common problem, with a budget each.

use super::base::{alternating, with_method};
use crate::config::{
    BackpropConfig, BatchSize, ExactConfig, FoofConfig, MethodConfig, OptimizerName, RunConfig,
    Schedule,
};

/// A problem with the contenders that train on it.
pub struct Case {
    /// Name of the sub-folder and of the plot.
    pub name: String,
    /// The contenders; budgets of [`Budget::Times`] refer to the first.
    pub contenders: Vec<Contender>,
    /// Original losses of the training split, falling, whose times of arrival are measured.
    pub targets: Vec<f64>,
    /// What the best setting of a contender is chosen by.
    pub choice: Choice,
    /// Seconds of a run as a multiple of those of the experiment.
    pub times: f64,
}

impl Case {
    /// Makes a case without targets, whose runs have the seconds of the experiment.
    pub fn new(name: impl Into<String>, contenders: Vec<Contender>) -> Self {
        Self {
            name: name.into(),
            contenders,
            targets: Vec::new(),
            choice: Choice::Loss,
            times: 1.0,
        }
    }

    /// Measures the times of arrival at some losses.
    pub fn with_targets(self, targets: impl Into<Vec<f64>>) -> Self {
        Self {
            targets: targets.into(),
            ..self
        }
    }
}

/// What the best setting of a contender is chosen by, where no validation split decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Seconds to the last target of the case, and the training loss at the end.
    Loss,
    /// Accuracy on the test split, which flatters a contender with several settings.
    TestAccuracy,
}

/// Limit of the runs of a contender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// The seconds of the case. A method whose steps fall over the length of the run gets as many whole sweeps as fit into them, by the
    /// time that a few sweeps take.
    Seconds,
    /// The sweeps of the contender's own configuration.
    Sweeps,
    /// A multiple of the seconds that the first contender took from the same seed.
    Times(f64),
}

/// A training method, with one setting or several to choose from.
pub struct Contender {
    /// Name in tables and plots.
    pub name: String,
    /// Configurations by name. Of several, the best on the tuning seed represents the contender.
    pub settings: Vec<(String, RunConfig)>,
    /// Limit of each run.
    pub budget: Budget,
    /// Largest number of seeds.
    pub seeds: u64,
    /// Whether learning rates beyond those of the settings are tried until the best one lies inside.
    pub widens: bool,
}

impl Contender {
    /// Makes a contender with a single setting.
    pub fn fixed(name: impl Into<String>, config: RunConfig) -> Self {
        Self {
            name: name.into(),
            settings: vec![("-".into(), config)],
            budget: Budget::Seconds,
            seeds: u64::MAX,
            widens: false,
        }
    }

    /// Makes a contender that backpropagates in batches at every rate with every weight decay, with rates that fall linearly to zero.
    pub fn falling(
        base: &RunConfig,
        batch: usize,
        optimizer: OptimizerName,
        rates: &[f64],
        decays: &[f64],
    ) -> Self {
        let mut all = Self::swept(optimizer.name(), base, optimizer, &[]);
        for &decay in decays {
            let falling = BackpropConfig {
                optimizer: optimizer.into(),
                schedule: Schedule::Linear,
                weight_decay: Some(decay),
                ..BackpropConfig::default()
            };
            let base = RunConfig {
                batch_size: BatchSize::Samples(batch),
                method: MethodConfig::Backprop(falling).into(),
                ..base.clone()
            };
            let own = Self::swept(optimizer.name(), &base, optimizer, rates);
            let named = |(text, config)| (format!("{text}, decay {decay}"), config);
            all.settings.extend(own.settings.into_iter().map(named));
        }
        all
    }

    /// Makes a contender that backpropagates at several learning rates, and at further ones until the best lies inside. Schedule and
    /// weight decay are those of `base` where it configures the same optimizer.
    pub fn swept(
        name: impl Into<String>,
        base: &RunConfig,
        optimizer: OptimizerName,
        rates: &[f64],
    ) -> Self {
        // A schedule and a decay are chosen for one optimizer, and mean little for another.
        let settings = match base.method.library() {
            Some(MethodConfig::Backprop(own)) if own.optimizer.name() == optimizer => own.clone(),
            _ => BackpropConfig {
                optimizer: optimizer.into(),
                ..BackpropConfig::default()
            },
        };
        let setting = |&learning_rate: &f64| {
            let method = MethodConfig::Backprop(BackpropConfig {
                learning_rate: Some(learning_rate),
                ..settings.clone()
            });
            let config = RunConfig {
                method: method.into(),
                ..base.clone()
            };
            (format!("rate {learning_rate}"), config)
        };
        Self {
            name: name.into(),
            settings: rates.iter().map(setting).collect(),
            budget: Budget::Seconds,
            seeds: u64::MAX,
            widens: true,
        }
    }

    /// Replaces the budget.
    pub fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Restricts the contender to the first seed, for budgets that several seeds would make too long.
    pub(super) fn once(self) -> Self {
        Self { seeds: 1, ..self }
    }

    /// Makes contenders of alternating minimization: on the whole split, and in batches.
    pub(super) fn full_and_batches(base: &RunConfig, batch: usize) -> Vec<Self> {
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

    /// Makes a contender of exact weight blocks on the whole split.
    pub(super) fn exact(base: &RunConfig) -> Self {
        let config = RunConfig {
            method: MethodConfig::Exact(ExactConfig::default()).into(),
            ..base.clone()
        };
        Self::fixed("exact", config)
    }

    /// Makes a contender of `foof` in batches.
    pub(super) fn foof(base: &RunConfig, batch: usize) -> Self {
        let config = RunConfig {
            method: MethodConfig::Foof(FoofConfig::default()).into(),
            batch_size: BatchSize::Samples(batch),
            ..base.clone()
        };
        Self::fixed("foof", config)
    }

    /// Makes the baselines: gradient descent and Adam on the whole split, SGD with momentum and Adam in batches, each at four rates
    /// or more.
    pub(super) fn baselines(base: &RunConfig, batch: usize) -> Vec<Self> {
        let batches = RunConfig {
            batch_size: BatchSize::Samples(batch),
            ..base.clone()
        };
        let (gd, momentum) = ([0.1, 0.3, 1.0, 3.0], [0.01, 0.03, 0.1, 0.3, 1.0]);
        let adam = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2];
        vec![
            Self::swept("gradient descent", base, OptimizerName::Gd, &gd),
            Self::swept("sgd, batches", &batches, OptimizerName::Sgd, &momentum),
            Self::swept("adam, full", base, OptimizerName::Adam, &adam),
            Self::swept("adam, batches", &batches, OptimizerName::Adam, &adam),
        ]
    }
}
