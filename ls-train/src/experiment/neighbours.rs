//! The methods of the library against neighbouring ones with auxiliary variables or targets, and against backpropagation.

use ls_core::method::{AdmmConfig, BcdConfig, BcdLoss, InferredVariables, LocalLoss};
use ls_core::method::{LocoPropConfig, PredictiveCodingConfig, TargetPropagationConfig};
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::{alternating, digits, with_method};
use super::{Case, Contender, Experiment};
use crate::config::{BatchSize, MethodConfig, OptimizerName, RunConfig};

/// Samples of a batch of optimizers and of `foof`.
const BATCH: usize = 100;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "neighbours",
    about: "exact, foof and alternating against bcd, admm, predictive coding, LocoProp and target propagation; MNIST needs --data-dir",
    seconds: 5.0,
    cases,
};

fn cases() -> Vec<Case> {
    let base = || digits(&[100, 100], Activation::Relu, Init::Kaiming);
    let mut mnist = base();
    mnist.data.dataset = Source::MNIST.name().into();
    let mnist = Case {
        times: 4.0,
        ..Case::new("mnist", contenders(&mnist))
    };
    vec![Case::new("digits", contenders(&base())), mnist]
}

fn contenders(base: &RunConfig) -> Vec<Contender> {
    let batches = RunConfig {
        batch_size: BatchSize::Samples(BATCH),
        ..base.clone()
    };
    let rates = [3e-4, 1e-3, 3e-3];
    let momentum = [0.01, 0.03, 0.1];
    let mut contenders = vec![
        Contender::exact(base),
        Contender::foof(base, BATCH),
        Contender::fixed("alternating", with_method(base, alternating(1))),
    ];
    let named = neighbours().into_iter();
    contenders.extend(named.map(|(name, method)| Contender::fixed(name, with(base, method))));
    contenders.push(Contender::swept(
        "adam",
        &batches,
        OptimizerName::Adam,
        &rates,
    ));
    contenders.push(Contender::swept(
        "sgd",
        &batches,
        OptimizerName::Sgd,
        &momentum,
    ));
    contenders
}

/// The neighbouring methods at their published settings, both forms of those that have two.
fn neighbours() -> Vec<(&'static str, MethodConfig)> {
    let bcd = BcdConfig {
        loss: BcdLoss::CrossEntropy,
        ..BcdConfig::default()
    };
    let activations = PredictiveCodingConfig {
        variables: InferredVariables::Activations,
        ..PredictiveCodingConfig::default()
    };
    let squared = LocoPropConfig {
        local_loss: LocalLoss::Squared,
        ..LocoPropConfig::default()
    };
    vec![
        ("bcd", BcdConfig::default().into()),
        ("bcd, cross-entropy", bcd.into()),
        ("admm", AdmmConfig::default().into()),
        (
            "predictive coding, errors",
            PredictiveCodingConfig::default().into(),
        ),
        ("predictive coding, activations", activations.into()),
        ("locoprop, matching", LocoPropConfig::default().into()),
        ("locoprop, squared", squared.into()),
        (
            "target propagation",
            TargetPropagationConfig::default().into(),
        ),
    ]
}

/// A run of a method in its usual batches.
fn with(base: &RunConfig, method: MethodConfig) -> RunConfig {
    RunConfig {
        batch_size: method.usual_batch_size(),
        method: method.into(),
        ..base.clone()
    }
}
