//! `locoprop` with one local step: a preconditioned gradient step.

use ls_core::batch::Batch;
use ls_core::method::{LocalLoss, LocoPropConfig, OptimizerConfig, OptimizerName, Schedule};
use ls_core::network::Network;
use ls_core::stage::{Activation, AnyStage};

use crate::common::hidden::Hidden;
use crate::common::sweeps::Values;
use crate::common::{Shape, mixed};
use crate::{gradient, start};

const TARGET_STEP: f64 = 3.0;
const RATE: f64 = 0.05;

/// Weights before and after one sweep of one local step, and `γ ∇F` between them.
fn one_step(
    network: &Network,
    batch: &Batch,
    local_loss: LocalLoss,
    optimizer: OptimizerConfig,
) -> [Vec<Vec<f64>>; 3] {
    let config = LocoPropConfig {
        local_loss,
        local_steps: 1,
        target_step: TARGET_STEP,
        learning_rate: RATE,
        schedule: Schedule::Constant,
        optimizer,
        ..LocoPropConfig::default()
    };
    let lists = gradient(network, batch);
    let scaled = |list: Vec<f64>| list.into_iter().map(|g| TARGET_STEP * g).collect();
    let (mut model, mut method) = start(&config.into(), network, batch).unwrap();
    let before = Values::read(&model.network).0;
    method.sweep(&mut model, batch).unwrap();
    let after = Values::read(&model.network).0;
    [before, lists.into_iter().map(scaled).collect(), after]
}

/// `RMSProp` without momentum.
fn rms_prop() -> OptimizerConfig {
    let constants = [("alpha", 0.9), ("momentum", 0.0), ("epsilon", 1e-2)];
    let constants = constants.map(|(key, value)| (key.to_owned(), toml::Value::Float(value)));
    OptimizerConfig::new(OptimizerName::RmsProp, constants.into_iter().collect()).unwrap()
}

#[test]
fn one_local_step_is_a_gradient_step_in_the_metric_of_the_inner_optimizer() {
    let images = mixed::moderate(Activation::Tanh, 5).map(|shape| shape.problem());
    let dense = Shape::moderate(Activation::Silu, 14).problem();
    for (kind, problem) in images.into_iter().chain([dense]).enumerate() {
        let (network, batch) = (problem.network(), problem.batch());
        for loss in [LocalLoss::Squared, LocalLoss::Matching] {
            type Metric = fn(f64) -> f64;
            let scaled: Metric = |g| g / ((0.1 * g * g).sqrt() + 1e-2);
            let plain: Metric = |g| g;
            for (optimizer, metric) in [(OptimizerName::Gd.into(), plain), (rms_prop(), scaled)] {
                let [before, gradient, after] = one_step(&network, &batch, loss, optimizer);
                for (i, own) in before.iter().enumerate() {
                    for (j, value) in own.iter().enumerate() {
                        let expected = value - RATE * metric(gradient[i][j]);
                        // Sums of some hundred f32 products of a unit or less, over ε = 0.01.
                        let error = (after[i][j] - expected).abs();
                        assert!(error < 1e-4, "{kind}, {loss:?}: {} {expected}", after[i][j]);
                    }
                }
            }
        }
    }
}

#[test]
fn a_stage_without_the_affine_view_takes_the_same_step() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let batch = problem.batch();
    let plain = |l: usize| problem.layers[l].stage();
    let hidden = Hidden {
        inner: plain(1).downcast_ref().cloned().unwrap(),
    };
    let stages = vec![plain(0), AnyStage::custom(hidden), plain(2)];
    let custom = Network::new(stages).unwrap();
    let gd = || OptimizerName::Gd.into();
    let [_, _, expected] = one_step(&problem.network(), &batch, LocalLoss::Squared, gd());
    let [_, _, found] = one_step(&custom, &batch, LocalLoss::Squared, gd());
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        // Sums of some hundred f32 products.
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}
