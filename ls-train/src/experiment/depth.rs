//! Fully connected networks of several depths and activations on the digits, against tuned backpropagation.

use ls_core::stage::{Activation, Init};

use super::base::{alternating, digits, with_method};
use super::{Case, Contender, Experiment};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "depth",
    about: "layer separation against tuned backpropagation, 2 to 10 hidden layers, on the digits",
    seconds: 6.0,
    cases,
};

fn cases() -> Vec<Case> {
    [
        (
            "relu-2x128",
            vec![128; 2],
            Activation::Relu,
            Init::Kaiming,
            1,
        ),
        (
            "sigmoid-3x64",
            vec![64; 3],
            Activation::Sigmoid,
            Init::Kaiming,
            1,
        ),
        (
            "tanh-6x64",
            vec![64; 6],
            Activation::Tanh,
            Init::Orthogonal,
            3,
        ),
        (
            "sigmoid-10x64",
            vec![64; 10],
            Activation::Sigmoid,
            Init::Kaiming,
            3,
        ),
    ]
    .into_iter()
    .map(|(name, hidden, activation, init, weight_passes)| {
        let base = digits(&hidden, activation, init);
        let settings = alternating(weight_passes);
        let mut contenders = vec![
            Contender::exact(&base),
            Contender::fixed("alternating", with_method(&base, settings)),
        ];
        contenders.extend(Contender::baselines(&base, 128));
        Case::new(name, contenders)
    })
    .collect()
}
