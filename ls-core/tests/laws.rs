//! The laws of block updates, for all activations and all kinds of weights.
//!
//! Losses are measured by the f64 reference at the coefficients and auxiliary variables that the library left, with the
//! library's weights `ω`. A decision in f32 may be wrong by the rounding of the values it compares, and by no more:
//! `Problem::separated_rounding` says how much that is at given variables. Laws that hold for every update go through the
//! list of `common::updates`.

mod common;

use burn::tensor::Tensor;
use common::differences::{GRAM_STEP, gram_step};
use common::reference::Problem;
use common::updates::{Update, all_updates, variables};
use common::{Shape, WEIGHTINGS, assert_close, device, pairs, rows, tensor};
use ls_core::auxiliary::AuxiliaryStore;
use ls_core::linalg::{Norm, to_f64};
use ls_core::method::Separated;
use ls_core::network::Network;
use ls_core::objective::{OutputLoss, Weights, sample_terms};
use ls_core::stage::Activation;
use ls_core::update::{
    AuxiliaryBlock, GramStep, Penalty, WeightBlock, armijo_pass, auxiliary_pass, restart,
};

fn with_rows(problem: &Problem, l: usize, value: Tensor<2>) -> Problem {
    let mut moved = problem.clone();
    moved.auxiliary[l] = rows(value);
    moved
}

/// No `S_n` rises beyond the rounding of both values.
#[track_caller]
fn assert_no_sample_rises(before: &Problem, after: &Problem, weights: &Weights, what: &str) {
    for n in 0..before.inputs.len() {
        let (old, new) = (before.separated(n, weights), after.separated(n, weights));
        let rounding = before.separated_rounding(n, weights) + after.separated_rounding(n, weights);
        assert!(
            new <= old + rounding,
            "{what}, sample {n}: {old} to {new}, rounding {rounding}"
        );
    }
}

#[test]
fn every_update_never_raises_its_objective() {
    for (name, update) in all_updates() {
        for (activation, weighting) in pairs() {
            let mut problem = Shape::moderate(activation, 14).problem();
            let mut moves = 0;
            for l in update.blocks(&problem) {
                // First lengths far too large and far too small, and one of a usual size.
                for first in [1e3, 1.0, 1e-3] {
                    let what = format!("{name}, {activation}, {weighting:?}, block {l}, {first}");
                    let moved = update.apply(&problem, l, weighting, first);
                    let weights = problem.library_weights(weighting);
                    let before = problem.separated_mean(&weights);
                    let weights = moved.library_weights(weighting);
                    let after = moved.separated_mean(&weights);
                    let rounding = 2.0 * moved.mean(|n| moved.separated_rounding(n, &weights));
                    assert!(after <= before + rounding, "{what}: {before} to {after}");
                    moves += usize::from(variables(&moved) != variables(&problem));
                    problem = moved;
                }
            }
            assert!(
                moves > 0,
                "{name}, {activation}, {weighting:?}: no block moved"
            );
        }
    }
}

#[test]
fn every_update_leaves_stationary_blocks_unchanged() {
    for (name, update) in all_updates() {
        for activation in Activation::CONTINUOUS.iter().copied() {
            let problem = Shape::moderate(activation, 17).problem();
            let network = problem.network();
            let (auxiliary, weights) = stationary(&network, &problem);
            for first in [1e2, 1.0, 1e-3] {
                match &update {
                    Update::Auxiliary(update) => {
                        let value = update(&auxiliary, auxiliary.target.clone(), first);
                        let expected = rows(auxiliary.target.clone());
                        assert_eq!(rows(value), expected, "{name}, {activation}");
                    }
                    Update::Weights(update) => {
                        let mut stage = network.stages()[1].clone();
                        update(&mut stage, &weights, first);
                        let after = problem.layers[1].read(&stage);
                        let expected = problem.layers[1].bordered();
                        assert_eq!(after.bordered(), expected, "{name}, {activation}");
                    }
                }
            }
        }
    }
}

/// The blocks of `a_1` and of the second stage where both residuals vanish, and with them both objectives.
fn stationary<'a>(network: &'a Network, problem: &Problem) -> (AuxiliaryBlock<'a>, WeightBlock) {
    let mut outputs = network.activations(problem.batch().inputs);
    let (second, first) = (outputs.remove(1), outputs.remove(0));
    let residual = |target: Tensor<2>| OutputLoss::Residual { target, omega: 1.5 };
    let auxiliary = AuxiliaryBlock {
        target: first.clone(),
        omega: 1.5,
        next: &network.stages()[1],
        next_loss: residual(second.clone()),
    };
    let penalty = Penalty {
        coefficient: 0.0,
        norm: Norm::Spectral,
    };
    let weights = WeightBlock {
        input: first,
        loss: residual(second),
        penalty,
    };
    (auxiliary, weights)
}

/// A pass linearizes all stages before anything moves. Block after block on the variables of that moment gives the same.
#[test]
fn auxiliary_pass_is_the_sequence_of_its_blocks() {
    for (activation, weighting) in pairs() {
        let problem = Shape::moderate(activation, 12).problem();
        let (network, batch) = (problem.network(), problem.batch());
        let weights = problem.library_weights(weighting);
        let samples = problem.inputs.len();
        let lengths = vec![Tensor::full([samples, 1], 0.25, &device()); problem.hidden()];
        let (values, first) = (problem.tensors(), lengths.clone());
        let found = auxiliary_pass(&network, &weights, &batch, None, values, first);
        let mut current = problem.clone();
        for l in (0..problem.hidden()).rev() {
            let block = current.block(l, &network, &weights);
            let value = tensor(&current.auxiliary[l]);
            let (moved, next) = armijo_pass(&block, value, lengths[l].clone());
            current.auxiliary[l] = rows(moved);
            let what = format!("{activation}, {weighting:?}, a_{}", l + 1);
            assert!(
                current.auxiliary[l] != problem.auxiliary[l],
                "{what}: nothing moved"
            );
            assert_eq!(
                rows(found.values[l].clone()),
                current.auxiliary[l],
                "{what}"
            );
            assert_eq!(rows(found.lengths[l].clone()), rows(next), "{what}");
        }
        // And its terms are those of the variables that it returns, up to a few roundings.
        let terms = sample_terms(&network, &found.values, &batch).unwrap();
        let expected = terms.residual_squares.into_iter().chain([terms.head_loss]);
        for (misfits, expected) in found.misfits.into_iter().zip(expected) {
            let misfits = to_f64(misfits).unwrap();
            for (found, expected) in misfits.iter().zip(expected) {
                assert_close(*found, expected, 1e-4, 1e-3, "a term");
            }
        }
    }
}

#[test]
fn auxiliary_pass_never_raises_the_separated_loss_of_any_sample() {
    for (activation, weighting) in pairs() {
        let mut problem = Shape::moderate(activation, 11).problem();
        let weights = problem.library_weights(weighting);
        for l in (0..problem.hidden()).rev() {
            let what = format!("{activation}, {weighting:?}, a_{}", l + 1);
            let network = problem.network();
            let block = problem.block(l, &network, &weights);
            // First lengths far too large and far too small, and one that fits.
            for first in [1e3, 1.0, 0.25, 1e-3] {
                let steps = Tensor::full([problem.inputs.len(), 1], first, &device());
                let (value, steps) = armijo_pass(&block, tensor(&problem.auxiliary[l]), steps);
                let moved = with_rows(&problem, l, value);
                assert_no_sample_rises(&problem, &moved, &weights, &what);
                let falls = problem.separated_mean(&weights) - moved.separated_mean(&weights);
                if first < 1.0 {
                    assert!(falls > 0.0, "{what}: nothing moved at a length of {first}");
                }
                // Three trials: 1.5 · 3^-k after success in trial k, 3^-3 after none.
                for step in rows(steps).concat() {
                    let factors = [1.5, 0.5, 1.5 / 9.0, 1.0 / 27.0];
                    let known = factors
                        .iter()
                        .any(|f| (step / (f * first) - 1.0).abs() < 1e-5);
                    assert!(known, "{what}: {first} became {step}");
                }
                problem = moved;
            }
        }
    }
}

#[test]
fn weight_step_never_raises_the_separated_loss() {
    for (activation, weighting) in pairs() {
        let mut problem = Shape::moderate(activation, 12).problem();
        for l in 0..=problem.hidden() {
            let what = format!("{activation}, {weighting:?}, stage {l}");
            let before_weights = problem.library_weights(weighting);
            let block = problem.weight_block(l, weighting, &before_weights);
            let mut network = problem.network();
            for first in [1e2, 1.0, 1e-3] {
                let before = problem.separated_mean(&problem.library_weights(weighting));
                let step = gram_step(GRAM_STEP, network.stage_mut(l), &block, first);
                // Far from a minimum some length is accepted.
                assert!(
                    step.accepted.is_some() && step.after < step.before,
                    "{what}: {step:?}"
                );
                problem.layers[l] = problem.layers[l].read(&network.stages()[l]);
                let weights = problem.library_weights(weighting);
                let after = problem.separated_mean(&weights);
                let rounding = 2.0 * problem.mean(|n| problem.separated_rounding(n, &weights));
                assert!(after <= before + rounding, "{what}: {before} to {after}");
                // The step reports the change that happened.
                let change = step.after - step.before;
                assert!(
                    (after - before - change).abs() <= 2.0 * rounding,
                    "{what}: {step:?}"
                );
            }
        }
    }
}

#[test]
fn no_weight_step_is_longer_than_allowed() {
    let problem = Shape::moderate(Activation::Sigmoid, 12).problem();
    let weights = problem.library_weights(WEIGHTINGS[0]);
    let block = problem.weight_block(0, WEIGHTINGS[0], &weights);
    let length = |longest: f64, first: f64| {
        let mut network = problem.network();
        let rule = GramStep {
            longest,
            ..GRAM_STEP
        };
        let step = gram_step(rule, network.stage_mut(0), &block, first);
        step.accepted.expect("a short step lowers the loss")
    };
    assert!(
        length(f64::INFINITY, 0.05) > 0.1,
        "this problem wants longer steps than the limit"
    );
    for first in [1e3, 0.05, 0.03] {
        assert!(length(0.1, first) <= 0.1, "from {first}");
    }
}

#[test]
fn restart_never_raises_any_sample_and_changes_only_those_it_lowers() {
    for (activation, weighting) in pairs() {
        let shape = Shape::moderate(activation, 13);
        // Residuals of all sizes: some samples gain by returning, others do not.
        let mut problem = shape.problem();
        for layer in &mut problem.auxiliary {
            let reached = layer.len() as f64;
            for (n, row) in layer.iter_mut().enumerate() {
                row.iter_mut().for_each(|v| *v *= 1.0 + n as f64 / reached);
            }
        }
        let what = format!("{activation}, {weighting:?}");
        let weights = problem.library_weights(weighting);
        let (network, batch) = (problem.network(), problem.batch());
        let values = restart(&network, &weights, None, problem.tensors(), &batch);
        let auxiliary = AuxiliaryStore::from_values(values);
        let moved = problem.at(&Separated { network, auxiliary });
        assert_no_sample_rises(&problem, &moved, &weights, &what);
        let mut returned = 0;
        for n in 0..problem.inputs.len() {
            let changed = (0..2).any(|l| moved.auxiliary[l][n] != problem.auxiliary[l][n]);
            let (old, feasible) = (
                problem.separated(n, &weights),
                weights.head * problem.original(n),
            );
            let rounding = problem.separated_rounding(n, &weights);
            if changed {
                returned += 1;
                // At a feasible point S_n is the cross-entropy alone, up to the rounding of the stored rows.
                let new = moved.separated(n, &weights);
                assert!(
                    (new - feasible).abs() < 1e-4 * feasible.max(1e-2),
                    "{what}, sample {n}"
                );
            } else {
                assert!(
                    feasible >= old - 2.0 * rounding,
                    "{what}: sample {n} should have returned"
                );
            }
        }
        assert!(
            returned > 0,
            "{what}: no sample returned, nothing was tested"
        );
    }
}

#[test]
fn stationary_blocks_come_back_unchanged() {
    for &activation in Activation::CONTINUOUS {
        let problem = Shape::moderate(activation, 17).problem();
        let mut network = problem.network();
        let before = problem.network();
        let (block, weights) = stationary(&before, &problem);
        let first = block.target.clone();
        let steps = Tensor::full([problem.inputs.len(), 1], 0.25, &device());
        let (value, _) = armijo_pass(&block, first.clone(), steps);
        assert_eq!(rows(value), rows(first), "{activation}");

        let step = gram_step(GRAM_STEP, network.stage_mut(1), &weights, 1.0);
        assert_eq!(
            (step.accepted, step.before, step.after),
            (None, 0.0, 0.0),
            "{activation}"
        );
        let after = problem.layers[1].read(&network.stages()[1]);
        assert_eq!(
            after.bordered(),
            problem.layers[1].bordered(),
            "{activation}"
        );
    }
}

/// Hundreds of passes at rest must not spoil the step sizes for the time when the weights move on.
#[test]
fn auxiliary_variables_move_again_after_a_long_rest() {
    let problem = Shape::moderate(Activation::Tanh, 18).problem();
    let network = problem.network();
    let weights = problem.library_weights(WEIGHTINGS[0]);
    let mut block = problem.block(0, &network, &weights);
    let awake = block.next_loss.clone();
    let value = block.target.clone();
    block.next_loss = OutputLoss::Residual {
        target: block.next.forward(value.clone()),
        omega: 1.0,
    };
    let mut steps = Tensor::full([problem.inputs.len(), 1], 0.25, &device());
    for _ in 0..400 {
        (_, steps) = armijo_pass(&block, value.clone(), steps);
    }
    block.next_loss = awake;
    let mut moved = value.clone();
    for _ in 0..20 {
        (moved, steps) = armijo_pass(&block, moved, steps);
    }
    assert_ne!(rows(moved), rows(value));
}
