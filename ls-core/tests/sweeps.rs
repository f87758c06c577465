//! What whole sweeps promise, for all activations and all kinds of weights.

mod common;

use common::differences::line_search;
use common::reference::{EPSILON, Layer, Matrix, Problem, ROUNDING_OF_BOUNDS, map};
use common::report::Report;
use common::{Shape, WEIGHTINGS, device, pairs, rows};
use ls_core::batch::Selection;
use ls_core::method::{
    Alternating, AlternatingConfig, Method, Objective, OptimizerName, Separated,
};
use ls_core::model::MlpConfig;
use ls_core::objective::Weighting;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Init};

fn searched(model: &Separated, problem: &Problem, weighting: Weighting) -> Alternating {
    let config = line_search(weighting, 2, true);
    Alternating::new(config, &model.network, &problem.batch()).unwrap()
}

#[test]
fn fifteen_sweeps_never_raise_the_separated_loss_and_keep_the_certificate_between() {
    for (activation, weighting) in pairs() {
        let what = format!("{activation}, {weighting:?}");
        let problem = Shape::moderate(activation, 14).problem();
        let (mut model, batch) = (problem.model(), problem.batch());
        let mut method = searched(&model, &problem, weighting);
        assert_eq!(method.objective(), Objective::SEPARATED.descending());
        let first = problem.separated_mean(&problem.library_weights(weighting));
        let (mut last, mut last_reported) = (first, f64::INFINITY);
        for sweep in 0..15 {
            let counts = method.sweep(&mut model, &batch).unwrap();
            assert_eq!(
                counts.accepted() + counts.rejected(),
                6,
                "three stages, twice"
            );
            let now = problem.at(&model);
            let weights = method.weights(&model.network).unwrap().unwrap();
            let separated = now.separated_mean(&weights);
            let rounding = now.mean(|n| now.separated_rounding(n, &weights));
            // Each of the 3 · 2 weight steps, 2 auxiliary blocks and the restart may err by the rounding at its place.
            let allowance = 9.0 * rounding;
            assert!(
                separated <= last + allowance,
                "{what}, sweep {sweep}: {last} to {separated}"
            );
            last = separated;

            let measured = method.measure(&mut model, &batch).unwrap();
            let figures = measured.separated.unwrap();
            let certificate = figures.certificate_mean.unwrap();
            // The same law in the library's own f32, where the errors of 24 samples average out: below 1e-6 of S.
            let reported = figures.separated_loss_mean;
            assert!(
                reported <= last_reported * (1.0 + 1e-6),
                "{what}, sweep {sweep}: reports {last_reported}, {reported}"
            );
            last_reported = reported;
            let digits = 16.0 * EPSILON * certificate;
            assert!(
                measured.original_loss_mean <= certificate + digits,
                "{what}: F above C"
            );
            if let Weighting::SelfAdaptive { .. } = weighting {
                assert!(
                    certificate <= figures.separated_loss_mean * (1.0 + ROUNDING_OF_BOUNDS),
                    "{what}: C above S"
                );
            }
            let error = (figures.separated_loss_mean - separated).abs();
            assert!(
                error <= rounding,
                "{what}: reports S with an error of {error}"
            );
        }
        assert!(last < 0.6 * first, "{what}: no progress, {first} to {last}");
    }
}

#[test]
fn mini_batches_touch_their_own_auxiliary_variables_only() {
    let searched = line_search(WEIGHTINGS[0], 2, true);
    let adam = AlternatingConfig {
        learning_rate: Some(1e-3),
        ..searched.clone().with_optimizer(OptimizerName::Adam)
    };
    for config in [searched, adam] {
        let problem = Shape::moderate(Activation::Tanh, 15).problem();
        let (mut model, split) = (problem.model(), problem.batch());
        let mut method = Alternating::new(config, &model.network, &split).unwrap();
        for (block, members) in [vec![20, 3, 11], vec![0, 23, 7, 8]].into_iter().enumerate() {
            let before = problem.at(&model);
            method
                .sweep(&mut model, &split.pick(block, &members))
                .unwrap();
            let after = problem.at(&model);
            assert_ne!(after.layers[0].kernel, before.layers[0].kernel);
            for l in 0..problem.hidden() {
                for n in 0..problem.inputs.len() {
                    let same = after.auxiliary[l][n] == before.auxiliary[l][n];
                    assert_eq!(same, !members.contains(&n), "stage {l}, sample {n}");
                }
            }
        }
    }
}

/// A mini-batch is a problem of its own: the law of the full batch holds for the samples in it.
#[test]
fn mini_batch_sweep_never_raises_the_separated_loss_of_its_own_samples() {
    for weighting in WEIGHTINGS {
        let problem = Shape::moderate(Activation::Silu, 16).problem();
        let (mut model, split) = (problem.model(), problem.batch());
        let mut method = searched(&model, &problem, weighting);
        let members = [2, 3, 5, 7, 11, 13, 17, 19];
        let mean = |model: &Separated| {
            let now = problem.at(model);
            let weights = now.library_weights(weighting);
            members
                .iter()
                .map(|&n| now.separated(n, &weights))
                .sum::<f64>()
                / 8.0
        };
        for _ in 0..5 {
            let before = mean(&model);
            method.sweep(&mut model, &split.pick(0, &members)).unwrap();
            // Far from a minimum: the decrease is much larger than any rounding.
            assert!(mean(&model) < before, "{weighting:?}");
        }
    }
}

/// A head that starts at zero leaves all residuals without weight; the sweep must get out of there.
#[test]
fn a_network_with_a_zero_head_trains() {
    for weighting in WEIGHTINGS {
        let mut problem = Shape::moderate(Activation::Tanh, 20).problem();
        problem.layers[2].kernel = map(&problem.layers[2].kernel, |_| 0.0);
        let (network, batch) = (problem.network(), problem.batch());
        let mut model = Separated::feasible(network, &batch);
        let mut method = searched(&model, &problem, weighting);
        let before = method
            .measure(&mut model, &batch)
            .unwrap()
            .original_loss_mean;
        for _ in 0..15 {
            method.sweep(&mut model, &batch).unwrap();
        }
        let after = method
            .measure(&mut model, &batch)
            .unwrap()
            .separated
            .unwrap();
        let head = method.weights(&model.network).unwrap().unwrap().head;
        let after = after.separated_loss_mean / head;
        assert!(after < 0.9 * before, "{weighting:?}: {before} to {after}");
    }
}

#[test]
fn the_same_seed_gives_the_same_network_and_another_seed_another() {
    for &init in Init::ALL {
        let config = MlpConfig {
            init,
            ..MlpConfig::new(vec![6, 5], Activation::Relu)
        };
        let kernels = |seed| -> Vec<Matrix> {
            let network = config
                .init(FeatureShape::Flat(4), 3, seed, &device())
                .unwrap();
            let kernel = |l: usize| network.stages()[l].affine().unwrap().coefficients().kernel;
            (0..3).map(|l| rows(kernel(l))).collect()
        };
        assert_eq!(kernels(7), kernels(7), "{init:?}");
        for (one, other) in kernels(7).into_iter().zip(kernels(8)) {
            assert_ne!(one, other, "{init:?}");
        }
    }
}

#[test]
fn two_identical_runs_agree_bit_for_bit() {
    for (activation, weighting) in pairs() {
        let run = || {
            let problem = Shape::moderate(activation, 19).problem();
            let (mut model, split) = (problem.model(), problem.batch());
            let mut method = searched(&model, &problem, weighting);
            for block in 0..4 {
                let members: Vec<usize> = (0..24).filter(|n| n % 2 == block % 2).collect();
                method
                    .sweep(&mut model, &split.pick(block % 2, &members))
                    .unwrap();
            }
            let auxiliary = model.auxiliary.gather(&Selection::All);
            let layers = problem.at(&model).layers;
            let coefficients: Vec<Matrix> = layers.iter().map(Layer::bordered).collect();
            (
                coefficients,
                auxiliary.into_iter().map(rows).collect::<Vec<_>>(),
            )
        };
        assert_eq!(run(), run(), "{activation}, {weighting:?}");
    }
}

/// Longer displacements go beyond what lowers the separated loss; the restart that ends a sweep returns samples to the feasible point where
/// that is lower.
#[test]
fn over_relaxed_sweeps_promise_no_descent_and_end_between_the_original_loss_and_its_multiple() {
    let weighting = WEIGHTINGS[0];
    let Weighting::SelfAdaptive { eta, .. } = weighting else {
        panic!("the bounds belong to self-adaptive weights");
    };
    for relaxation in [3.0, 100.0] {
        for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            let what = format!("{activation}, {relaxation}");
            let problem = Shape::moderate(activation, 15).problem();
            let batch = problem.batch();
            let mut model = Separated::feasible(problem.network(), &batch);
            let config = AlternatingConfig {
                weighting,
                relaxation,
                ..AlternatingConfig::default()
            };
            let mut method = Alternating::new(config, &model.network, &batch).unwrap();
            assert_eq!(method.objective(), Objective::SEPARATED);
            let first = method
                .measure(&mut model, &batch)
                .unwrap()
                .original_loss_mean;
            let mut original = first;
            for sweep in 0..10 {
                method.sweep(&mut model, &batch).unwrap();
                let measured = method.measure(&mut model, &batch).unwrap();
                original = measured.original_loss_mean;
                let figures = measured.separated.unwrap();
                let (certificate, separated) = (
                    figures.certificate_mean.unwrap(),
                    figures.separated_loss_mean,
                );
                let digits = 1.0 + 16.0 * EPSILON;
                let holds = original <= certificate * digits
                    && certificate <= separated * digits
                    && separated <= (1.0 + eta) * original * digits;
                assert!(
                    holds,
                    "{what}, sweep {sweep}: {original} {certificate} {separated}"
                );
            }
            assert!(original < first, "{what}: {first} to {original}");
        }
    }
}
