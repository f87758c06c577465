//! The weight decay over a run.

use burn::tensor::Tensor;

/// Weight decay times the number of samples: the penalty of a prior, whose weight beside a mean over samples falls with their number.
const USUAL: f64 = 30.0;

/// Most that a weight decay is which nobody asked for.
const MOST: f64 = 0.01;

/// Largest share of the usual decay in a step, relative to the gradient of the loss. Where gradients vanish, a decay would otherwise be
/// all that moves, since steps are divided by their size.
const SHARE: f64 = 0.3;

/// `λ` over a run: it falls with the square of the course of the steps, so that a run ends without a penalty that would keep its loss
/// from falling.
#[derive(Clone, Copy, Debug)]
pub(super) struct FallingDecay {
    /// `λ` of the first step.
    first: f64,
    /// `λ` after the last.
    last: f64,
    /// Largest norm of the penalty's gradient relative to that of the loss.
    share: f64,
}

impl FallingDecay {
    /// A decay that was asked for, at its full size.
    pub(super) fn given(decay: f64) -> Self {
        Self {
            first: decay,
            last: 0.0,
            share: f64::INFINITY,
        }
    }

    /// The usual decay on so many samples, of which the penalty's gradient is the smaller part.
    pub(super) fn usual(samples: usize) -> Self {
        Self {
            first: usual(samples),
            last: 0.0,
            share: SHARE,
        }
    }

    /// Falls to another value than 0, and begins with no less.
    pub(super) fn down_to(self, last: f64) -> Self {
        Self {
            first: self.first.max(last),
            last,
            ..self
        }
    }

    /// `λ` of the fits before the first step. The usual decay has no part in them: where gradients vanish, smaller weights alone would lower
    /// the penalized loss, and end all signals.
    pub(super) fn of_fits(&self) -> f64 {
        match self.share.is_infinite() {
            true => self.first,
            false => 0.0,
        }
    }

    /// The decay of a step where the schedule of the steps has come to a factor.
    pub(super) fn at(&self, course: f64) -> StepDecay {
        StepDecay {
            value: self.last + (self.first - self.last) * course * course,
            share: self.share,
        }
    }
}

/// The weight decay of one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepDecay {
    /// `λ`.
    value: f64,
    /// Largest norm of the penalty's gradient relative to that of the loss.
    share: f64,
}

impl StepDecay {
    /// Whether there is any.
    pub(super) fn is_some(&self) -> bool {
        self.value > 0.0
    }

    /// Adds the gradient of the penalty, `λ W`, to the gradient of the loss.
    pub(super) fn add(&self, gradient: Tensor<2>, weights: Tensor<2>) -> Tensor<2> {
        let penalty = weights * self.value;
        if self.share.is_infinite() {
            return gradient + penalty;
        }
        let norm = |values: &Tensor<2>| values.clone().square().sum().sqrt();
        let most = norm(&gradient) * self.share;
        let least = f64::from(f32::MIN_POSITIVE);
        let factor = (most / norm(&penalty).clamp_min(least)).clamp_max(1.0);
        gradient + penalty * factor.unsqueeze::<2>()
    }
}

/// The usual `λ` on so many samples.
pub(super) fn usual(samples: usize) -> f64 {
    (USUAL / samples.max(1) as f64).min(MOST)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::linalg::to_f64;

    #[test]
    fn it_falls_with_the_square_of_the_course() {
        let decay = FallingDecay::given(0.8).down_to(0.4);
        for (course, expected) in [(1.0, 0.8), (0.5, 0.5), (0.0, 0.4)] {
            // f64 arithmetic of a few operations.
            assert!((decay.at(course).value - expected).abs() < 1e-12);
        }
        assert_eq!(FallingDecay::given(0.1).down_to(0.3).of_fits(), 0.3);
        assert_eq!(FallingDecay::usual(100).of_fits(), 0.0);
        assert_eq!((usual(10_000), usual(100)), (3e-3, 0.01));
    }

    #[test]
    fn the_usual_decay_is_a_part_of_the_step_and_a_given_one_whole() {
        let device = Device::flex();
        let tensor = |values: [f32; 2]| Tensor::<2>::from_data([values], &device);
        let added = |share, gradient| {
            let decay = StepDecay { value: 0.5, share };
            to_f64(decay.add(tensor(gradient), tensor([0.0, 2.0]))).unwrap()
        };
        let given = FallingDecay::given(0.5).share;
        assert_eq!(added(given, [1.0, 0.0]), [1.0, 1.0]);
        // Three tenths of the gradient, where that is less than 1; f32.
        for (gradient, expected) in [([1.0, 0.0], 0.3), ([8.0, 0.0], 1.0), ([0.0, 0.0], 0.0)] {
            let found = added(FallingDecay::usual(100).share, gradient);
            assert!((found[1] - expected).abs() < 1e-6, "{found:?}");
        }
    }
}
