//! Points where nothing can move, losses of zero, steps and numbers out of range.

use super::*;

fn zero(matrix: &mut Matrix) {
    matrix.iter_mut().flatten().for_each(|v| *v = 0.0);
}

#[track_caller]
fn assert_nothing_moves(problem: &Problem, config: ExactConfig, sweeps: usize, what: &str) {
    let mut run = Run::new(problem.clone(), config);
    for sweep in 0..sweeps {
        let report = run.sweep();
        assert_eq!(report.accepted(), 0, "{what}, sweep {sweep}: {report:?}");
        assert!(
            report.rejected() > 0 && report.candidate().is_none(),
            "{what}"
        );
    }
    assert!(same(problem, &run.problem()), "{what}: moved");
}

/// With equal inputs, no head and balanced classes the gradient vanishes at all stages: for two and four classes in f32,
/// too, for three up to rounding.
#[test]
fn a_stationary_point_is_left_alone() {
    for (activation, classes) in Activation::CONTINUOUS.iter().copied().zip((2..=4).cycle()) {
        let mut shape = Shape::moderate(activation, 37);
        shape.samples = 12;
        shape.widths[3] = classes;
        let mut problem = shape.problem();
        zero(&mut problem.inputs);
        zero(&mut problem.layers[2].kernel);
        problem.layers[2].bias.fill(0.0);
        problem.labels = (0..12).map(|n| n % classes).collect();
        let what = format!("{activation}, {classes} classes");
        assert_nothing_moves(&problem, ExactConfig::default(), 2, &what);
        // Each sweep without a decrease shrinks `τ` by many orders of magnitude: down to nothing here.
        let config = ExactConfig {
            scaling: Some(Scaling::Rms),
            ..ExactConfig::default()
        };
        let sweeps = if classes == 3 { 30 } else { 2 };
        assert_nothing_moves(&problem, config, sweeps, &what);
    }
}

/// Behind a head of zeros no gradient reaches the hidden stages: they stand still for a sweep, whatever the scaling, and
/// follow once the head has moved.
#[test]
fn a_network_with_a_zero_head_trains() {
    for (activation, scaling) in Activation::CONTINUOUS.iter().flat_map(|&activation| {
        Scaling::VARIANTS
            .iter()
            .map(move |&scaling| (activation, scaling))
    }) {
        let what = format!("{activation}, {scaling:?}");
        let mut problem = Shape::moderate(activation, 42).problem();
        zero(&mut problem.layers[2].kernel);
        let config = ExactConfig {
            scaling: Some(scaling),
            ..ExactConfig::default()
        };
        let mut run = Run::new(problem.clone(), config);
        for sweep in 0..2 {
            assert_eq!(run.sweep().accepted(), 1, "{what}, sweep {sweep}");
            let hidden = &run.problem().layers[0].kernel;
            let still = *hidden == problem.layers[0].kernel;
            assert_eq!(still, sweep == 0, "{what}, sweep {sweep}");
        }
    }
}

/// Margins of 200 leave cross-entropies of `e^{-200}`, which f32 holds as 0: nothing is lower.
#[test]
fn a_loss_of_zero_is_left_alone() {
    let mut problem = Shape::moderate(Activation::Tanh, 38).problem();
    zero(&mut problem.layers[2].kernel);
    problem.layers[2].bias = vec![200.0, 0.0, 0.0, 0.0];
    problem.labels = vec![0; 24];
    assert_nothing_moves(&problem, ExactConfig::default(), 3, "certain of the truth");
}

/// Steps a million times too long: the leading form gives up after 6 trials and the other after 2, so that an accepted step
/// after more was found by the last resort.
#[test]
fn where_all_long_steps_fail_a_short_one_of_the_descent_form_is_found() {
    for (activation, scaling) in Activation::CONTINUOUS
        .iter()
        .copied()
        .zip(Scaling::VARIANTS.iter().copied().cycle())
    {
        let config = ExactConfig {
            step: Some(1e6),
            scaling: Some(scaling),
            ..ExactConfig::default()
        };
        let mut run = Run::new(Shape::moderate(activation, 41).problem(), config);
        let before = run.state();
        let report = run.sweep();
        let after = run.state();
        assert!(report.rejected() >= 8, "{activation}: {report:?}");
        let candidate = report.candidate().expect("an accepted step");
        assert_eq!(candidate.form, Form::Descent, "{activation}");
        // 1e-5 is what counts as a decrease.
        let fall = 1.0 - after.exact / before.exact;
        assert!(fall > 0.9e-5, "{activation}: {report:?} lowers F by {fall}");
    }
}

#[test]
fn what_is_not_finite_is_never_accepted() {
    let bad = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        3e38,
        -3e38,
        1e30,
    ];
    for &activation in Activation::CONTINUOUS {
        for value in bad {
            let spoilt: [fn(&mut Problem) -> &mut f64; 4] = [
                |problem| &mut problem.inputs[3][1],
                |problem| &mut problem.layers[0].kernel[0][0],
                |problem| &mut problem.layers[1].bias[2],
                |problem| &mut problem.layers[2].kernel[1][1],
            ];
            for (place, spoil) in spoilt.into_iter().enumerate() {
                for storage in [Storage::Stored, Storage::Recomputed] {
                    let what = format!("{activation}, {value} at {place}");
                    let mut problem = Shape::moderate(activation, 39).problem();
                    *spoil(&mut problem) = value;
                    let config = ExactConfig {
                        storage,
                        ..ExactConfig::default()
                    };
                    let mut run = Run::new(problem, config);
                    for _ in 0..3 {
                        let before = run.problem();
                        let report = run.sweep();
                        let after = run.problem();
                        if report.accepted() == 0 {
                            assert!(same(&before, &after), "{what}: moved");
                        }
                        let weights = |problem: &Problem| -> Vec<f64> {
                            let layers = problem.layers.iter().flat_map(Layer::bordered);
                            layers.flatten().collect()
                        };
                        for (old, new) in weights(&before).into_iter().zip(weights(&after)) {
                            assert!(!old.is_finite() || new.is_finite(), "{what}: {report:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn impossible_settings_are_refused_by_name_and_value() {
    let network = Shape::moderate(Activation::Tanh, 40).problem().network();
    let base = ExactConfig::default;
    let step = |step| {
        (
            "step",
            step,
            ExactConfig {
                step: Some(step),
                ..base()
            },
        )
    };
    let damping = |damping| {
        let config = ExactConfig {
            damping: Some(damping),
            ..base()
        };
        ("damping", damping, config)
    };
    let chunk = ExactConfig {
        chunk: Some(0),
        ..base()
    };
    let gram_rows = ExactConfig {
        gram_rows: 0,
        ..base()
    };
    let eta = ExactConfig {
        weighting: ReportWeighting(Weighting::SelfAdaptive {
            norm: Norm::Frobenius,
            eta: 0.0,
        }),
        ..base()
    };
    let impossible = [
        step(0.0),
        step(-1.0),
        step(f64::NAN),
        step(1e9),
        step(f64::INFINITY),
        damping(0.0),
        damping(-0.1),
        damping(9e-10),
        damping(2e6),
        damping(f64::NAN),
        ("chunk", 0.0, chunk),
        ("gram-rows", 0.0, gram_rows),
        ("eta", 0.0, eta),
    ];
    for (name, given, config) in impossible {
        match Exact::new(config, &network).map(|_| "accepted") {
            Err(Error::InvalidConfig { field, value, .. }) => {
                assert_eq!(field, name);
                assert_eq!(value.to_bits(), given.to_bits(), "{name}");
            }
            other => panic!("{name} = {given}: {other:?}"),
        }
    }
    for (_, _, config) in [step(1e8), step(1e-300), damping(1e-9), damping(1e6)] {
        assert!(Exact::new(config, &network).is_ok(), "{config:?}");
    }
}
