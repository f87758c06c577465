//! Test accuracy of the methods at their defaults, against Adam, SGD and SOAP with a falling rate and a weight decay.

use ls_core::model::{CnnConfig, ModelConfig};
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::digits;
use super::{Case, Choice, Contender, Experiment};
use crate::config::{BackpropConfig, BatchSize, MethodConfig, OptimizerName, RunConfig, Schedule};

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
    let cnn = RunConfig {
        model: ModelConfig::Cnn(CnnConfig {
            activation: Activation::Relu,
            init: Init::Kaiming,
            normalization: None,
        })
        .into(),
        ..RunConfig::default()
    };
    let (mnist, fashion) = (Source::MNIST, Source::FASHION_MNIST);
    vec![
        case("digits", shallow(&[128, 128]), 0.3),
        case(
            "mnist-10000",
            with(shallow(&[100, 100]), mnist, 10_000),
            0.6,
        ),
        case(
            "mnist-60000",
            with(shallow(&[100, 100]), mnist, 60_000),
            0.8,
        ),
        case(
            "fashion-10000",
            with(shallow(&[128, 128]), fashion, 10_000),
            0.8,
        ),
        case(
            "fashion-5000-relu",
            with(deep(Activation::Relu), fashion, 5000),
            1.2,
        ),
        case(
            "fashion-5000-tanh",
            with(deep(Activation::Tanh), fashion, 5000),
            1.2,
        ),
        case("cifar10-4000", with(cnn, Source::CIFAR10, 4000), 4.0),
    ]
}

/// The first samples of a data set.
fn with(mut base: RunConfig, source: Source, samples: usize) -> RunConfig {
    base.data.dataset = source.name().into();
    base.data.limit = Some(samples);
    base
}

/// The methods and the baselines on one problem, for a multiple of the experiment's seconds.
fn case(name: &str, base: RunConfig, times: f64) -> Case {
    let mut contenders = vec![Contender::exact(&base), Contender::foof(&base, BATCH)];
    contenders.extend(
        BASELINES.map(|(optimizer, rates, decays)| baseline(&base, optimizer, &rates, &decays)),
    );
    Case {
        choice: Choice::TestAccuracy,
        times,
        ..Case::new(name, contenders).with_targets([0.1])
    }
}

/// An optimizer in batches at every rate with every decay, with a rate that falls to zero.
fn baseline(
    base: &RunConfig,
    optimizer: OptimizerName,
    rates: &[f64],
    decays: &[f64],
) -> Contender {
    let mut all = Contender::swept(optimizer.name(), base, optimizer, &[]);
    for &decay in decays {
        let falling = BackpropConfig {
            optimizer: optimizer.into(),
            schedule: Schedule::Linear,
            weight_decay: Some(decay),
            ..BackpropConfig::default()
        };
        let base = RunConfig {
            batch_size: BatchSize::Samples(BATCH),
            method: MethodConfig::Backprop(falling).into(),
            ..base.clone()
        };
        let own = Contender::swept(optimizer.name(), &base, optimizer, rates);
        let named = |(text, config)| (format!("{text}, decay {decay}"), config);
        all.settings.extend(own.settings.into_iter().map(named));
    }
    all
}
