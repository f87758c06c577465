//! The bounds and the descent laws on mixed networks: dense, convolution with stride, padding and pooling, residual.
//!
//! `LAYERSEP_PROPTEST_CASES` sets the number of random cases of each property.

mod common;

use burn::module::Module;
use burn::tensor::Tensor;
use common::differences::{GRAM_STEP, gram_step, line_search};
use common::mixed::{MixedShape, moderate, output_shape, shapes};
use common::reference::{EPSILON, Problem, ROUNDING_OF_BOUNDS, reach};
use common::sweeps::{Values, sweep};
use common::{Shape, cases, device, image, pairs, rows, tensor};
use ls_core::auxiliary::AuxiliaryStore;
use ls_core::linalg::Norm;
use ls_core::method::{Alternating, AlternatingConfig, Method, Separated};
use ls_core::model::{ModelConfig, StagesConfig};
use ls_core::objective::{Weighting, Weights, measure};
use ls_core::shards::Shards;
use ls_core::stage::{Activation, Init};
use ls_core::update::{armijo_pass, restart};
use proptest::prelude::*;
use proptest::sample::select;

proptest! {
    #![proptest_config(cases(1000))]

    /// The allowance is derived as in `bounds.rs`: rounding of a stage is one more residual, so the certificate itself says
    /// how far the f32 logits of the plain and of the separated forward pass can be off.
    #[test]
    fn certificate_of_mixed_networks_lies_between_original_and_separated_loss(
        shape in shapes(1..=3, 1..=4, -2.0..1.0),
        norm in select(vec![Norm::Frequency, Norm::Spectral, Norm::Frobenius]),
        eta in 0.05..10.0_f64,
    ) {
        let problem = shape.problem();
        let weights = problem.library_weights(Weighting::SelfAdaptive { norm, eta });
        let model = problem.model();
        let found = measure(&model.network, Some((&model.auxiliary, &weights)), &problem.batch());
        let found = found.unwrap();
        let figures = found.separated.unwrap();
        let (original, separated) = (found.original_loss_mean, figures.separated_loss_mean);
        let certificate = figures.certificate_mean.unwrap();
        let growth = weights.growth.as_ref().unwrap();

        prop_assert!(separated >= certificate * (1.0 - ROUNDING_OF_BOUNDS), "S {separated} < C {certificate}");
        let at = |n: usize, d: f64| reach(problem.head_loss(n), problem.distance(n, growth) + d);
        let roundings: Vec<[f64; 2]> = (0..problem.inputs.len())
            .map(|n| problem.distance_roundings(n, growth))
            .collect();
        let up = problem.mean(|n| at(n, roundings[n][0]));
        let down = problem.mean(|n| at(n, -roundings[n][1]));
        let exact = problem.certificate_mean(growth);
        let digits = 16.0 * EPSILON;
        let allowance = up - down + digits * exact;
        prop_assert!(original <= certificate + allowance, "F {original} > C {certificate} + {allowance}");
        // In exact arithmetic the bound holds without any allowance.
        let exact_original = problem.original_mean();
        prop_assert!(exact_original <= exact * (1.0 + 1e-12), "{exact_original} > {exact}");
        // The growth factors are those of the formulas, never below them, and within 2 % for these sizes; frequencies only
        // lower them.
        for (found, least) in growth.iter().zip(problem.weights(norm, eta).growth.unwrap()) {
            let below = *found < least * (1.0 - 1e-12);
            prop_assert!(norm == Norm::Frequency || !below, "growth {found} < {least}");
            prop_assert!(*found <= least * 1.02, "growth {found} > {least}");
        }
        // The library's figures are those of the reference.
        let expected = problem.separated_mean(&weights);
        let rounding = problem.mean(|n| problem.separated_rounding(n, &weights));
        prop_assert!((separated - expected).abs() <= rounding, "S {separated}, {expected}");
        let spread = problem.mean(|n| {
            let loss = problem.original(n);
            reach(loss, roundings[n][0]) - reach(loss, -roundings[n][0]) + digits * loss
        });
        prop_assert!((original - exact_original).abs() <= spread, "F {original}, {exact_original}");
    }

    #[test]
    fn layout_foretells_the_shapes_and_sizes_of_the_network(shape in shapes(1..=3, 1..=4, -2.0..1.0)) {
        let stages = shape.configs();
        let config = ModelConfig::Stages(StagesConfig { init: Init::Kaiming, stages: stages.clone() });
        let input = image(shape.input);
        let layout = config.layout(input, shape.classes).unwrap();
        let network = config.init(input, shape.classes, shape.seed, &device()).unwrap();
        prop_assert_eq!(layout.len(), stages.len() + 1);
        let mut reached = input;
        for (l, (stage, layout)) in network.stages().iter().zip(&layout).enumerate() {
            prop_assert_eq!(stage.input_shape().features(), reached.features());
            prop_assert_eq!(stage.output_shape(), layout.output);
            prop_assert_eq!(stage.num_params(), layout.parameters);
            if let Some(config) = stages.get(l) {
                reached = output_shape(config, reached);
                prop_assert_eq!(layout.output, reached);
            }
        }
    }
}

fn problems() -> impl Iterator<Item = (Problem, Weighting, String)> {
    pairs().flat_map(|(activation, weighting)| {
        moderate(activation, 31)
            .into_iter()
            .enumerate()
            .map(move |(k, shape)| {
                let what = format!("{activation}, {weighting:?}, network {k}");
                (shape.problem(), weighting, what)
            })
    })
}

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
fn auxiliary_passes_and_restarts_never_raise_any_sample_of_a_mixed_network() {
    for (mut problem, weighting, what) in problems() {
        let weights = problem.library_weights(weighting);
        let network = problem.network();
        for l in (0..problem.hidden()).rev() {
            let block = problem.block(l, &network, &weights);
            let steps = Tensor::full([problem.inputs.len(), 1], 0.25, &device());
            let (value, _) = armijo_pass(&block, tensor(&problem.auxiliary[l]), steps);
            let mut moved = problem.clone();
            moved.auxiliary[l] = rows(value);
            assert_no_sample_rises(&problem, &moved, &weights, &what);
            let fall = problem.separated_mean(&weights) - moved.separated_mean(&weights);
            assert!(fall > 0.0, "{what}: a_{} did not move", l + 1);
            problem = moved;
        }
        // Residuals of all sizes: some samples gain by returning, others do not.
        for (n, row) in problem.auxiliary[0].iter_mut().enumerate() {
            row.iter_mut().for_each(|v| *v *= 1.0 + n as f64);
        }
        let values = restart(
            &network,
            &weights,
            None,
            problem.tensors(),
            &problem.batch(),
        );
        let auxiliary = AuxiliaryStore::from_values(values);
        let moved = problem.at(&Separated { network, auxiliary });
        assert_no_sample_rises(&problem, &moved, &weights, &what);
        assert_ne!(
            moved.auxiliary, problem.auxiliary,
            "{what}: nothing returned"
        );
    }
}

#[test]
fn weight_step_never_raises_the_separated_loss_of_a_mixed_network() {
    for (mut problem, weighting, what) in problems() {
        for l in 0..=problem.hidden() {
            let weights = problem.library_weights(weighting);
            let before = problem.separated_mean(&weights);
            let block = problem.weight_block(l, weighting, &weights);
            let mut network = problem.network();
            let step = gram_step(GRAM_STEP, network.stage_mut(l), &block, 1.0);
            // Far from a minimum some length is accepted.
            assert!(step.accepted.is_some(), "{what}, stage {l}: {step:?}");
            problem.layers[l] = problem.layers[l].read(&network.stages()[l]);
            let weights = problem.library_weights(weighting);
            let after = problem.separated_mean(&weights);
            let rounding = 2.0 * problem.mean(|n| problem.separated_rounding(n, &weights));
            assert!(
                after <= before + rounding,
                "{what}, stage {l}: {before} to {after}"
            );
            // What the step reports is what happened.
            let change = step.after - step.before;
            let error = (after - before - change).abs();
            assert!(
                error <= 2.0 * rounding,
                "{what}, stage {l}: {step:?}, {before} to {after}"
            );
        }
    }
}

#[test]
fn eight_sweeps_over_a_mixed_network_never_raise_the_separated_loss() {
    for (problem, weighting, what) in problems() {
        let (mut model, batch) = (problem.model(), problem.batch());
        let config = line_search(weighting, 2, true);
        let mut method = Alternating::new(config, &model.network, &batch).unwrap();
        let first = problem.separated_mean(&problem.library_weights(weighting));
        let mut last = first;
        for sweep in 0..8 {
            method.sweep(&mut model, &batch).unwrap();
            let now = problem.at(&model);
            let weights = method.weights(&model.network).unwrap().unwrap();
            let separated = now.separated_mean(&weights);
            let rounding = now.mean(|n| now.separated_rounding(n, &weights));
            // Each of the 4 · 2 weight steps, 3 auxiliary blocks and the restart may err by the rounding at its place.
            assert!(
                separated <= last + 12.0 * rounding,
                "{what}, sweep {sweep}: {last} to {separated}"
            );
            last = separated;
            let measured = method.measure(&mut model, &batch).unwrap();
            let figures = measured.separated.unwrap();
            let certificate = figures.certificate_mean.unwrap();
            let digits = 16.0 * EPSILON * certificate;
            assert!(
                measured.original_loss_mean <= certificate + digits,
                "{what}: F above C"
            );
            if let Weighting::SelfAdaptive { .. } = weighting {
                let separated = figures.separated_loss_mean;
                assert!(
                    certificate <= separated * (1.0 + ROUNDING_OF_BOUNDS),
                    "{what}: C above S"
                );
            }
        }
        assert!(last < 0.8 * first, "{what}: no progress, {first} to {last}");
    }
}

/// In full batch and in batches; parts hold 256 samples, so that there are three of the split and two of a batch.
#[test]
fn variables_in_shards_give_the_same_bits() {
    let dense = Shape {
        samples: 600,
        ..Shape::moderate(Activation::Silu, 51)
    };
    let images = moderate(Activation::Tanh, 52).map(|shape| {
        let shape = MixedShape {
            samples: 600,
            ..shape
        };
        shape.problem()
    });
    for (i, problem) in [&[dense.problem()], &images[..]]
        .concat()
        .iter()
        .enumerate()
    {
        for (size, relaxation) in [(None, 1.0), (None, 3.0), (Some(300), 1.0)] {
            let config = AlternatingConfig {
                relaxation,
                auxiliary_passes: 2,
                ..AlternatingConfig::default()
            };
            let shards = Shards::new(vec![device(); 3], vec![1, 3, 1]).unwrap();
            let [plain, shared] = [problem.batch(), problem.batch().sharded(shards)].map(|split| {
                let mut model = problem.model();
                let mut method = Alternating::new(config.clone(), &model.network, &split).unwrap();
                let found = (0..3).map(|_| {
                    let figures = sweep(&mut method, &mut model, &split, size);
                    (figures, method.measure(&mut model, &split).unwrap())
                });
                let found: Vec<_> = found.collect();
                (found, Values::read(&model))
            });
            assert!(
                plain == shared,
                "network {i}, batches of {size:?}, {relaxation}"
            );
        }
    }
}
