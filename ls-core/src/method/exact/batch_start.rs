//! The start in batches: epochs of [`foof`](crate::method::Foof) on batches of 128, drawn anew in every epoch.
//!
//! Its penalty falls to that of the run, and its steps to zero. An epoch after which the loss has not fallen is taken back and halves
//! the steps; a second one ends the start, as does a first epoch that lowers the loss by less than a tenth: where gradients vanish,
//! steps that divide by their size would ruin the initial weights.

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::batch::Batch;
use crate::method::stage_role::StageRole;
use crate::method::wide_samples::sees_wide_samples;
use crate::method::{Foof, FoofConfig, Method, MethodState, STEP, Separated};
use crate::network::Network;

/// Samples of a batch.
const BATCH: usize = 128;

/// Samples below which a few hundred steps on batches take longer than full-batch sweeps.
const LEAST_SAMPLES: usize = 1024;

/// Batches that a start should have, and the range of its epochs.
const STEPS: usize = 1500;
const EPOCHS: [usize; 2] = [4, 10];

/// Share of its value below which a first epoch has to bring the loss.
const FIRST_SHARE: f64 = 0.9;

/// Least damping of the metric of the quasi-Newton steps that follow. Less damping separates the classes along directions in which
/// the inputs hardly vary, at a cost in test accuracy.
pub(super) const METRIC_DAMPING: f64 = 1.5;

/// Name of the sweeps in reports.
pub(super) const FORM_NAME: &str = "batches";

/// Stream of random numbers of the batches, beside those of the training loop.
const STREAM: u64 = 5;

/// Returns the epochs of the start of a run with so many sweeps, 0 where it has none.
pub(super) fn usual_sweeps(network: &Network, batch: &Batch, run_sweeps: Option<usize>) -> usize {
    if batch.len() < LEAST_SAMPLES || !sees_wide_samples(network) {
        return 0;
    }
    let [least, most] = EPOCHS;
    let epochs = (STEPS * BATCH).div_ceil(batch.len()).clamp(least, most);
    let half = run_sweeps.map_or(most, |sweeps| sweeps / 2);
    epochs.min(half)
}

/// Epochs in batches at the start of a run.
pub(super) struct BatchStart {
    /// `None` once the start is over.
    foof: Option<Foof>,
    numbers: StartNumbers,
}

/// The numbers of a start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct StartNumbers {
    /// Epochs in all.
    epochs: usize,
    /// Epochs done.
    done: usize,
    /// Epochs that were taken.
    taken: usize,
    /// Batches in all, over which the steps fall.
    steps: usize,
    /// Samples of the split, where they are wide; they say how large the usual penalty is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wide_samples: Option<usize>,
    /// `λ` of the run.
    decay: f64,
    seed: u64,
}

/// The saved form of a start.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedStart {
    #[serde(flatten)]
    numbers: StartNumbers,
    /// Absent once the start is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foof: Option<toml::Table>,
}

impl BatchStart {
    /// A start of so many epochs, on so many samples, of a run with a penalty of its own.
    pub(super) fn new(
        epochs: usize,
        network: &Network,
        roles: &[StageRole],
        samples: usize,
        run_decay: f64,
        seed: u64,
    ) -> Result<Self> {
        let numbers = StartNumbers {
            epochs,
            done: 0,
            taken: 0,
            steps: epochs * (samples / BATCH).max(1),
            wide_samples: sees_wide_samples(network).then_some(samples),
            decay: run_decay,
            seed,
        };
        let foof = (epochs > 0).then(|| numbers.foof(roles)).transpose()?;
        Ok(Self { foof, numbers })
    }

    /// Whether no epoch is left.
    pub(super) fn is_over(&self) -> bool {
        self.foof.is_none()
    }

    /// Epochs done.
    pub(super) fn done(&self) -> usize {
        self.numbers.done
    }

    /// Whether an epoch was taken.
    pub(super) fn has_moved(&self) -> bool {
        self.numbers.taken > 0
    }

    /// Share of its value below which the next epoch has to bring the loss.
    pub(super) fn largest_share(&self) -> f64 {
        match self.numbers.done {
            0 => FIRST_SHARE,
            _ => 1.0,
        }
    }

    /// Returns the network after one epoch, and the length of its last step.
    pub(super) fn epoch(&mut self, network: &Network, batch: &Batch) -> Result<(Network, f64)> {
        let mut model = Separated::new(network.clone());
        let mut length = 0.0;
        let Some(foof) = &mut self.foof else {
            return Ok((model.network, length));
        };
        let mut random = ChaCha12Rng::seed_from_u64(self.numbers.seed);
        random.set_stream(STREAM << 40 | self.numbers.done as u64);
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.shuffle(&mut random);
        // Batches so small would wait for other devices longer than they take; and what a step sums up must not depend on their number.
        let batch = batch.at_home();
        // The rest of an epoch is too small for second moments, and another one in every epoch.
        let size = BATCH.min(batch.len());
        for (block, members) in order.chunks_exact(size).enumerate() {
            let figures = foof.sweep(&mut model, &batch.pick(block, members))?;
            length = figures.number(&STEP).unwrap_or(length);
        }
        Ok((model.network, length))
    }

    /// Learns whether the epoch was taken.
    pub(super) fn learn(&mut self, is_taken: bool) -> Result<()> {
        let is_first = self.numbers.done == 0;
        let failed_before = self.numbers.done > self.numbers.taken;
        self.numbers.done += 1;
        self.numbers.taken += usize::from(is_taken);
        let gives_up = !is_taken && (is_first || failed_before);
        if gives_up || self.numbers.done >= self.numbers.epochs {
            self.foof = None;
        } else if !is_taken && let Some(foof) = &mut self.foof {
            foof.take_back()?;
        }
        Ok(())
    }

    /// Returns the saved form, and adds its arrays to a state.
    pub(super) fn save(&self, state: &mut MethodState) -> Result<SavedStart> {
        let foof = match &self.foof {
            None => None,
            Some(foof) => {
                let saved = foof.save()?;
                state.arrays.extend(saved.arrays);
                state.optimizers.extend(saved.optimizers);
                Some(saved.values)
            }
        };
        Ok(SavedStart {
            numbers: self.numbers,
            foof,
        })
    }

    /// Takes a start over from its saved form.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when it belongs to another network.
    pub(super) fn restored(
        saved: SavedStart,
        roles: &[StageRole],
        state: &mut MethodState,
    ) -> Result<Self> {
        let numbers = saved.numbers;
        let foof = match saved.foof {
            None => None,
            Some(values) => {
                let mut foof = numbers.foof(roles)?;
                let outer = core::mem::replace(&mut state.values, values);
                let restored = foof.restore_from(state);
                state.values = outer;
                restored?;
                Some(foof)
            }
        };
        Ok(Self { foof, numbers })
    }
}

impl StartNumbers {
    /// The method of the epochs.
    fn foof(&self, roles: &[StageRole]) -> Result<Foof> {
        let foof = Foof::for_roles(FoofConfig::default(), roles.to_vec(), Some(self.steps))?;
        let foof = match self.wide_samples {
            Some(samples) => foof.with_usual_decay(samples),
            None => foof,
        };
        Ok(foof.with_last_decay(self.decay))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor};

    use super::*;
    use crate::linalg::to_f64;
    use crate::model::{CnnConfig, MlpConfig, ModelConfig};
    use crate::shape::FeatureShape;
    use crate::stage::{Activation, Init};

    fn epochs(shape: FeatureShape, is_cnn: bool, samples: usize, run: Option<usize>) -> usize {
        let device = Device::flex();
        let (activation, init) = (Activation::Relu, Init::Kaiming);
        let model = match is_cnn {
            true => ModelConfig::Cnn(CnnConfig {
                init,
                ..CnnConfig::new(activation)
            }),
            false => ModelConfig::Mlp(MlpConfig {
                init,
                ..MlpConfig::new(vec![4], activation)
            }),
        };
        let network = model.init(shape, 3, 1, &device).unwrap();
        let inputs = Tensor::zeros([samples, shape.features()], &device);
        let batch = Batch::full(inputs, Tensor::<1, Int>::zeros([samples], &device));
        usual_sweeps(&network, &batch, run)
    }

    #[test]
    fn wide_samples_and_convolutions_start_in_batches() {
        let digits = FeatureShape::Image {
            channels: 1,
            height: 8,
            width: 8,
        };
        assert_eq!(epochs(digits, false, 4000, None), 0);
        assert_eq!(epochs(digits, true, 4000, None), 10);
        assert_eq!(epochs(digits, true, 1000, None), 0);
        let wide = FeatureShape::Flat(784);
        assert_eq!(epochs(wide, false, 4000, None), 10);
        assert_eq!(epochs(wide, false, 60_000, None), 4);
        assert_eq!(epochs(wide, false, 4000, Some(7)), 3);
        assert_eq!(epochs(wide, false, 4000, Some(1)), 0);
    }

    #[test]
    fn a_start_that_is_stopped_after_an_epoch_was_taken_back_goes_on_to_the_bit() {
        let device = Device::flex();
        let mlp = MlpConfig::new(vec![6], Activation::Tanh);
        let network = mlp.init(FeatureShape::Flat(5), 3, 1, &device).unwrap();
        let values: Vec<f32> = (0..1500)
            .map(|i| ((i * i) % 17) as f32 / 8.0 - 1.0)
            .collect();
        let inputs = Tensor::<1>::from_data(values.as_slice(), &device).reshape([300, 5]);
        let labels: Vec<usize> = (0..300).map(|n| (n * n) % 3).collect();
        let batch = Batch::full(inputs, crate::batch::index_tensor(&labels, &device));
        let roles = StageRole::all(&network);
        let mut start = BatchStart::new(6, &network, &roles, 300, 0.0, 1).unwrap();
        let (moved, first) = start.epoch(&network, &batch).unwrap();
        start.learn(true).unwrap();
        start.epoch(&moved, &batch).unwrap();
        start.learn(false).unwrap();
        let mut state = MethodState::default();
        let saved = start.save(&mut state).unwrap();
        let mut restored = BatchStart::restored(saved, &roles, &mut state).unwrap();
        let kernel = |start: &mut BatchStart| {
            let (network, length) = start.epoch(&moved, &batch).unwrap();
            assert!(length < 0.5 * first, "steps are halved: {first}, {length}");
            let affine = network.stages()[0].affine().unwrap();
            to_f64(affine.coefficients().kernel).unwrap()
        };
        assert_eq!(kernel(&mut start), kernel(&mut restored));
        // The second one that is taken back ends the start.
        restored.learn(false).unwrap();
        assert!(restored.is_over() && restored.has_moved());
    }
}
