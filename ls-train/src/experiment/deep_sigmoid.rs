//! Ten hidden layers of sigmoids on the digits: 80 sweeps of `exact` against backpropagation for ten times the time.

use ls_core::stage::{Activation, Init};

use super::base::digits;
use super::{Budget, Case, Contender, Experiment};
use crate::config::{BatchSize, OptimizerName, RunConfig};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "deep-sigmoid",
    about: "80 sweeps of exact on 10 x 64 sigmoid, against ten times as long of Adam and SGD at several rates",
    seconds: 0.0,
    cases,
};

/// Time limit of the baselines as a multiple of the time of `exact`.
const TIMES: f64 = 10.0;

fn cases() -> Vec<Case> {
    let base = RunConfig {
        sweeps: 80,
        ..digits(&[64; 10], Activation::Sigmoid, Init::Kaiming)
    };
    let batches = RunConfig {
        batch_size: BatchSize::Samples(128),
        ..base.clone()
    };
    let adam = [1e-3, 3e-3, 1e-2, 3e-2];
    let sgd = [0.01, 0.03, 0.1, 0.3, 1.0];
    let longer = |contender: Contender| contender.within(Budget::Times(TIMES)).once();
    let contenders = vec![
        Contender::exact(&base).within(Budget::Sweeps),
        longer(Contender::swept(
            "adam, batches, 10 times as long",
            &batches,
            OptimizerName::Adam,
            &adam,
        )),
        longer(Contender::swept(
            "sgd, batches, 10 times as long",
            &batches,
            OptimizerName::Sgd,
            &sgd,
        )),
    ];
    vec![Case::new("sigmoid-10x64", contenders).with_targets([1e-3])]
}
