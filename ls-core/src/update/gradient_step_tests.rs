//! Gradient steps on one number, and on a stage that counts its passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};

use super::*;
use crate::linalg::{Affine, Norm, scalar_f64};
use crate::objective::OutputLoss;
use crate::shape::FeatureShape;
use crate::stage::{Activation, Dense, Stage};
use crate::update::Penalty;

/// Trials along both directions.
const TRIALS: usize = WITH_MEMORY.trials + WITHOUT_MEMORY.trials;

/// A stage of one number, and its gradient, 1.
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
fn after_any_series_of_failures_a_step_succeeds_again() {
    for failures in 0..8 {
        let (stage, gradients) = start();
        let mut step = GradientStep::default();
        let mut length = GradientStep::FIRST_LENGTH;
        for _ in 0..failures {
            let found = step.update(&stage, &gradients, 1.0, length, |_| Ok((1.0, ())));
            let found = found.unwrap();
            assert!(found.best.is_none() && found.trials == TRIALS);
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
fn a_search_after_a_failed_one_continues_at_shorter_lengths() {
    let (stage, gradients) = start();
    let mut step = GradientStep::default();
    // Falls for lengths up to a millionth.
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
    assert!(found.best.is_none());
    assert_eq!((found.next, found.trials), (0.02, 0));
}

#[test]
fn lengths_fall_by_three_along_both_directions() {
    let (stage, gradients) = start();
    let mut lengths = Vec::new();
    let objective = |stage: &Dense| {
        lengths.push(moved_by(stage));
        Ok((1.0, ()))
    };
    let first = GradientStep::FIRST_LENGTH;
    GradientStep::default()
        .update(&stage, &gradients, 1.0, first, objective)
        .unwrap();
    assert_eq!(lengths.len(), TRIALS);
    for (k, length) in lengths.iter().enumerate() {
        let expected = first / 3.0_f64.powi(k as i32);
        // Adam moves by `g/(|g| + ε)` in f32, a few roundings from 1.
        assert!((length / expected - 1.0).abs() < 1e-6, "{k}: {length}");
    }
}

/// A dense stage that counts its forward passes.
#[derive(Module, Debug)]
struct Counted {
    inner: Dense,
    #[module(skip)]
    passes: Arc<AtomicUsize>,
}

impl Stage for Counted {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.inner.output_shape()
    }
}

#[test]
fn a_weight_step_passes_forward_once_at_its_start_and_once_per_trial() {
    let passes = Arc::<AtomicUsize>::default();
    let counted = Counted {
        inner: start().0,
        passes: passes.clone(),
    };
    let input = Tensor::<2>::ones([4, 1], &Device::flex());
    for (target, length) in [(0.5, 0.01), (0.5, 1e3), (0.0, 0.01)] {
        let block = WeightBlock {
            input: input.clone(),
            loss: OutputLoss::Residual {
                target: input.clone() * target,
                omega: 1.0,
            },
            penalty: Penalty {
                coefficient: 0.0,
                norm: Norm::Frobenius,
            },
        };
        let mut stage = AnyStage::custom(counted.clone());
        passes.store(0, Ordering::Relaxed);
        let mut rule = GradientStep::default();
        let step = rule.update_weights(&mut stage, &block, length).unwrap();
        assert_eq!(passes.load(Ordering::Relaxed), 1 + step.trials);
        // The value of that pass is the one of a plain pass, bit for bit.
        let plain = value(&AnyStage::custom(counted.clone()), &block).unwrap();
        assert_eq!(step.before, plain.total);
    }
}
