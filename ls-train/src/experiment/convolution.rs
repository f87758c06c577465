//! The default convolutional network on the digits, against tuned backpropagation.

use ls_core::model::{CnnConfig, ModelConfig};
use ls_core::stage::{Activation, Init};

use super::{Case, Contender, Experiment};
use crate::config::RunConfig;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "convolution",
    about: "the convolutional network on the digits, full batch and batches, against tuned backpropagation",
    seconds: 20.0,
    cases,
};

fn cases() -> Vec<Case> {
    [Activation::Relu, Activation::Tanh]
        .into_iter()
        .map(|activation| {
            let base = RunConfig {
                model: ModelConfig::Cnn(CnnConfig {
                    activation,
                    init: Init::Kaiming,
                    normalization: None,
                })
                .into(),
                ..RunConfig::default()
            };
            let mut contenders = vec![Contender::exact(&base)];
            contenders.extend(Contender::full_and_batches(&base, 200));
            contenders.extend(Contender::baselines(&base, 128));
            Case::new(activation.name(), contenders)
        })
        .collect()
}
