//! Every gradient that moves something, against central differences of the f64 reference.
//!
//! Differences with a step of 1e-5 in f64 are exact to about 1e-9, so what remains is the library's f32: sums of some
//! dozens of terms, 1e-6 of the largest entry or a few times that.

mod common;

use burn::module::Module;
use common::differences::{
    GRAM_STEP, auxiliary_gradient, gram_direction, gram_step, line_search, separated, slope_at,
    weight_change, weight_gradient, weights_of,
};
use common::mixed::moderate;
use common::reference::{self, Matrix, Problem, difference, dot, matrix_norm, norm};
use common::{Random, Shape, WEIGHTINGS, assert_close, device, pairs, rows, tensor};
use ls_core::linalg::{Norm, to_f64};
use ls_core::method::{
    Alternating, AlternatingConfig, Backprop, BackpropConfig, Method, OptimizerName, gradients,
};
use ls_core::network::Network;
use ls_core::objective::{Weighting, cross_entropy};
use ls_core::stage::{Activation, AnyStage, Dense};

const TOLERANCE: f64 = 2e-5;

#[track_caller]
fn assert_same(found: &Matrix, expected: &Matrix, tolerance: f64, what: &str) {
    let error = norm(&difference(&found.concat(), &expected.concat()));
    let size = norm(&expected.concat());
    assert!(
        size > 0.0,
        "{what}: the reference gradient is zero, nothing would be tested"
    );
    assert!(
        error <= tolerance * size,
        "{what}: off by {error} of {size}"
    );
}

#[test]
fn gradient_of_the_cross_entropy() {
    let mut random = Random::new(1);
    for classes in 2..=6 {
        let z = random.matrix([1, classes], 3.0);
        for y in 0..classes {
            let labels = ls_core::batch::index_tensor(&[y], &device());
            let found = rows(cross_entropy::gradient(tensor(&z), &labels));
            let entry =
                |j: usize| slope_at(&z[0], |z| reference::cross_entropy(z, y), |z| &mut z[j]);
            let expected = vec![(0..classes).map(entry).collect()];
            assert_same(&found, &expected, TOLERANCE, "cross-entropy");
        }
    }
}

#[test]
fn gradient_of_every_auxiliary_block() {
    for &activation in Activation::CONTINUOUS {
        let problem = Shape::moderate(activation, 2).problem();
        let network = problem.network();
        for weighting in WEIGHTINGS {
            let weights = weights_of(&problem, weighting);
            for l in 0..problem.hidden() {
                let block = problem.block(l, &network, &weights);
                let found = rows(block.gradient(tensor(&problem.auxiliary[l])));
                let expected = auxiliary_gradient(&problem, l, &weights);
                assert_same(
                    &found,
                    &expected,
                    TOLERANCE,
                    &format!("{activation}, a_{}", l + 1),
                );
            }
        }
    }
}

#[test]
fn gradient_of_every_norm() {
    for (seed, size) in [[6, 6], [9, 4], [3, 12], [1, 5], [1, 1]]
        .into_iter()
        .enumerate()
    {
        let matrix = Random::new(seed as u64).matrix(size, 0.8);
        for kind in [Norm::Frobenius, Norm::Spectral, Norm::Frequency] {
            let (value, found) = kind.value_and_gradient(tensor(&matrix)).unwrap();
            let entry =
                |i: usize, j: usize| slope_at(&matrix, |m| matrix_norm(m, kind), |m| &mut m[i][j]);
            let row = |i: usize| (0..size[1]).map(|j| entry(i, j)).collect();
            let expected = (0..size[0]).map(row).collect();
            assert_same(&rows(found), &expected, 1e-4, &format!("{kind:?} {size:?}"));
            assert_close(value, matrix_norm(&matrix, kind), 1e-5, 0.0, "value");
        }
    }
}

/// Euler: `⟨∇‖W‖, W⟩ = ‖W‖` for whatever is homogeneous of degree one, also where singular values coincide.
#[test]
fn norms_are_homogeneous_where_singular_values_coincide_or_vanish() {
    let identity = vec![
        vec![2.0, 0.0, 0.0],
        vec![0.0, 2.0, 0.0],
        vec![0.0, 0.0, 2.0],
    ];
    let rank_one = vec![vec![0.5, -1.0], vec![1.0, -2.0], vec![-1.5, 3.0]];
    let diagonal = vec![vec![3.0, 0.0], vec![0.0, 0.5]];
    for matrix in [identity, rank_one, diagonal] {
        for kind in [Norm::Frobenius, Norm::Spectral, Norm::Frequency] {
            let (value, gradient) = kind.value_and_gradient(tensor(&matrix)).unwrap();
            let product = dot(&rows(gradient).concat(), &matrix.concat());
            assert_close(
                product,
                value,
                1e-4,
                0.0,
                &format!("{kind:?} of {matrix:?}"),
            );
        }
    }
    for kind in [Norm::Frobenius, Norm::Spectral, Norm::Frequency] {
        let zero = tensor(&vec![vec![0.0; 3]; 2]);
        let (_, gradient) = kind.value_and_gradient(zero).unwrap();
        let finite = rows(gradient).concat().iter().all(|v| v.is_finite());
        assert!(finite, "{kind:?} at zero");
    }
}

#[allow(
    irrefutable_let_patterns,
    reason = "a second kind of stage makes it refutable"
)]
fn dense(stage: &AnyStage) -> &Dense {
    let AnyStage::Dense(stage) = stage else {
        panic!("the reference has dense stages only")
    };
    stage
}

#[test]
fn gradient_of_the_original_loss_by_every_weight() {
    for &activation in Activation::CONTINUOUS {
        let problem = Shape::moderate(activation, 4).problem();
        let tracked = problem.network().train();
        let found = gradients(&tracked, &problem.batch());
        for (l, stage) in tracked.stages().iter().map(dense).enumerate() {
            let mut bordered = rows(found.get::<2>(stage.weight.id).expect("a kernel gradient"));
            let bias = found.get::<1>(stage.bias.id).expect("a bias gradient");
            bordered.push(to_f64(bias).unwrap());
            let expected = weight_gradient(&problem, l, Problem::original_mean);
            assert_same(
                &bordered,
                &expected,
                TOLERANCE,
                &format!("{activation}, stage {l}"),
            );
        }
    }
}

#[test]
fn weight_step_follows_the_gradient_of_the_whole_separated_loss() {
    for (activation, weighting) in pairs() {
        let problem = Shape::moderate(activation, 5).problem();
        for l in 0..=problem.hidden() {
            let what = format!("{activation}, {weighting:?}, stage {l}");
            let mut network = problem.network();
            let weights = weights_of(&problem, weighting);
            let block = problem.weight_block(l, weighting, &weights);
            let step = gram_step(GRAM_STEP, network.stage_mut(l), &block, 0.5);
            let length = step.accepted.expect("a descent direction");
            let mut after = problem.clone();
            after.layers[l] = problem.layers[l].read(&network.stages()[l]);
            let direction = gram_direction(&problem, l, weighting);
            let expected: Matrix = reference::map(&direction, |v| v * length);
            // The coefficients' own digits, 1e-7 of entries that are ten times their change.
            assert_same(&weight_change(&problem, &after, l), &expected, 1e-4, &what);
            // φ is all of S that depends on W_l.
            let change = separated(&after, weighting) - separated(&problem, weighting);
            assert_close(step.after - step.before, change, 1e-4, 1e-2, &what);
            assert!(change < 0.0, "{what}");
        }
    }
}

/// One pass over all blocks by an optimizer.
fn optimizer(weighting: Weighting, name: OptimizerName, rates: [f64; 2]) -> AlternatingConfig {
    AlternatingConfig {
        weighting,
        restart: false,
        optimizer: Some(name.into()),
        learning_rate: Some(rates[0]),
        auxiliary_learning_rate: Some(rates[1]),
        ..AlternatingConfig::default()
    }
}

/// A problem after one sweep over all samples.
fn swept(problem: &Problem, config: AlternatingConfig) -> Problem {
    let (mut model, batch) = (problem.model(), problem.batch());
    let mut method = Alternating::new(config, &model.network, &batch).unwrap();
    method.sweep(&mut model, &batch).unwrap();
    problem.at(&model)
}

/// A learning rate by which no f32 moves.
const NO_RATE: f64 = 1e-30;

#[test]
fn sweep_moves_each_weight_block_along_its_gradient_at_the_current_weights() {
    for weighting in WEIGHTINGS {
        let problem = Shape::moderate(Activation::Tanh, 6).problem();
        let after = swept(&problem, line_search(weighting, 1, false));
        // The auxiliary pass came first, and the stages follow from the first to the head.
        let mut current = Problem {
            layers: problem.layers.clone(),
            ..after.clone()
        };
        for l in 0..=problem.hidden() {
            let found = weight_change(&problem, &after, l);
            let expected = gram_direction(&current, l, weighting);
            let products = dot(&found.concat(), &expected.concat());
            let length = products / dot(&expected.concat(), &expected.concat());
            let scaled = reference::map(&expected, |v| v * length);
            assert_same(&found, &scaled, 1e-4, &format!("{weighting:?}, stage {l}"));
            assert!(length > 0.0, "{weighting:?}, stage {l}: {length}");
            current.layers[l] = after.layers[l].clone();
        }
    }
}

#[test]
fn optimizers_see_the_gradient_of_the_whole_separated_loss() {
    let descent = OptimizerName::Gd;
    for weighting in WEIGHTINGS {
        let problem = Shape::moderate(Activation::Tanh, 7).problem();
        let rate = 0.05;
        let after = swept(&problem, optimizer(weighting, descent, [rate, NO_RATE]));
        let mut current = problem.clone();
        for l in 0..=problem.hidden() {
            let gradient = weight_gradient(&current, l, |p| separated(p, weighting));
            let expected = reference::map(&gradient, |v| -rate * v);
            let found = weight_change(&problem, &after, l);
            assert_same(
                &found,
                &expected,
                1e-4,
                &format!("{weighting:?}, stage {l}"),
            );
            current.layers[l] = after.layers[l].clone();
        }
        let rate = 0.01;
        let after = swept(&problem, optimizer(weighting, descent, [NO_RATE, rate]));
        let mut current = problem.clone();
        for l in (0..problem.hidden()).rev() {
            let gradient = auxiliary_gradient(&current, l, &weights_of(&problem, weighting));
            let expected = reference::map(&gradient, |v| -rate * v);
            let pairs = after.auxiliary[l].iter().zip(&problem.auxiliary[l]);
            let found = pairs
                .map(|(after, before)| difference(after, before))
                .collect();
            assert_same(
                &found,
                &expected,
                1e-4,
                &format!("{weighting:?}, a_{}", l + 1),
            );
            current.auxiliary[l].clone_from(&after.auxiliary[l]);
        }
    }
}

/// The residuals of earlier stages press on the constant of a convolution, which is that of its operator on images and not that of its
/// kernel as a matrix.
#[test]
fn optimizers_see_the_pressure_on_the_operators_of_convolutions() {
    let weighting = WEIGHTINGS[1];
    let problem = moderate(Activation::Tanh, 9)[0].problem();
    let rate = 1e-4;
    let after = swept(
        &problem,
        optimizer(weighting, OptimizerName::Gd, [rate, NO_RATE]),
    );
    let mut current = problem.clone();
    for l in 0..=problem.hidden() {
        let gradient = weight_gradient(&current, l, |p| separated(p, weighting));
        let expected = reference::map(&gradient, |v| -rate * v);
        let found = weight_change(&problem, &after, l);
        // The digits of f32 weights, 1e-7 of entries that are up to a thousand times their change.
        assert_same(&found, &expected, 1e-3, &format!("stage {l}"));
        current.layers[l] = after.layers[l].clone();
    }
}

fn assert_all_weights_moved(before: &Network, after: &Network, problem: &Problem, what: &str) {
    let pairs = before.stages().iter().zip(after.stages());
    for (layer, (before, after)) in problem.layers.iter().zip(pairs) {
        let (before, after) = (layer.read(before), layer.read(after));
        let moved = difference(&after.bordered().concat(), &before.bordered().concat());
        let (kernel, bias) = moved.split_at(layer.kernel.concat().len());
        assert!(
            kernel.iter().all(|&v| v != 0.0 && v.is_finite()),
            "{what}: kernel {kernel:?}"
        );
        assert!(
            bias.iter().all(|&v| v != 0.0 && v.is_finite()),
            "{what}: bias {bias:?}"
        );
    }
}

#[test]
fn every_weight_and_every_auxiliary_variable_moves_in_the_first_sweep() {
    for &activation in Activation::CONTINUOUS {
        let problem = Shape {
            // Enough for every two neighbours among the rectifiers to be active together.
            samples: 200,
            ..Shape::moderate(activation, 8)
        }
        .problem();
        let batch = problem.batch();
        let weighting = WEIGHTINGS[0];
        let configs = [
            line_search(weighting, 1, false),
            optimizer(weighting, OptimizerName::Adam, [1e-3, 1e-3]),
        ];
        for (config, name) in configs.into_iter().zip(["line search", "adam"]) {
            let mut model = problem.model();
            let start = model.network.clone();
            let mut method = Alternating::new(config, &model.network, &batch).unwrap();
            method.sweep(&mut model, &batch).unwrap();
            let what = format!("{activation}, {name}");
            assert_all_weights_moved(&start, &model.network, &problem, &what);
            let auxiliary = problem.at(&model).auxiliary;
            for (after, before) in auxiliary.concat().iter().zip(problem.auxiliary.concat()) {
                assert_ne!(*after, before, "{what}");
            }
        }
        let mut model = problem.model();
        let start = model.network.clone();
        Backprop::new(&BackpropConfig::default(), &start, None)
            .unwrap()
            .sweep(&mut model, &batch)
            .unwrap();
        assert_all_weights_moved(
            &start,
            &model.network,
            &problem,
            &format!("{activation}, backprop"),
        );
    }
}
