//! The laws in f64: with sixteen digits the library's figures must be those of the f64 reference, and what never rises does not rise by
//! more than f64 rounds. The device keeps one precision for a process, so that these tests have a file of their own.

mod common;

use std::sync::LazyLock;

use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};
use common::block::Block;
use common::differences;
use common::hidden::Hidden;
use common::mixed::moderate;
use common::reference::{Problem, difference, norm};
use common::report::Report;
use common::sweeps::{Values, sweep};
use common::{Shape, WEIGHTINGS, assert_close, device, pairs, rows};
use ls_core::batch::Batch;
use ls_core::method::{Alternating, Exact, ExactConfig, Foof, FoofConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::objective::{Weighting, cross_entropy};
use ls_core::shards::Shards;
use ls_core::stage::{Activation, AnyStage};
use ls_core::update::feasible_pass;

/// Sums of some hundred terms of f64, three or four stages deep: a few 1e-14 of the figures. f32 would be off by some 1e-7.
const DIGITS: f64 = 1e-12;

static DOUBLE: LazyLock<()> = LazyLock::new(|| {
    let set = device().configure(FloatDType::F64);
    set.expect("no test of this file makes a tensor before");
});

fn problem(shape: &Shape) -> Problem {
    LazyLock::force(&DOUBLE);
    shape.problem()
}

/// The library's figures at random auxiliary variables are those of the reference, for dense networks.
#[test]
fn figures_of_dense_networks_are_the_references_to_twelve_digits() {
    for (activation, weighting) in pairs() {
        let problem = problem(&Shape::moderate(activation, 31));
        agrees(&problem, weighting, &format!("{activation}, {weighting:?}"));
    }
}

#[test]
fn figures_of_convolutional_and_residual_networks_are_the_references_to_twelve_digits() {
    LazyLock::force(&DOUBLE);
    for &activation in Activation::CONTINUOUS {
        for shape in moderate(activation, 32) {
            agrees(&shape.problem(), WEIGHTINGS[0], &format!("{activation}"));
        }
    }
}

#[track_caller]
fn agrees(problem: &Problem, weighting: Weighting, what: &str) {
    let (mut model, batch) = (problem.model(), problem.batch());
    let method = line_search(problem, weighting);
    let measured = method.measure(&mut model, &batch).unwrap();
    let close = |found: f64, expected: f64, figure: &str| {
        assert_close(found, expected, DIGITS, 0.0, &format!("{what}: {figure}"));
    };
    close(measured.original_loss_mean, problem.original_mean(), "F");
    let figures = measured.separated.unwrap();
    // The growth factors are bounds of their own, which other tests hold against singular values.
    let weights = problem.library_weights(weighting);
    close(
        figures.separated_loss_mean,
        problem.separated_mean(&weights),
        "S",
    );
    if let Ok(growth) = &weights.growth {
        let certificate = problem.certificate_mean(growth);
        close(figures.certificate_mean.unwrap(), certificate, "C");
    }
}

fn line_search(problem: &Problem, weighting: Weighting) -> Alternating {
    let config = differences::line_search(weighting, 2, true);
    Alternating::new(config, &problem.network(), &problem.batch()).unwrap()
}

#[test]
fn line_searches_never_raise_the_separated_loss_and_keep_the_certificate_between() {
    for (activation, weighting) in pairs() {
        let what = format!("{activation}, {weighting:?}");
        let problem = problem(&Shape::moderate(activation, 14));
        let (mut model, batch) = (problem.model(), problem.batch());
        let mut method = line_search(&problem, weighting);
        let mut last = f64::INFINITY;
        for sweep in 0..15 {
            method.sweep(&mut model, &batch).unwrap();
            let measured = method.measure(&mut model, &batch).unwrap();
            let figures = measured.separated.unwrap();
            let (now, certificate) = (
                figures.separated_loss_mean,
                figures.certificate_mean.unwrap(),
            );
            assert!(
                now <= last * (1.0 + DIGITS),
                "{what}, sweep {sweep}: {last} to {now}"
            );
            last = now;
            let rounded = certificate * (1.0 + DIGITS);
            assert!(measured.original_loss_mean <= rounded, "{what}: F above C");
            if let Weighting::SelfAdaptive { .. } = weighting {
                assert!(certificate <= now * (1.0 + DIGITS), "{what}: C above S");
            }
        }
    }
}

/// `exact` keeps a sweep only if the loss fell, in whatever numbers; in f64 it falls below what f32 resolves of a mean of order one.
#[test]
fn exact_sweeps_never_raise_the_original_loss() {
    for &activation in Activation::CONTINUOUS {
        let dense = problem(&Shape::moderate(activation, 41));
        let image = moderate(activation, 42)[0].problem();
        for problem in [dense, image] {
            let (mut model, batch) = (problem.model(), problem.batch());
            let mut method = Exact::new(ExactConfig::default(), &model.network).unwrap();
            let mut last = problem.original_mean();
            for sweep in 0..10 {
                method.sweep(&mut model, &batch).unwrap();
                let now = problem.at(&model).original_mean();
                assert!(
                    now <= last * (1.0 + DIGITS),
                    "{activation}, sweep {sweep}: {last} to {now}"
                );
                last = now;
            }
        }
    }
}

/// Proposition 1: one pass of auxiliary steps from the feasible point is a backward pass, for steps of any length: every block takes its
/// gradient at the outputs of the plain forward pass. In f64 the direction of displacements of 1e-6 and more keeps eight digits.
#[test]
fn displacements_of_a_pass_have_the_direction_of_the_negative_gradient() {
    for &activation in Activation::CONTINUOUS {
        let mut problems = vec![problem(&Shape::moderate(activation, 61))];
        problems.extend(moderate(activation, 62).map(|shape| shape.problem()));
        for problem in problems {
            check_directions(
                &problem.network(),
                &problem.batch(),
                WEIGHTINGS[0],
                &activation.to_string(),
            );
        }
    }
    // A module of a user's own states no Lipschitz constant: the proposition asks for none.
    let mlp = problem(&Shape::moderate(Activation::Tanh, 63));
    let mut stages = mlp.network().stages().to_vec();
    stages.insert(2, AnyStage::custom(Block::new(6, &device())));
    let with_block = Network::new(stages).unwrap();
    assert!(with_block.num_params() > mlp.network().num_params());
    let fixed = Weighting::Fixed { omega: 3.0 };
    check_directions(&with_block, &mlp.batch(), fixed, "own module");
}

fn check_directions(network: &Network, batch: &Batch, weighting: Weighting, what: &str) {
    let lipschitz = network.lipschitz(weighting.norm()).unwrap();
    let weights = weighting.weights(&lipschitz).unwrap();
    let pass = feasible_pass(network, &weights, batch, None);
    let outputs = network.activations(batch.inputs.clone());
    let mut compared = 0;
    for (l, value) in pass.values.into_iter().enumerate() {
        let displacement = rows(value - outputs[l].clone());
        let gradient = rows(gradient(network, l, outputs[l].clone(), batch));
        for (displacement, gradient) in displacement.iter().zip(&gradient) {
            // Behind dead rectifiers both vanish. With fixed weights a sample may reject its step.
            if norm(gradient) == 0.0 || norm(displacement) == 0.0 {
                let rejects = matches!(weighting, Weighting::Fixed { .. });
                assert!(
                    rejects || norm(displacement) == norm(gradient),
                    "{what}, stage {l}"
                );
                continue;
            }
            let unit =
                |v: &[f64], sign: f64| v.iter().map(|x| sign * x / norm(v)).collect::<Vec<_>>();
            let apart = norm(&difference(&unit(displacement, 1.0), &unit(gradient, -1.0)));
            assert!(
                apart < 1e-7,
                "{what}, stage {l}: directions differ by {apart}"
            );
            compared += 1;
        }
    }
    assert!(compared > 10, "{what}: only {compared} directions");
}

/// `∂ce_n/∂h_l` by autodiff through the whole rest of the network, `l` counted from 0.
fn gradient(network: &Network, l: usize, output: Tensor<2>, batch: &Batch) -> Tensor<2> {
    let leaf = output.autodiff().require_grad();
    let later = network.stages()[l + 1..].iter();
    let logits = later.fold(leaf.clone(), |h, stage| stage.forward(h));
    let cotangent = cross_entropy::gradient(logits.clone().inner(), &batch.labels);
    let gradients = (logits * cotangent).sum().backward();
    leaf.grad(&gradients).unwrap()
}

/// Weights after three sweeps of `foof` in blocks of 12, and before them.
fn foof_weights(network: &Network, split: &Batch) -> [Values; 2] {
    let config = FoofConfig {
        dropout: 0.2,
        label_smoothing: 0.1,
        ..FoofConfig::default()
    };
    let mut model = Separated::new(network.clone());
    let mut method = Foof::new(config, network, Some(20)).unwrap();
    for _ in 0..3 {
        let figures = sweep(&mut method, &mut model, split, Some(12));
        assert_eq!(figures.rejected(), 0);
    }
    [&model.network, network].map(Values::read)
}

/// The network with a first stage of which the method sees the forward pass alone.
fn with_hidden_stage(problem: &Problem) -> Network {
    let mut stages = problem.network().stages().to_vec();
    let AnyStage::Dense(inner) = stages[0].clone() else {
        panic!("the first stage is dense");
    };
    stages[0] = AnyStage::custom(Hidden { inner });
    Network::new(stages).unwrap()
}

/// Dense and convolution stages, pooling, skips, and a stage without the affine view, in blocks that the devices have kept when they meet
/// them again.
#[test]
fn steps_of_foof_on_the_devices_of_a_list_are_those_of_a_run_at_home() {
    LazyLock::force(&DOUBLE);
    for &activation in Activation::CONTINUOUS {
        let dense = Shape::moderate(activation, 71).problem();
        let mixed = moderate(activation, 72).map(|shape| shape.problem());
        let mut cases = vec![("hidden", with_hidden_stage(&dense), dense.batch())];
        for (name, problem) in ["dense", "pooling", "stride"]
            .into_iter()
            .zip([dense].into_iter().chain(mixed))
        {
            cases.push((name, problem.network(), problem.batch()));
        }
        for (name, network, split) in cases {
            let [home, start] = foof_weights(&network, &split);
            let shards = Shards::new(vec![device(); 3], vec![1, 3, 1]).unwrap();
            let [shared, _] = foof_weights(&network, &split.sharded(shards));
            let [moved, error] = [start, shared].map(|other| {
                let pairs = home.0.concat().into_iter().zip(other.0.concat());
                pairs.fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()))
            });
            // Steps make thousands of times as much of their rounding, where gradients vanish.
            assert!(moved > 0.1, "{name}, {activation}: {moved}");
            assert!(error < 1e-8, "{name}, {activation}: {error}");
        }
    }
}
