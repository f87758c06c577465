//! The laws of the methods that neighbouring work trains by: block coordinate descent, multipliers, predictive coding, local losses,
//! propagated targets.

#[path = "../common/mod.rs"]
mod common;
mod every_method;
mod locoprop;
mod penalty_function;
mod predictive_coding;
mod target_propagation;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use ls_core::batch::Batch;
use ls_core::linalg::to_f64;
use ls_core::method::{Method, MethodConfig, Separated, Task, gradients};
use ls_core::network::Network;

/// The names of the methods.
const METHODS: [&str; 5] = [
    "bcd",
    "admm",
    "predictive-coding",
    "locoprop",
    "target-propagation",
];

/// Starts a method at the feasible point of a split.
fn start(
    config: &MethodConfig,
    network: &Network,
    split: &Batch,
) -> ls_core::Result<(Separated, Box<dyn Method>)> {
    let task = Task {
        network,
        split,
        total_steps: Some(20),
        seed: 3,
    };
    let method = config.init(&task)?;
    Ok((Separated::feasible(network.clone(), split), method))
}

/// The gradient of `F`, one list for each parameter in the order of the network.
fn gradient(network: &Network, batch: &Batch) -> Vec<Vec<f64>> {
    struct Lists<'a>(&'a GradientsParams, Vec<Vec<f64>>);

    impl ModuleVisitor for Lists<'_> {
        fn visit_float<const D: usize>(&mut self, own: &Param<Tensor<D>>) {
            let found = self.0.get::<D>(own.id).unwrap();
            self.1.push(to_f64(found).unwrap());
        }
    }

    let tracked = network.clone().train();
    let found = gradients(&tracked, batch);
    let mut lists = Lists(&found, Vec::new());
    tracked.visit(&mut lists);
    lists.1
}
