//! Test accuracy of the methods at their defaults, against Adam, SGD and SOAP with a falling rate and a weight decay.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::{cnn, digits, first_samples};
use super::{Case, Choice, Contender, Experiment};
use crate::config::{OptimizerName, RunConfig};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "generalization",
    about: "test accuracy of exact and foof against Adam, SGD and SOAP with falling rates and decays; all but the digits need --data-dir",
    seconds: 10.0,
    cases,
};

/// Baselines with their rates and decays. Burn's Adam and SGD add the decay to the gradient, SOAP takes it off the weights.
const BASELINES: [(OptimizerName, [f64; 4], [f64; 2]); 3] = [
    (OptimizerName::Adam, [3e-4, 1e-3, 3e-3, 1e-2], [0.0, 5e-4]),
    (OptimizerName::Sgd, [0.01, 0.03, 0.1, 0.3], [0.0, 5e-4]),
    (OptimizerName::Soap, [3e-4, 1e-3, 3e-3, 1e-2], [0.0, 0.1]),
];

/// Samples of a batch.
const BATCH: usize = 128;

fn cases() -> Vec<Case> {
    let shallow = |hidden: &[usize]| digits(hidden, Activation::Relu, Init::Kaiming);
    let deep = |activation| digits(&[64; 20], activation, Init::suited_to(20, activation));
    let cnn = cnn(Activation::Relu);
    let (mnist, fashion) = (Source::MNIST, Source::FASHION_MNIST);
    vec![
        case("digits", shallow(&[128, 128]), 0.3),
        case(
            "mnist-10000",
            first_samples(shallow(&[100, 100]), mnist, 10_000),
            0.6,
        ),
        case(
            "mnist-60000",
            first_samples(shallow(&[100, 100]), mnist, 60_000),
            0.8,
        ),
        case(
            "fashion-10000",
            first_samples(shallow(&[128, 128]), fashion, 10_000),
            0.8,
        ),
        case(
            "fashion-5000-relu",
            first_samples(deep(Activation::Relu), fashion, 5000),
            1.2,
        ),
        case(
            "fashion-5000-tanh",
            first_samples(deep(Activation::Tanh), fashion, 5000),
            1.2,
        ),
        case(
            "cifar10-4000",
            first_samples(cnn, Source::CIFAR10, 4000),
            4.0,
        ),
    ]
}

/// The methods and the baselines on one problem, for a multiple of the experiment's seconds.
fn case(name: &str, base: RunConfig, times: f64) -> Case {
    let mut contenders = vec![Contender::exact(&base), Contender::foof(&base, BATCH)];
    let baseline = |(optimizer, rates, decays): (_, [f64; 4], [f64; 2])| {
        Contender::falling(&base, BATCH, optimizer, &rates, &decays)
    };
    contenders.extend(BASELINES.map(baseline));
    Case {
        choice: Choice::TestAccuracy,
        times,
        ..Case::new(name, contenders).with_targets([0.1])
    }
}
