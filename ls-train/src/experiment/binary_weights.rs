//! Networks with weights of one bit, by fits and by gradients.

use ls_core::model::ModelConfig;
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::{cnn, digits, first_samples, straight_through as case};
use super::{Case, Experiment};
use crate::config::{RunConfig, RunNetwork};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "binary-weights",
    about: "hidden weights of one bit by exact and foof, against Adam; all but the digits need --data-dir",
    seconds: 20.0,
    cases,
};

fn cases() -> Vec<Case> {
    let dense = |hidden: &[usize], activation| binary(digits(hidden, activation, Init::Kaiming));
    let mnist = |base, samples| first_samples(base, Source::MNIST, samples);
    let large = |activation| mnist(dense(&[500, 500], activation), 60_000);
    let relu = Activation::Relu;
    let images = first_samples(binary(cnn(relu)), Source::CIFAR10, 10_000);
    vec![
        case("digits", dense(&[128, 128], relu), 0.15),
        case("mnist-60000", large(relu), 1.0),
        case("mnist-60000-sign", large(Activation::Sign), 1.0),
        case("cnn-mnist-10000", mnist(binary(cnn(relu)), 10_000), 0.5),
        case("cnn-cifar10-10000", images, 1.0),
    ]
}

/// The same network with weights of one bit.
fn binary(mut base: RunConfig) -> RunConfig {
    if let RunNetwork::Library(model) = &mut base.model {
        match model {
            ModelConfig::Mlp(mlp) => mlp.binary_weights = true,
            ModelConfig::Cnn(cnn) => cnn.binary_weights = true,
            ModelConfig::Resnet(resnet) => resnet.binary_weights = true,
            // The list says it for each stage.
            ModelConfig::Stages(_) => {}
        }
    }
    base
}
