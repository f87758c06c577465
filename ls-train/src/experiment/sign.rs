//! Networks of sign units, which have no derivative: targets and their soft hinge losses against the straight-through estimator.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::{cnn, digits, first_samples, straight_through as case};
use super::{Case, Experiment};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "sign",
    about: "networks of sign units by targets, against Adam with the straight-through estimator; all but the digits need --data-dir",
    seconds: 20.0,
    cases,
};

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
