//! The default convolutional network on the digits, against tuned backpropagation.

use ls_core::stage::Activation;

use super::base::cnn;
use super::{Case, Contender, Experiment};

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
            let base = cnn(activation);
            let mut contenders = vec![Contender::exact(&base)];
            contenders.extend(Contender::full_and_batches(&base, 200));
            contenders.extend(Contender::baselines(&base, 128));
            Case::new(activation.name(), contenders)
        })
        .collect()
}
