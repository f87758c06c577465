//! Over-relaxation of the auxiliary variables, from the paper's scheme to `exact`.

use ls_core::stage::{Activation, Init};

use super::base::{alternating, digits, with_method};
use super::{Case, Contender, Experiment};
use crate::config::AlternatingConfig;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "relaxation",
    about: "alternating with displacements of 1 to 1000 times their length, and exact, which finds its own, on the digits",
    seconds: 5.0,
    cases,
};

/// Factors of the displacements.
const FACTORS: [f64; 5] = [1.0, 3.0, 10.0, 100.0, 1000.0];

fn cases() -> Vec<Case> {
    let depths = [2, 6, 10];
    let activations = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];
    let pairs = depths
        .into_iter()
        .flat_map(|depth| activations.map(|activation| (depth, activation)));
    pairs
        .map(|(depth, activation)| case(depth, activation))
        .collect()
}

fn case(depth: usize, activation: Activation) -> Case {
    let base = digits(&vec![64; depth], activation, Init::Kaiming);
    let relaxed = |&relaxation: &f64| {
        let settings = AlternatingConfig {
            relaxation,
            ..alternating(1)
        };
        let name = format!("alternating, α = {relaxation}");
        Contender::fixed(name, with_method(&base, settings))
    };
    let mut contenders: Vec<_> = FACTORS.iter().map(relaxed).collect();
    contenders.push(Contender::exact(&base));
    Case::new(format!("{activation}-{depth}x64"), contenders).with_targets([1e-1, 1e-2, 1e-3])
}
