//! The passes that methods are made of, in chunks that run in parallel on a processor, as those of `exact` do.

use burn::tensor::Tensor;
use ls_core::batch::{Batch, index_tensor};
use ls_core::device::runs_on_host;
use ls_core::linalg::{Affine, Cholesky, Gram, Ridge};
use ls_core::method::ExactConfig;
use ls_core::network::Network;
use ls_core::objective::cross_entropy;
use ls_core::shape::FeatureShape;
use ls_core::stage::AnyStage;
use rayon::prelude::*;

use crate::Result;

/// Numbers of the largest array of a chunk, and samples of a chunk at most: about those of `exact` on a processor.
const CHUNK_NUMBERS: usize = 1 << 20;
const CHUNK_SAMPLES: usize = 2048;

/// Numbers of the largest array of a chunk on an accelerator.
const ACCELERATOR_NUMBERS: usize = 1 << 24;

/// Damping of the factors; their seconds do not depend on it.
const DAMPING: f64 = 0.1;

/// A network with its samples in chunks.
pub(super) struct Passes<'a> {
    network: &'a Network,
    chunks: Vec<Batch>,
    samples: usize,
    /// Chunks that are worked on at the same time.
    wave: usize,
}

impl<'a> Passes<'a> {
    pub(super) fn new(network: &'a Network, split: &Batch) -> Self {
        let is_host = runs_on_host(&split.inputs.device());
        let widest = network.stages().iter().map(numbers_per_sample).max();
        let widest = widest.unwrap_or(1).max(1);
        let size = match is_host {
            true => (CHUNK_NUMBERS / widest).clamp(1, CHUNK_SAMPLES),
            false => (ACCELERATOR_NUMBERS / widest).max(1),
        };
        Self {
            network,
            chunks: split.chunks(size).collect(),
            samples: split.len(),
            wave: match is_host {
                true => rayon::current_num_threads(),
                false => 1,
            },
        }
    }

    /// A plain forward pass; the logits are dropped.
    pub(super) fn forward(&self) {
        let chunks = &self.chunks;
        self.each(
            chunks,
            |batch| self.network.forward(batch.inputs.clone()),
            drop,
        );
    }

    /// A forward pass, and the gradients of the sum of the losses by the coefficients of all stages, in closed form where stages have
    /// it. Gradients of stages without the affine view are pulled back to their inputs only.
    pub(super) fn forward_and_backward(&self) -> Vec<Option<Affine>> {
        let mut sums = vec![None; self.network.stages().len()];
        self.each(
            &self.chunks,
            |batch| gradients(self.network, batch),
            |parts| add_up(&mut sums, parts, |sum: Affine, part| sum.plus(&part)),
        );
        sums
    }

    /// The inputs of all stages, by chunk.
    pub(super) fn inputs(&self) -> Vec<Vec<Tensor<2>>> {
        let inputs = |batch: &Batch| {
            let mut inputs = vec![batch.inputs.clone()];
            inputs.extend(self.network.activations(batch.inputs.clone()));
            // The logits are no inputs.
            inputs.truncate(self.network.stages().len());
            inputs
        };
        self.chunks.iter().map(inputs).collect()
    }

    /// The Gram matrices of the inputs of all stages with an affine view, of a convolution from at most [`gram_rows`] of its patches.
    pub(super) fn grams(&self, inputs: &[Vec<Tensor<2>>]) -> Vec<Option<Gram>> {
        let mut sums = vec![None; self.network.stages().len()];
        self.each(
            inputs,
            |inputs| {
                let pairs = self.network.stages().iter().zip(inputs);
                let grams = pairs.map(|(stage, input)| self.gram(stage, input.clone()));
                grams.collect::<Vec<_>>()
            },
            |parts| add_up(&mut sums, parts, Gram::plus),
        );
        sums
    }

    fn gram(&self, stage: &AnyStage, input: Tensor<2>) -> Option<Gram> {
        let stage = stage.affine()?;
        let total = self.samples * stage.rows_per_sample();
        let rows = stage.rows(input);
        if stage.rows_per_sample() == 1 || total <= gram_rows() {
            return Some(Gram::from_rows(rows));
        }
        let count = rows.dims()[0];
        let kept = (count * gram_rows()).div_ceil(total);
        let indices: Vec<usize> = (0..kept).map(|i| i * count / kept).collect();
        let indices = index_tensor(&indices, &rows.device());
        Some(Gram::from_rows(rows.select(0, indices)))
    }

    /// Computes something for every part, in waves of as many as there are threads, and hands it over in order.
    fn each<P: Sync, T: Send>(
        &self,
        parts: &[P],
        compute: impl Fn(&P) -> T + Sync,
        mut take: impl FnMut(T),
    ) {
        for wave in parts.chunks(self.wave) {
            let results: Vec<T> = match wave {
                [one] => vec![compute(one)],
                wave => wave.par_iter().map(&compute).collect(),
            };
            results.into_iter().for_each(&mut take);
        }
    }
}

/// Returns the number of rows of a convolution's Gram matrix that `exact` takes by default.
pub(super) fn gram_rows() -> usize {
    ExactConfig::default().gram_rows
}

/// Factors Gram matrices as `exact` does.
///
/// # Errors
/// [`ls_core::Error::NotPositiveDefinite`] for inputs that are not finite.
pub(super) fn factors(grams: &[Option<Gram>]) -> Result<Vec<Cholesky>> {
    let grams = grams.iter().flatten();
    let factors = grams.map(|gram| gram.clone().factor(DAMPING, Ridge::default()));
    Ok(factors.collect::<ls_core::Result<_>>()?)
}

fn numbers_per_sample(stage: &AnyStage) -> usize {
    let [inputs, outputs] = [stage.input_shape(), stage.output_shape()].map(FeatureShape::features);
    let patches = stage.affine().map_or(0, |affine| {
        let [d_in, d_out] = affine.coefficients().kernel.dims();
        affine.rows_per_sample() * d_in.max(d_out)
    });
    inputs.max(outputs).max(patches)
}

fn gradients(network: &Network, batch: &Batch) -> Vec<Option<Affine>> {
    type Back<'a> = Box<dyn FnOnce(Tensor<2>) -> (Option<Affine>, Tensor<2>) + 'a>;
    let mut h = batch.inputs.clone();
    let mut backs: Vec<Back<'_>> = Vec::new();
    for (l, stage) in network.stages().iter().enumerate() {
        let Some(affine) = stage.affine() else {
            let (next, pull_back) = stage.linearize(h);
            backs.push(Box::new(|cotangent| (None, pull_back(cotangent))));
            h = next;
            continue;
        };
        let rows = affine.rows(h.clone());
        let u = affine.coefficients().apply(rows.clone());
        let (next, pull_back) = affine.linearize_post(u, &h);
        backs.push(Box::new(move |cotangent: Tensor<2>| {
            let gradient = pull_back(cotangent.clone());
            let to_input = match l {
                // Nobody asks for it.
                0 => cotangent,
                _ => affine.pull_to_input(gradient.clone(), cotangent),
            };
            (Some(Affine::pull_back(rows, gradient)), to_input)
        }));
        h = next;
    }
    let mut cotangent = cross_entropy::gradient(h, &batch.labels);
    let mut gradients = Vec::with_capacity(backs.len());
    for back in backs.into_iter().rev() {
        let (gradient, to_input) = back(cotangent);
        gradients.push(gradient);
        cotangent = to_input;
    }
    gradients.reverse();
    gradients
}

fn add_up<T>(sums: &mut [Option<T>], parts: Vec<Option<T>>, plus: impl Fn(T, T) -> T) {
    for (sum, part) in sums.iter_mut().zip(parts) {
        *sum = match (sum.take(), part) {
            (Some(sum), Some(part)) => Some(plus(sum, part)),
            (sum, part) => sum.or(part),
        };
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;
    use ls_core::linalg::to_f64;
    use ls_core::method::gradients;
    use ls_core::model::MlpConfig;
    use ls_core::stage::{Activation, Dense};

    use super::super::gaussian;
    use super::*;

    fn network(device: &Device) -> Network {
        let config = MlpConfig::new(vec![6, 5], Activation::Tanh);
        let inputs = FeatureShape::Flat(gaussian::INPUTS);
        config.init(inputs, gaussian::CLASSES, 1, device).unwrap()
    }

    /// More samples than a chunk has, so that parts are added up.
    const SAMPLES: usize = CHUNK_SAMPLES + 5;

    #[test]
    fn the_backward_pass_finds_the_gradients_of_the_loss() {
        let device = Device::flex();
        let (network, split) = (network(&device), gaussian::samples(SAMPLES, 1, &device));
        let found = Passes::new(&network, &split).forward_and_backward();
        let tracked = network.clone().train();
        let expected = gradients(&tracked, &split);
        for (stage, found) in tracked.stages().iter().zip(found) {
            let dense = stage.downcast_ref::<Dense>().unwrap();
            let expected = expected.get::<2>(dense.weight.id).unwrap();
            let expected = to_f64(expected.inner()).unwrap();
            let found = to_f64(found.unwrap().kernel / SAMPLES as f64).unwrap();
            let size = expected.iter().map(|v| v.abs()).fold(0.0, f64::max);
            for (found, expected) in found.iter().zip(&expected) {
                // f32 sums of two thousand terms in two orders.
                assert!((found - expected).abs() < 1e-5 * size, "{found} {expected}");
            }
        }
    }

    #[test]
    fn every_stage_has_a_gram_matrix_of_all_samples_and_a_factor() {
        let device = Device::flex();
        let (network, split) = (network(&device), gaussian::samples(SAMPLES, 1, &device));
        let passes = Passes::new(&network, &split);
        let grams = passes.grams(&passes.inputs());
        assert_eq!(grams.len(), 3);
        let rows = grams.iter().flatten().map(Gram::rows);
        assert_eq!(rows.collect::<Vec<_>>(), [SAMPLES as f64; 3]);
        assert_eq!(factors(&grams).unwrap().len(), 3);
    }
}
