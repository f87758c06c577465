//! Chunks of samples that pass through a network at once, several at the same time where that pays.

use burn::module::Module;
use burn::tensor::Device;
use rayon::prelude::*;

use crate::Result;
use crate::device::runs_on_host;
use crate::network::Network;

/// Floats of the largest temporary array: more would not fit into a CPU's cache.
const CHUNK_FLOATS: usize = 1 << 20;

/// The same on an accelerator, which fewer would leave idle.
const ACCELERATOR_CHUNK_FLOATS: usize = 1 << 24;

/// Samples of a chunk on the CPU at most, so that a small data set still occupies several cores.
const CHUNK_SAMPLES: usize = 2048;

/// Samples of a chunk that suits the widest stage of a network and its device.
pub(super) fn default_chunk(network: &Network) -> usize {
    let widest = network.stages().iter().map(|stage| match stage.affine() {
        Some(affine) => {
            let [d_in, d_out] = affine.coefficients().kernel.dims();
            affine.rows_per_sample() * d_in.max(d_out)
        }
        // What it computes inside is not known.
        None => {
            let (input, output) = (stage.input_shape(), stage.output_shape());
            input.features().max(output.features())
        }
    });
    let widest = widest.max().unwrap_or(1).max(1);
    if !network.devices().iter().all(runs_on_host) {
        return (ACCELERATOR_CHUNK_FLOATS / widest).max(1);
    }
    (CHUNK_FLOATS / widest).clamp(1, CHUNK_SAMPLES)
}

/// Number of chunks that are worked on at the same time.
pub(super) fn wave(device: &Device) -> usize {
    match runs_on_host(device) {
        true => rayon::current_num_threads(),
        false => 1,
    }
}

/// Computes something for every chunk, `wave` of them at the same time, and hands the results over in order: at most one wave of
/// results is held.
pub(super) fn for_each_chunk<T: Send>(
    count: usize,
    wave: usize,
    compute: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T),
) -> Result<()> {
    for start in (0..count).step_by(wave.max(1)) {
        let wave = start..(start + wave).min(count);
        let results: Vec<Result<T>> = if wave.len() > 1 {
            wave.into_par_iter().map(&compute).collect()
        } else {
            wave.map(&compute).collect()
        };
        for result in results {
            take(result?);
        }
    }
    Ok(())
}
