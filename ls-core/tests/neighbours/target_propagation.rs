//! Difference target propagation: what the difference guarantees.

use ls_core::method::TargetPropagationConfig;
use ls_core::stage::Activation;

use crate::common::Shape;
use crate::common::sweeps::Values;
use crate::start;

/// Without a step of the last target the difference leaves every target at its output, however poor the inverses are: hidden stages stay.
#[test]
fn without_a_step_of_the_last_target_hidden_stages_stay() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let batch = problem.batch();
    let move_by = |target_step: f64| {
        let config = TargetPropagationConfig {
            target_step,
            ..TargetPropagationConfig::default()
        };
        let (mut model, mut method) = start(&config.into(), &problem.network(), &batch).unwrap();
        let before = Values::read(&model.network).0;
        method.sweep(&mut model, &batch).unwrap();
        let after = Values::read(&model.network).0;
        let moved = |i: usize| {
            let pairs = before[i].iter().zip(&after[i]);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        [moved(0), moved(2), moved(4)]
    };
    let [first, second, head] = move_by(1e-12);
    // Differences of two f32 evaluations of one number are zero, or their rounding; the usual step is thousands of times as long.
    assert!(first < 1e-6 && second < 1e-6, "{first} {second}");
    assert!(head > 1e-3, "{head}");
    let [first, second, _] = move_by(10.0);
    assert!(first > 1e-5 && second > 1e-5, "{first} {second}");
}

#[test]
fn inverses_learn_to_reconstruct() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let batch = problem.batch();
    let config = TargetPropagationConfig {
        noise: 0.1,
        ..TargetPropagationConfig::default()
    };
    let (mut model, mut method) = start(&config.into(), &problem.network(), &batch).unwrap();
    let error = method.figures()[0];
    let mut errors = Vec::new();
    for _ in 0..60 {
        let figures = method.sweep(&mut model, &batch).unwrap();
        errors.push(figures.number(&error).unwrap());
    }
    // Six outputs of seven lose a direction, and the noise of every batch is another.
    assert!(errors[59] < 0.5 * errors[0], "{} {}", errors[0], errors[59]);
}
