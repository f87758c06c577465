//! The methods of the library against every strong rival that it has, on shallow and deep networks.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::digits;
use super::{Budget, Case, Contender, Experiment};
use crate::config::{
    BackpropConfig, BatchSize, LbfgsConfig, MethodConfig, OptimizerName, RunConfig, Schedule,
};

/// Rivals that take batches, with the rates that their search starts from.
const RIVALS: [(OptimizerName, &[f64]); 5] = [
    (OptimizerName::Sgd, &[3e-3, 0.01, 0.03, 0.1, 0.3]),
    (OptimizerName::Adam, &[3e-4, 1e-3, 3e-3]),
    (OptimizerName::AdamW, &[3e-4, 1e-3, 3e-3]),
    (OptimizerName::Soap, &[1e-3, 3e-3, 1e-2]),
    (OptimizerName::Muon, &[1e-3, 3e-3, 1e-2]),
];

/// Samples of a batch.
const BATCH: usize = 128;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "rivals",
    about: "exact and foof against L-BFGS, SOAP, Muon, Adam, AdamW and SGD on digits, Fashion-MNIST and MNIST; the latter two need --data-dir",
    seconds: 10.0,
    cases,
};

fn cases() -> Vec<Case> {
    let deep = |layers, activation, init| digits(&vec![64; layers], activation, init);
    let mut cases = vec![
        case(
            "digits",
            digits(&[128, 128], Activation::Relu, Init::Kaiming),
        ),
        case(
            "10 x 64 sigmoid",
            deep(10, Activation::Sigmoid, Init::Kaiming),
        ),
        case("30 x 64 relu", deep(30, Activation::Relu, Init::Orthogonal)),
        case("30 x 64 tanh", deep(30, Activation::Tanh, Init::Orthogonal)),
    ];
    let activations = [
        Activation::Relu,
        Activation::Tanh,
        Activation::Gelu,
        Activation::Sigmoid,
    ];
    cases.extend(activations.map(|activation| {
        // From Kaiming weights before sigmoids, `exact` alone leaves chance.
        let mut base = deep(20, activation, Init::Orthogonal);
        base.data.dataset = Source::FASHION_MNIST.name().into();
        base.data.limit = Some(5000);
        case(&format!("fashion 20 x 64 {}", activation.name()), base)
    }));
    cases.push(mnist());
    cases
}

/// Eight epochs of MNIST in batches, with rates that fall to zero.
fn mnist() -> Case {
    let mut base = digits(&[100, 100], Activation::Relu, Init::Kaiming);
    base.data.dataset = Source::MNIST.name().into();
    base.sweeps = 8;
    base.batch_size = BatchSize::Samples(250);
    let mut contenders = vec![Contender::foof(&base, 250)];
    contenders.extend(RIVALS.map(|(optimizer, rates)| {
        let falling = BackpropConfig {
            optimizer: optimizer.into(),
            schedule: Schedule::Linear,
            ..BackpropConfig::default()
        };
        let base = RunConfig {
            method: MethodConfig::Backprop(falling).into(),
            ..base.clone()
        };
        Contender::swept(optimizer.name(), &base, optimizer, rates)
    }));
    let contenders = contenders.into_iter();
    let contenders = contenders.map(|contender| contender.within(Budget::Sweeps));
    Case::new("mnist, batches of 250", contenders.collect()).with_targets([0.02])
}

/// All contenders on one problem, with a loss of 1e-5 as the target.
fn case(name: &str, base: RunConfig) -> Case {
    let batches = RunConfig {
        batch_size: BatchSize::Samples(BATCH),
        ..base.clone()
    };
    let lbfgs = RunConfig {
        method: MethodConfig::Lbfgs(LbfgsConfig::default()).into(),
        ..base.clone()
    };
    let mut contenders = vec![
        Contender::exact(&base),
        Contender::foof(&base, BATCH),
        Contender::fixed("lbfgs", lbfgs),
    ];
    contenders.extend(
        RIVALS.map(|(optimizer, rates)| {
            Contender::swept(optimizer.name(), &batches, optimizer, rates)
        }),
    );
    Case::new(name, contenders).with_targets([1e-5])
}
