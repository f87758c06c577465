//! Batches of a training split.

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;

use crate::batch::{Batch, BatchSize};

/// Streams of random numbers that must not repeat each other under one seed.
const MEMBERS_STREAM: u64 = 1;
const ORDER_STREAM: u64 = 2;

/// The members of every batch. Membership follows from the seed, so that the auxiliary variables of a batch and the state of an
/// optimizer stay together; the order of the batches follows from seed and sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batches {
    members: Vec<Vec<usize>>,
    seed: u64,
}

impl Batches {
    /// Draws the batches of so many samples. A size of the whole split or more makes one batch of all samples, in order.
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

    /// Returns the order of the batches in a sweep.
    pub fn order(&self, sweep: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.shuffle(&mut random(self.seed, ORDER_STREAM, sweep as u64));
        order
    }

    /// Returns the samples of a batch, by their positions in the split.
    pub fn members(&self, batch: usize) -> &[usize] {
        &self.members[batch]
    }

    /// Picks a batch from its split; the only batch of a split is the split itself.
    pub fn pick(&self, split: &Batch, batch: usize) -> Batch {
        match self.is_full() {
            true => split.clone(),
            false => split.pick(batch, &self.members[batch]),
        }
    }

    /// Tells whether one batch holds the whole split.
    pub fn is_full(&self) -> bool {
        self.members.len() == 1
    }

    /// Returns the number of batches.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Tells whether there are no batches.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

fn random(seed: u64, stream: u64, sweep: u64) -> ChaCha12Rng {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    random.set_stream(stream << 40 | sweep);
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_exactly_one_batch() {
        let batches = Batches::new(103, BatchSize::Samples(10), 7);
        let mut seen: Vec<usize> = batches.members.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..103).collect::<Vec<_>>());
        assert_eq!(batches.len(), 11);
    }

    #[test]
    fn order_follows_from_seed_and_sweep_and_members_from_the_seed_alone() {
        let batches = Batches::new(200, BatchSize::Samples(10), 7);
        assert_eq!(batches, Batches::new(200, BatchSize::Samples(10), 7));
        assert_ne!(batches, Batches::new(200, BatchSize::Samples(10), 8));
        assert_eq!(batches.order(3), batches.order(3));
        assert_ne!(batches.order(3), batches.order(4));
    }

    #[test]
    fn a_size_above_the_split_means_the_whole_split_in_order() {
        let batches = Batches::new(5, BatchSize::Samples(10), 7);
        assert_eq!(batches.members, [[0, 1, 2, 3, 4]]);
        assert!(batches.is_full());
    }
}
