//! Networks of sign units, which have no derivative: targets and their soft hinge losses against the straight-through estimator.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::{cnn, digits, first_samples};
use super::{Case, Choice, Contender, Experiment};
use crate::config::{OptimizerName, RunConfig};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "sign",
    about: "networks of sign units by targets, against Adam with the straight-through estimator; all but the digits need --data-dir",
    seconds: 20.0,
    cases,
};

/// Rates of Adam.
const RATES: [f64; 4] = [3e-4, 1e-3, 3e-3, 1e-2];

/// Samples of a batch.
const BATCH: usize = 128;

fn cases() -> Vec<Case> {
    let dense = |hidden: &[usize]| digits(hidden, Activation::Sign, Init::Kaiming);
    let cnn = || cnn(Activation::Sign);
    let (mnist, cifar) = (Source::MNIST, Source::CIFAR10);
    vec![
        case("digits", dense(&[128, 128]), 0.15),
        case(
            "mnist-60000",
            first_samples(dense(&[500, 500]), mnist, 60_000),
            3.0,
        ),
        case("cnn-mnist-10000", first_samples(cnn(), mnist, 10_000), 1.5),
        case(
            "cnn-cifar10-10000",
            first_samples(cnn(), cifar, 10_000),
            3.0,
        ),
    ]
}

/// The methods and the baseline on one problem, for a multiple of the experiment's seconds.
fn case(name: &str, base: RunConfig, times: f64) -> Case {
    let straight_through = Contender::falling(&base, BATCH, OptimizerName::Adam, &RATES, &[0.0]);
    let contenders = vec![
        Contender::exact(&base),
        Contender::foof(&base, BATCH),
        straight_through,
    ];
    Case {
        choice: Choice::TestAccuracy,
        times,
        ..Case::new(name, contenders)
    }
}
