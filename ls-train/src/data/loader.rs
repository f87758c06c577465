//! Batches of a split in the form that burn-train asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use ls_core::batch::Batch;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;

use crate::config::BatchSize;

/// Streams of random numbers that must not repeat each other under one seed.
const MEMBERS_STREAM: u64 = 1;
const ORDER_STREAM: u64 = 2;
pub(super) const VALIDATION_STREAM: u64 = 3;

/// Which samples make up which block. Membership is fixed by the seed, so that a block's auxiliary variables and
/// optimizer state stay together; the order of the blocks follows from seed and sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    members: Vec<Vec<usize>>,
    seed: u64,
}

impl Blocks {
    /// Deals `samples` samples into blocks.
    pub fn new(samples: usize, size: BatchSize, seed: u64) -> Self {
        let members = match size {
            BatchSize::Samples(size) if size < samples => {
                let mut indices: Vec<usize> = (0..samples).collect();
                indices.shuffle(&mut random(seed, MEMBERS_STREAM, 0));
                indices.chunks(size).map(<[usize]>::to_vec).collect()
            }
            _ => vec![(0..samples).collect()],
        };
        Self { members, seed }
    }

    /// Order of the blocks in a sweep.
    pub fn order(&self, sweep: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.shuffle(&mut random(self.seed, ORDER_STREAM, sweep));
        order
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

pub(super) fn random(seed: u64, stream: u64, sweep: u64) -> ChaCha12Rng {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    random.set_stream(stream << 40 | sweep);
    random
}

/// A split in blocks; each pass over it is one sweep.
#[derive(Clone)]
pub struct SplitLoader {
    split: Batch,
    blocks: Blocks,
    sweep: Arc<AtomicU64>,
}

impl SplitLoader {
    /// A loader whose first pass is sweep `first_sweep`.
    pub fn new(split: Batch, blocks: Blocks, first_sweep: u64) -> Self {
        Self {
            split,
            blocks,
            sweep: Arc::new(AtomicU64::new(first_sweep)),
        }
    }

    /// A loader that always gives the whole split.
    pub fn whole(split: Batch) -> Self {
        let blocks = Blocks::new(split.len(), BatchSize::Full, 0);
        Self::new(split, blocks, 0)
    }
}

impl DataLoader<Batch> for SplitLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let sweep = self.sweep.fetch_add(1, Ordering::Relaxed);
        Box::new(Pass {
            loader: self,
            order: self.blocks.order(sweep),
            position: 0,
            processed: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.split.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        let mut moved = self.clone();
        moved.split.inputs = moved.split.inputs.to_device(device);
        moved.split.labels = moved.split.labels.to_device(device);
        Arc::new(moved)
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let inputs = self.split.inputs.clone().narrow(0, start, end - start);
        let labels = self.split.labels.clone().narrow(0, start, end - start);
        Arc::new(Self::whole(Batch::full(inputs, labels)))
    }
}

struct Pass<'a> {
    loader: &'a SplitLoader,
    order: Vec<usize>,
    position: usize,
    processed: usize,
}

impl Iterator for Pass<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = *self.order.get(self.position)?;
        self.position += 1;
        let batch = if self.order.len() == 1 {
            self.loader.split.clone()
        } else {
            self.loader
                .split
                .pick(block, &self.loader.blocks.members[block])
        };
        self.processed += batch.len();
        Some(Ok(batch))
    }
}

impl DataLoaderIterator<Batch> for Pass<'_> {
    fn progress(&self) -> Progress {
        Progress::new(
            self.processed,
            self.loader.split.len(),
            Some("samples".into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_exactly_one_block() {
        let blocks = Blocks::new(103, BatchSize::Samples(10), 7);
        let mut seen: Vec<usize> = blocks.members.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..103).collect::<Vec<_>>());
        assert_eq!(blocks.len(), 11);
    }

    #[test]
    fn order_follows_from_seed_and_sweep_and_members_from_the_seed_alone() {
        let blocks = Blocks::new(200, BatchSize::Samples(10), 7);
        assert_eq!(blocks, Blocks::new(200, BatchSize::Samples(10), 7));
        assert_ne!(blocks, Blocks::new(200, BatchSize::Samples(10), 8));
        assert_eq!(blocks.order(3), blocks.order(3));
        assert_ne!(blocks.order(3), blocks.order(4));
    }

    #[test]
    fn a_batch_size_above_the_split_means_the_whole_split_in_order() {
        let blocks = Blocks::new(5, BatchSize::Samples(10), 7);
        assert_eq!(blocks.members, [[0, 1, 2, 3, 4]]);
    }
}
