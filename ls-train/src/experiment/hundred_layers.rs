//! A hundred plain hidden layers on the digits, without skip connections and normalization.

use ls_core::stage::{Activation, Init};

use super::base::digits;
use super::{Budget, Case, Contender, Experiment};
use crate::config::{BatchSize, OptimizerName, RunConfig};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "hundred-layers",
    about: "30 sweeps of exact on 100 x 64, orthogonal, without skips, against twice as long of Adam and SGD",
    seconds: 0.0,
    cases,
};

fn cases() -> Vec<Case> {
    [Activation::Relu, Activation::Tanh]
        .into_iter()
        .map(|activation| {
            let base = RunConfig {
                sweeps: 30,
                ..digits(&[64; 100], activation, Init::Orthogonal)
            };
            let batches = RunConfig {
                batch_size: BatchSize::Samples(128),
                ..base.clone()
            };
            let longer = |contender: Contender| contender.within(Budget::Times(2.0)).once();
            let contenders = vec![
                Contender::exact(&base).within(Budget::Sweeps),
                longer(Contender::swept(
                    "adam, batches, twice as long",
                    &batches,
                    OptimizerName::Adam,
                    &[3e-5, 1e-4, 3e-4, 1e-3],
                )),
                longer(Contender::swept(
                    "sgd, batches, twice as long",
                    &batches,
                    OptimizerName::Sgd,
                    &[1e-4, 3e-4, 1e-3, 3e-3],
                )),
            ];
            Case::new(format!("{}-100x64", activation.name()), contenders)
        })
        .collect()
}
