use super::*;
use crate::linalg::{Affine, scalar_f64};
use crate::stage::{Activation, Dense};
use burn::tensor::Device;

/// One number that moves.
fn start() -> (Dense, GradientsParams) {
    let device = Device::flex();
    let coefficients = Affine {
        kernel: Tensor::zeros([1, 1], &device),
        bias: Tensor::zeros([1], &device),
    };
    let stage = Dense::from_coefficients(coefficients, Activation::Identity);
    let mut gradients = GradientsParams::new();
    gradients.register(stage.weight.id, Tensor::<2>::ones([1, 1], &device));
    (stage, gradients)
}

fn moved_by(stage: &Dense) -> f64 {
    -scalar_f64(stage.weight.val().reshape([1])).unwrap()
}

#[test]
fn no_series_of_failures_is_the_last_word() {
    for failures in 0..8 {
        let (stage, gradients) = start();
        let mut step = GradientStep::default();
        let mut length = GradientStep::FIRST_LENGTH;
        for _ in 0..failures {
            let found = step.update(&stage, &gradients, 1.0, length, |_| Ok((1.0, ())));
            let found = found.unwrap();
            assert!(found.best.is_none() && found.trials == TRIALS[1]);
            length = found.next;
        }
        // Convex, with its minimum 0.5 away.
        let objective = |stage: &Dense| Ok(((moved_by(stage) - 0.5).powi(2) + 0.75, ()));
        let mut searches = 0;
        let lowered = loop {
            searches += 1;
            let found = step.update(&stage, &gradients, 1.0, length, objective);
            let found = found.unwrap();
            length = found.next;
            if found.best.is_some() || searches == 2 {
                break found.best.is_some();
            }
        };
        assert!(lowered, "after {failures} failures");
    }
}

#[test]
fn a_failed_search_goes_on_at_shorter_lengths() {
    let (stage, gradients) = start();
    let mut step = GradientStep::default();
    // Falls for a millionth.
    let objective = |stage: &Dense| match moved_by(stage) {
        t if t <= 1e-6 => Ok((1.0 - 1e4 * t, ())),
        _ => Ok((2.0, ())),
    };
    let first = GradientStep::FIRST_LENGTH;
    let found = step.update(&stage, &gradients, 1.0, first, objective);
    let found = found.unwrap();
    assert!(found.best.is_none());
    let found = step.update(&stage, &gradients, 1.0, found.next, objective);
    assert!(found.unwrap().best.is_some());
}

#[test]
fn without_gradients_nothing_is_tried() {
    let (stage, _) = start();
    let found = GradientStep::default().update(
        &stage,
        &GradientsParams::new(),
        1.0,
        0.02,
        |_| -> Result<(f64, ())> { panic!("a trial") },
    );
    let found = found.unwrap();
    assert!(found.best.is_none() && found.accepted.is_none());
    assert_eq!((found.next, found.trials), (0.02, 0));
}
