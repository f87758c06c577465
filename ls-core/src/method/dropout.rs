//! Dropout of hidden outputs, for methods that train on batches.

use burn::tensor::{Tensor, TensorData};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use crate::Result;
use crate::error::ensure;
use crate::stage::AnyStage;

/// Number of the stream of random numbers, beside those of batches and augmentation.
const STREAM: u64 = 0xd0;

/// In every step a share `p` of the outputs of hidden stages is zero, and the rest is `1/(1-p)` times as large (Srivastava et al. 2014).
///
/// Outputs that travel beside or through a skip connection stay as they are. The draws follow from the seed, the step and the stage, so
/// that nothing random has to be saved. Losses that are measured are those of the whole network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    rate: f64,
    seed: u64,
    /// Steps that were taken before.
    step: usize,
    /// Samples of the batch before those at hand.
    before: usize,
}

impl Dropout {
    /// Dropout in one step; `None` at a rate of 0.
    pub(super) fn at(step: usize, rate: f64, seed: u64) -> Option<Self> {
        (rate > 0.0).then_some(Self {
            rate,
            seed,
            step,
            before: 0,
        })
    }

    /// The same for a part of the batch that begins after so many samples.
    pub(super) fn after(self, before: usize) -> Self {
        Self { before, ..self }
    }

    /// The factors of the outputs of hidden stage `l`, counted from 0: 0 or `1/(1-p)`. `None` for a stage whose outputs stay.
    pub(super) fn factors(
        &self,
        l: usize,
        stage: &AnyStage,
        output: &Tensor<2>,
    ) -> Option<Tensor<2>> {
        let is_skipping = matches!(
            stage,
            AnyStage::ResidualDense(_) | AnyStage::ResidualConvolution(_)
        );
        if is_skipping {
            return None;
        }
        let shape = output.dims();
        let mut random = ChaCha12Rng::seed_from_u64(self.seed);
        random.set_stream(STREAM << 56 | (self.step as u64) << 16 | l as u64);
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let draw = |_| match random.random_bool(self.rate) {
            true => 0.0,
            false => kept,
        };
        let [before, all] = [self.before, self.before + shape[0]].map(|rows| rows * shape[1]);
        let factors: Vec<f32> = (0..all).map(draw).skip(before).collect();
        Some(Tensor::from_data(
            TensorData::new(factors, shape),
            &output.device().inner(),
        ))
    }
}

/// Checks a rate of dropout.
pub(super) fn check_dropout(rate: f64) -> Result<()> {
    let inside = (0.0..1.0).contains(&rate);
    ensure(inside, "dropout", rate, "from 0 to below 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::to_f64;
    use crate::stage::{Activation, Dense, Init, Residual};
    use burn::tensor::Device;

    fn dense(width: usize) -> Dense {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let size = [width, width];
        let device = Device::flex();
        Dense::init(size, Activation::Relu, Init::Kaiming, &mut random, &device)
    }

    fn factors(step: usize, l: usize, stage: &AnyStage) -> Option<Vec<f64>> {
        let output = Tensor::ones([100, 40], &Device::flex());
        let dropout = Dropout::at(step, 0.25, 7)?;
        Some(to_f64(dropout.factors(l, stage, &output)?).unwrap())
    }

    #[test]
    fn a_share_of_the_outputs_is_zero_and_the_mean_stays() {
        let found = factors(3, 0, &dense(40).into()).unwrap();
        let zeros = found.iter().filter(|&&factor| factor == 0.0).count() as f64;
        // Four standard deviations of 4,000 draws.
        let deviation = (0.25_f64 * 0.75 * 4000.0).sqrt();
        assert!((zeros - 1000.0).abs() < 4.0 * deviation, "{zeros}");
        let kept = found.iter().find(|&&factor| factor != 0.0).unwrap();
        assert!((kept * 0.75 - 1.0).abs() < 1e-6, "{kept}");
    }

    #[test]
    fn draws_follow_from_step_and_stage() {
        let stage = dense(40).into();
        assert_eq!(factors(3, 1, &stage), factors(3, 1, &stage));
        assert_ne!(factors(3, 1, &stage), factors(4, 1, &stage));
        assert_ne!(factors(3, 1, &stage), factors(3, 2, &stage));
    }

    #[test]
    fn a_part_of_a_batch_has_the_draws_of_its_samples() {
        let stage = dense(40).into();
        let dropout = Dropout::at(3, 0.25, 7).unwrap().after(60);
        let output = Tensor::ones([40, 40], &Device::flex());
        let part = to_f64(dropout.factors(1, &stage, &output).unwrap()).unwrap();
        assert_eq!(part, factors(3, 1, &stage).unwrap()[60 * 40..]);
    }

    #[test]
    fn a_skip_connection_keeps_its_outputs_and_a_rate_of_0_all() {
        let skipping = Residual::new(dense(40)).unwrap().into();
        assert_eq!(factors(3, 1, &skipping), None);
        assert!(Dropout::at(3, 0.0, 7).is_none());
    }
}
