//! Experiments: comparisons of training methods from equal initial weights and data order, for comparable time, over several seeds.
//!
//! An experiment is one file and one line in [`Experiment::ALL`]. It is a list of [`Case`]s; a case has several [`Contender`]s, of
//! which those with more than one setting, such as learning rates, are tuned first. [`run`] trains them all and writes tables, plots
//! and run folders; [`Comparison`] compares the contenders of a case over their seeds.

mod base;
mod comparison;
mod contender;
pub(crate) mod markdown;
mod runner;
mod statistics;

mod binary_weights;
mod cnn_small;
mod convolution;
mod deep_sigmoid;
mod depth;
mod generalization;
mod hundred_layers;
mod initialization;
mod mnist;
mod mnist_time_to_loss;
mod neighbours;
mod relaxation;
mod rivals;
mod sign;
mod weighting;

pub use comparison::{Comparison, ContenderSummary, PairedDifference};
pub use contender::{Budget, Case, Choice, Contender};
pub use runner::{Arrival, ExperimentOptions, ExperimentProgress, RunResult, run};
pub use statistics::{ConfidenceInterval, Spread};

/// A named comparison.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// Name on the command line.
    pub name: &'static str,
    /// Question of the experiment, in one line.
    pub about: &'static str,
    /// Seconds of each run unless the user chooses others; a case multiplies them by its own factor.
    pub seconds: f64,
    cases: fn() -> Vec<Case>,
}

impl Experiment {
    /// All experiments, in the order of the list on the command line.
    pub const ALL: &[Self] = &[
        depth::EXPERIMENT,
        convolution::EXPERIMENT,
        mnist::EXPERIMENT,
        deep_sigmoid::EXPERIMENT,
        hundred_layers::EXPERIMENT,
        mnist_time_to_loss::EXPERIMENT,
        cnn_small::EXPERIMENT,
        weighting::EXPERIMENT,
        initialization::EXPERIMENT,
        rivals::EXPERIMENT,
        relaxation::EXPERIMENT,
        generalization::EXPERIMENT,
        sign::EXPERIMENT,
        binary_weights::EXPERIMENT,
        neighbours::EXPERIMENT,
    ];

    /// Returns the experiment of a name.
    pub fn find(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|experiment| experiment.name == name)
    }

    /// Makes the cases.
    pub fn cases(&self) -> Vec<Case> {
        (self.cases)()
    }
}
