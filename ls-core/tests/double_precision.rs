//! The laws in f64: with sixteen digits the library's figures must be those of the f64 reference, and what never rises does not rise by
//! more than f64 rounds. The device keeps one precision for a process, so that these tests have a file of their own.

mod common;

use std::sync::LazyLock;

use burn::tensor::FloatDType;
use common::differences;
use common::mixed::moderate;
use common::reference::Problem;
use common::{Shape, WEIGHTINGS, assert_close, device, pairs};
use ls_core::method::{Alternating, Exact, ExactConfig, Method};
use ls_core::objective::Weighting;
use ls_core::stage::Activation;

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
    for &activation in Activation::ALL {
        for shape in moderate(activation, 32) {
            agrees(&shape.problem(), WEIGHTINGS[0], &format!("{activation}"));
        }
    }
}

#[track_caller]
fn agrees(problem: &Problem, weighting: Weighting, what: &str) {
    let (model, batch) = (problem.model(), problem.batch());
    let method = line_search(problem, weighting);
    let measured = method.measure(&model, &batch).unwrap();
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
            let measured = method.measure(&model, &batch).unwrap();
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
    for &activation in Activation::ALL {
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
