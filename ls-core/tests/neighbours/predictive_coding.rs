//! Predictive coding with short steps of inference: the direction of backpropagation.

use ls_core::method::{InferredVariables, OptimizerName, PredictiveCodingConfig};
use ls_core::stage::Activation;

use crate::common::reference::Problem;
use crate::common::sweeps::Values;
use crate::common::{Shape, mixed};
use crate::{gradient, start};

/// What one sweep takes off the parameters, divided by the rate of plain gradient descent.
fn step(problem: &Problem, config: PredictiveCodingConfig) -> Vec<Vec<f64>> {
    let rate = 1e-1;
    let config = PredictiveCodingConfig {
        optimizer: OptimizerName::Gd.into(),
        learning_rate: Some(rate),
        ..config
    };
    let (network, batch) = (problem.network(), problem.batch());
    let (mut model, mut method) = start(&config.into(), &network, &batch).unwrap();
    let before = Values::read(&model.network).0;
    method.sweep(&mut model, &batch).unwrap();
    let after = Values::read(&model.network).0;
    let pairs = before.iter().zip(&after);
    pairs
        .map(|(before, after)| {
            let pairs = before.iter().zip(after);
            pairs
                .map(|(before, after)| (before - after) / rate)
                .collect()
        })
        .collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// `cos ∠(v, w)`.
fn cosine(v: &[f64], w: &[f64]) -> f64 {
    v.iter().zip(w).map(|(v, w)| v * w).sum::<f64>() / (norm(v) * norm(w))
}

fn problems() -> Vec<Problem> {
    let images = mixed::moderate(Activation::Tanh, 5).map(|shape| shape.problem());
    let dense = [Activation::Tanh, Activation::Silu];
    let dense = dense.map(|activation| Shape::moderate(activation, 14).problem());
    images.into_iter().chain(dense).collect()
}

#[test]
fn one_short_step_on_the_errors_gives_backpropagation_times_its_length() {
    let length = 0.002;
    for problem in problems() {
        let found = step(
            &problem,
            PredictiveCodingConfig {
                inference_steps: Some(1),
                inference_rate: Some(length),
                ..PredictiveCodingConfig::default()
            },
        );
        let expected = gradient(&problem.network(), &problem.batch());
        let head = found.len() - 2;
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let factor = if i < head { length } else { 1.0 };
            // Terms of second order in the length, and differences of f32 weights over the rate.
            let ratio = norm(found) / (factor * norm(expected));
            assert!((ratio - 1.0).abs() < 0.05, "parameter {i}: {ratio}");
            let cosine = cosine(found, expected);
            assert!(
                cosine > 0.999,
                "parameter {i}: {cosine} {found:?} {expected:?}"
            );
        }
    }
}

#[test]
fn short_steps_on_the_activations_give_the_direction_of_backpropagation_at_every_stage() {
    for problem in problems() {
        let found = step(
            &problem,
            PredictiveCodingConfig {
                variables: InferredVariables::Activations,
                inference_steps: Some(problem.hidden()),
                inference_rate: Some(0.05),
                ..PredictiveCodingConfig::default()
            },
        );
        // The head sees variables that have moved noticeably; its limit is that of the other form.
        let hidden = 2 * problem.hidden();
        let pairs = found
            .iter()
            .zip(gradient(&problem.network(), &problem.batch()));
        for (i, (found, expected)) in pairs.enumerate().take(hidden) {
            // The first of three stages has moved by about 0.05³, of which f32 keeps three digits.
            let cosine = cosine(found, &expected);
            assert!(cosine > 0.98, "parameter {i}: {cosine}");
        }
    }
}
