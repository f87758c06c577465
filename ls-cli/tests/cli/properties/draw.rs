//! Random numbers of a case.

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

/// The draws of a case, which follow from its number.
pub(super) struct Draw(ChaCha12Rng);

impl Draw {
    pub(super) fn new(case: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(case))
    }

    /// Returns a number below `end`; 0 where that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// Returns `true` in so many of a hundred cases.
    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
