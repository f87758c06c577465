//! The controller with models of a loss.

use super::depth::DEEP;
use super::*;
use strum::VariantArray;

/// `F = 1/2 (1 - min(τ, 2 - τ))`-like model: longer steps help up to `best`, and hurt beyond twice that.
fn model(best: f64) -> impl Fn(Candidate) -> f64 {
    move |candidate| {
        let t = candidate.step / best;
        1.0 - 0.5 * t * (2.0 - t)
    }
}

#[test]
fn only_decreases_are_accepted_and_the_step_finds_its_size() {
    for best in [1e-6, 1.0, 1e4] {
        let loss = model(best);
        let mut controller = Controller::new(Fixed::default(), 3);
        let mut last = None;
        for _ in 0..60 {
            let accepted = controller
                .sweep(1.0, |candidate| Ok(loss(candidate)))
                .unwrap();
            if let Some(accepted) = accepted {
                assert!(accepted.loss < 1.0);
                last = Some(accepted.candidate.step);
            }
        }
        let step = last.unwrap();
        assert!(step < 2.0 * best && step > 0.1 * best, "{step} for {best}");
    }
}

#[test]
fn a_point_without_decrease_is_left_alone() {
    for loss in [1.0, 1.0 - 1e-7, f64::NAN, f64::INFINITY] {
        let mut controller = Controller::new(Fixed::default(), 3);
        assert_eq!(controller.sweep(1.0, |_| Ok(loss)).unwrap(), None);
    }
}

#[test]
fn fixed_values_are_kept() {
    let fixed = Fixed {
        step: Some(0.5),
        damping: Some(0.1),
        scaling: Some(Scaling::None),
        ..Fixed::default()
    };
    let mut controller = Controller::new(fixed, 3);
    for i in 0..5 {
        // A rejection shortens the step within its sweep only.
        if i == 2 {
            let short = |candidate: Candidate| if candidate.step < 0.1 { 0.9 } else { 2.0 };
            controller
                .sweep(1.0, |candidate| Ok(short(candidate)))
                .unwrap();
            continue;
        }
        let accepted = controller.sweep(1.0, |_| Ok(0.99)).unwrap().unwrap();
        let Candidate { step, damping, .. } = accepted.candidate;
        assert_eq!((step, damping), (0.5, 0.1));
        assert_eq!(accepted.candidate.scaling, Scaling::None);
    }
}

#[test]
fn a_better_arm_takes_the_lead_when_the_leader_is_slow() {
    let mut controller = Controller::new(Fixed::default(), 3);
    let loss = |candidate: Candidate| match (candidate.form, candidate.scaling) {
        (Form::Corrected, Scaling::Norm) => 0.5,
        _ => 0.99,
    };
    for _ in 0..2 {
        let accepted = controller
            .sweep(1.0, |candidate| Ok(loss(candidate)))
            .unwrap();
        assert_eq!(accepted.unwrap().candidate.scaling, Scaling::Norm);
    }
    // In the lead and fast, it needs one trial.
    let mut trials = 0;
    let count = |candidate| {
        trials += 1;
        Ok(loss(candidate))
    };
    controller.sweep(1.0, count).unwrap();
    assert_eq!(trials, 1);
}

/// One sweep from a loss of 1 with the candidates that it tried.
fn sweep(
    controller: &mut Controller,
    loss: impl Fn(Candidate) -> f64,
) -> (Option<Accepted>, Vec<Candidate>) {
    let mut tried = Vec::new();
    let trial = |candidate| {
        tried.push(candidate);
        Ok(loss(candidate))
    };
    let accepted = controller.sweep(1.0, trial).unwrap();
    (accepted, tried)
}

#[test]
fn equal_losses_are_no_decrease_even_where_no_number_is_less_or_more() {
    for loss in [0.0, f64::INFINITY] {
        let mut controller = Controller::new(Fixed::default(), 3);
        assert_eq!(controller.sweep(loss, |_| Ok(loss)).unwrap(), None);
    }
    let mut controller = Controller::new(Fixed::default(), 3);
    let accepted = controller.sweep(f64::INFINITY, |_| Ok(1.0)).unwrap();
    assert_eq!(accepted.map(|accepted| accepted.loss), Some(1.0));
}

#[test]
fn the_damping_walks_to_where_steps_gain_most_and_stays_within_its_limits() {
    for best in [1e-12, 1e-4, 0.1, 1e9_f64] {
        let [least, most] = DepthPreset::SHALLOW.dampings;
        let goal = best.clamp(least, most);
        let mut controller = Controller::new(Fixed::default(), 3);
        for i in 0..60 {
            let loss = |candidate: Candidate| {
                let distance = (candidate.damping / best).log2();
                // Fast enough at any distance that no other arm is asked.
                (-0.2 - 1.0 / (1.0 + distance * distance)).exp()
            };
            let (accepted, tried) = sweep(&mut controller, loss);
            assert_eq!(tried.len(), 1);
            let damping = accepted.unwrap().candidate.damping;
            assert!((least..=most).contains(&damping));
            // It starts at most 14 factors of two away; the walk turns only after it went one too far.
            let near = damping >= goal / 4.0 && damping <= goal * 4.0;
            assert!(i < 20 || near, "{damping} for {best} in sweep {i}");
        }
    }
}

#[test]
fn both_dampings_walk_in_turn_without_a_trial_more() {
    let with_output = Fixed {
        output_curvature: true,
        ..Fixed::default()
    };
    let DepthPreset {
        dampings,
        output_dampings,
        ..
    } = DepthPreset::SHALLOW;
    for (best, best_output) in [
        (dampings[0], output_dampings[1]),
        (dampings[1], output_dampings[0]),
    ] {
        let mut controller = Controller::new(with_output, 3);
        for i in 0..60 {
            let loss = |candidate: Candidate| {
                let distance = (candidate.damping / best).log2();
                let output = (candidate.output_damping.unwrap() / best_output).log2();
                (-0.2 - 1.0 / (1.0 + distance * distance + output * output)).exp()
            };
            let (accepted, tried) = sweep(&mut controller, loss);
            assert_eq!(tried.len(), 1);
            let found = accepted.unwrap().candidate;
            let output = found.output_damping.unwrap();
            assert!((output_dampings[0]..=output_dampings[1]).contains(&output));
            // They start seven and two factors of two away, and each has every second sweep.
            let is_near = |found: f64, best: f64| (found / best).log2().abs() <= 2.0;
            let near = is_near(found.damping, best) && is_near(output, best_output);
            assert!(i < 30 || near, "{found:?} in sweep {i}");
        }
    }
}

#[test]
fn a_damping_that_is_fixed_leaves_every_sweep_to_the_other() {
    let fixed = Fixed {
        damping: Some(0.1),
        output_curvature: true,
        ..Fixed::default()
    };
    let mut controller = Controller::new(fixed, 3);
    let [_, most] = DepthPreset::SHALLOW.output_dampings;
    // Every sweep gains less than the one before, so that the walk turns in each.
    let mut seen = Vec::new();
    for i in 1..=5 {
        let (_, tried) = sweep(&mut controller, |_| (-1.0 / f64::from(i)).exp());
        assert!(tried.iter().all(|candidate| candidate.damping == 0.1));
        seen.push(tried[0].output_damping.unwrap());
    }
    assert_eq!(seen, [most, most, most / 2.0, most, most / 2.0]);
}

#[test]
fn after_a_rejection_the_step_shrinks_and_the_damping_returns_to_what_worked() {
    let mut controller = Controller::new(Fixed::default(), 3);
    let (accepted, _) = sweep(&mut controller, |_| 0.5);
    let worked = accepted.unwrap().candidate;
    // Everything but the damping of the last success fails.
    let loss = |candidate: Candidate| match candidate.damping == worked.damping {
        true => 0.5,
        false => 2.0,
    };
    let (accepted, tried) = sweep(&mut controller, loss);
    let first = Candidate {
        step: worked.step * STEPS.growth,
        damping: (worked.damping * 2.0).min(DepthPreset::SHALLOW.dampings[1]),
        ..worked
    };
    let second = Candidate {
        step: first.step / STEPS.shrink,
        ..worked
    };
    assert_eq!(tried, [first, second]);
    assert_eq!(accepted.unwrap().candidate, second);
    // The next walk goes the other way.
    let (_, tried) = sweep(&mut controller, |_| 0.5);
    assert_eq!(tried[0].damping, worked.damping / 2.0);
}

#[test]
fn arms_that_lose_wait_twice_as_long_each_time() {
    let fixed = Fixed {
        scaling: Some(Scaling::Rms),
        ..Fixed::default()
    };
    let mut controller = Controller::new(fixed, 3);
    let loss = |candidate: Candidate| match candidate.form {
        Form::Corrected => 0.95,
        Form::Descent => 0.99,
    };
    let mut challenges = Vec::new();
    for i in 0..60 {
        let (accepted, tried) = sweep(&mut controller, loss);
        assert_eq!(accepted.unwrap().candidate.form, Form::Corrected);
        if tried.iter().any(|tried| tried.form == Form::Descent) {
            challenges.push(i);
        }
    }
    let waits: Vec<usize> = challenges
        .windows(2)
        .map(|pair| pair[1] - pair[0] - 1)
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 8, 8, 8, 8]);

    // The descent form may win a sweep, but the corrected fits are tried first all the same.
    for _ in 0..2 {
        let loss = |candidate: Candidate| match candidate.form {
            Form::Corrected => 2.0,
            Form::Descent => 0.99,
        };
        let (accepted, tried) = sweep(&mut controller, loss);
        assert_eq!(accepted.unwrap().candidate.form, Form::Descent);
        let first = tried
            .iter()
            .take_while(|tried| tried.form == Form::Corrected);
        assert_eq!((first.count(), tried.len()), (TRIALS, TRIALS + 1));
    }
}

#[test]
fn a_slow_leader_looks_around_and_rests_when_that_did_not_pay() {
    let looks = |tried: &[Candidate]| tried.len() > 1;
    let mut controller = Controller::new(Fixed::default(), 3);
    // All the same everywhere: slow, but not stuck.
    let seen: Vec<bool> = (0..9)
        .map(|_| looks(&sweep(&mut controller, |_| 0.95).1))
        .collect();
    assert_eq!(
        seen,
        [true, false, true, false, false, true, false, false, false]
    );
    // Much less damping is much better, and is found from the same point.
    let mut controller = Controller::new(Fixed::default(), 3);
    let loss = |candidate: Candidate| if candidate.damping < 0.2 { 0.5 } else { 0.99 };
    let (accepted, _) = sweep(&mut controller, loss);
    assert!(accepted.unwrap().candidate.damping < 0.2);
}

#[test]
fn deep_networks_start_with_the_scaling_that_suits_them() {
    for (stages, scaling, damping) in [
        (DEEP[0], Scaling::Rms, 0.6),
        (DEEP[0] + 1, Scaling::Norm, 0.02),
        (DEEP[1] + 1, Scaling::Norm, 0.3),
    ] {
        let mut controller = Controller::new(Fixed::default(), stages);
        let (_, tried) = sweep(&mut controller, |_| 0.1);
        assert_eq!((tried[0].scaling, tried[0].damping), (scaling, damping));
    }
}

#[test]
fn a_sweep_without_decrease_starts_over() {
    let mut controller = Controller::new(Fixed::default(), 3);
    assert_eq!(sweep(&mut controller, |_| 2.0).0, None);
    let (accepted, _) = sweep(&mut controller, |_| 0.5);
    assert_eq!(accepted.unwrap().candidate.step, FIRST_STEP * STEPS.growth);
}

#[test]
fn with_nothing_to_accept_nobody_waits() {
    let arm = |candidate: Candidate| (candidate.form, candidate.scaling);
    let leader = (Form::Corrected, Scaling::Rms);
    for rescue in [
        (Form::Corrected, Scaling::Norm),
        (Form::Descent, Scaling::Rms),
    ] {
        let mut controller = Controller::new(Fixed::default(), 3);
        let loss = |candidate| match arm(candidate) == leader {
            true => 0.95,
            false => 0.99,
        };
        assert!(sweep(&mut controller, loss).1.len() > 1, "all others lose");
        assert_eq!(sweep(&mut controller, loss).1.len(), 1, "and wait");
        let loss = |candidate| match arm(candidate) == rescue {
            true => 0.95,
            false => 2.0,
        };
        let (accepted, _) = sweep(&mut controller, loss);
        assert_eq!(
            accepted.map(|accepted| arm(accepted.candidate)),
            Some(rescue)
        );
    }
}

#[test]
fn the_last_resort_is_a_short_step_of_the_descent_form() {
    for scaling in Scaling::VARIANTS.iter().copied().map(Some).chain([None]) {
        let fixed = Fixed {
            scaling,
            ..Fixed::default()
        };
        let mut controller = Controller::new(fixed, 3);
        let loss = |candidate: Candidate| {
            let short = candidate.form == Form::Descent && candidate.step < 1e-8;
            if short { 0.999 } else { f64::NAN }
        };
        let (accepted, tried) = sweep(&mut controller, loss);
        let candidate = accepted.expect("a decrease").candidate;
        assert_eq!(candidate.form, Form::Descent);
        assert!(candidate.step < 1e-8);
        assert!(scaling.is_none_or(|scaling| candidate.scaling == scaling));
        // The leader had all of its trials before.
        assert!(
            tried
                .iter()
                .take(TRIALS)
                .all(|tried| tried.form == Form::Corrected)
        );
    }
}

#[test]
fn errors_of_a_trial_end_the_sweep() {
    let error = crate::Error::Device("lost".into());
    let mut trials = 0;
    let mut controller = Controller::new(Fixed::default(), 3);
    let found = controller.sweep(1.0, |_| {
        trials += 1;
        Err(error.clone())
    });
    assert_eq!((found, trials), (Err(error), 1));
}
