//! Initial weights of `alternating`, by activation and depth.

use ls_core::stage::{Activation, Init};

use super::base::{alternating, digits, with_method};
use super::{Case, Contender, Experiment};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "initialization",
    about: "Kaiming, Xavier and orthogonal initial weights for alternating minimization, 2 and 10 hidden layers",
    seconds: 8.0,
    cases,
};

fn cases() -> Vec<Case> {
    let activations = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];
    let depths = [2, 10];
    let pairs = activations
        .into_iter()
        .flat_map(|s| depths.map(|depth| (s, depth)));
    pairs
        .map(|(activation, depth)| {
            let contender = |init: Init| {
                let base = digits(&vec![64; depth], activation, init);
                Contender::fixed(init.name(), with_method(&base, alternating(3)))
            };
            let contenders = Init::ALL.iter().copied().map(contender);
            Case::new(format!("{activation}-{depth}x64"), contenders.collect())
        })
        .collect()
}
