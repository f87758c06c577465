//! Random samples for measurements that need no data set.

use burn::tensor::{Device, Tensor, TensorData};
use ls_core::batch::{Batch, index_tensor};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Features of a sample.
pub(super) const INPUTS: usize = 64;

/// Number of classes.
pub(super) const CLASSES: usize = 10;

/// Deviation of the samples of a class from their mean, in deviations of the means: classes overlap, so that no loss vanishes.
const NOISE: f32 = 3.0;

/// Draws samples that are Gaussian around a Gaussian mean for each class.
pub(super) fn samples(count: usize, seed: u64, device: &Device) -> Batch {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut normal = |count: usize| -> Vec<f32> {
        let draws = (0..count).map(|_| StandardNormal.sample(&mut random));
        draws.collect()
    };
    let means = normal(CLASSES * INPUTS);
    let mut inputs = normal(count * INPUTS);
    let labels: Vec<usize> = (0..count)
        .map(|_| random.random_range(0..CLASSES))
        .collect();
    for (row, label) in inputs.chunks_mut(INPUTS).zip(&labels) {
        let mean = &means[label * INPUTS..(label + 1) * INPUTS];
        for (input, mean) in row.iter_mut().zip(mean) {
            *input = mean + NOISE * *input;
        }
    }
    Batch::full(
        Tensor::from_data(TensorData::new(inputs, [count, INPUTS]), device),
        index_tensor(&labels, device),
    )
}
