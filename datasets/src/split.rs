use crate::{Error, Samples};

/// How samples without a test split of their own are dealt into train and test.
///
/// Of a class with `n` samples, `n · test_share` (rounded, at least 1, at most `n − 1`) chosen by the seed become test
/// samples; a class with a single sample keeps it for training. Both splits keep the order of the data. The same seed
/// gives the same split on every platform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitRule {
    /// What the choice depends on.
    pub seed: u64,
    /// Part of every class that is held out, between 0 and 1, both excluded.
    pub test_share: f64,
}

impl SplitRule {
    /// The part that is held out when nobody says otherwise.
    pub const TEST_SHARE: f64 = 0.2;

    /// Deals samples into train and test; errors name `origin` as their file.
    ///
    /// # Errors
    /// - [`Error::ShareOutOfRange`] when the share is not between 0 and 1,
    /// - [`Error::NothingToHoldOut`] when no class has two samples.
    pub(crate) fn deal(
        &self,
        origin: &str,
        samples: &Samples,
    ) -> Result<(Samples, Samples), Error> {
        self.check()?;
        let mut is_test = vec![false; samples.len()];
        for class in 0..samples.classes().len() {
            for i in self.held_out(class, samples.labels()) {
                is_test[i] = true;
            }
        }
        let (test, train): (Vec<usize>, Vec<usize>) = (0..samples.len()).partition(|&i| is_test[i]);
        if test.is_empty() {
            return Err(Error::NothingToHoldOut {
                file: origin.to_owned(),
            });
        }
        Ok((samples.select(&train)?, samples.select(&test)?))
    }

    fn check(&self) -> Result<(), Error> {
        if self.test_share > 0.0 && self.test_share < 1.0 {
            return Ok(());
        }
        Err(Error::ShareOutOfRange {
            found: self.test_share,
        })
    }

    /// Indices of the test samples of one class.
    fn held_out(&self, class: usize, labels: &[u8]) -> Vec<usize> {
        let of_class = |&i: &usize| usize::from(labels[i]) == class;
        let mut indices: Vec<usize> = (0..labels.len()).filter(of_class).collect();
        let share = (indices.len() as f64 * self.test_share).round() as usize;
        let most = indices.len().saturating_sub(1);
        // A class of its own random stream: another class more or less does not change the split of the others.
        let mut random = SplitMix::new(self.seed, class as u64);
        let count = share.clamp(1.min(most), most);
        for i in 0..count {
            let other = i + random.below(indices.len() - i);
            indices.swap(i, other);
        }
        indices.truncate(count);
        indices
    }
}

impl Default for SplitRule {
    fn default() -> Self {
        Self {
            seed: 1,
            test_share: Self::TEST_SHARE,
        }
    }
}

/// The generator `SplitMix64` of Steele, Lea and Flood (2014); its numbers are part of what a seed means, so it is our own.
struct SplitMix {
    state: u64,
}

impl SplitMix {
    fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self { state: seed };
        let state = mixed.next() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; the bias of the product is below `bound / 2^64`.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ImageShape;

    /// Samples with these labels, each with its own index as its pixel.
    fn samples(labels: &[u8]) -> Samples {
        let shape = ImageShape {
            channels: 1,
            height: 1,
            width: 1,
        };
        let pixels = (0..labels.len()).map(|i| i as u8).collect();
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        Samples::new("here", shape, pixels, 255, labels.to_vec(), classes).unwrap()
    }

    fn rule(seed: u64, test_share: f64) -> SplitRule {
        SplitRule { seed, test_share }
    }

    #[test]
    fn the_generator_gives_the_published_numbers() {
        // First outputs for the state 1234567, from the reference implementation.
        let mut random = SplitMix { state: 1_234_567 };
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_seed_means_the_same_split_for_ever() {
        let labels: Vec<u8> = (0..20).map(|i| i % 2).collect();
        let (_, test) = rule(1, 0.2).deal("here", &samples(&labels)).unwrap();
        assert_eq!(test.pixels(), GOLDEN);
        let (_, other) = rule(2, 0.2).deal("here", &samples(&labels)).unwrap();
        assert_ne!(test.pixels(), other.pixels());
    }

    /// Written down once; a change would change every split that users have.
    const GOLDEN: [u8; 4] = [1, 3, 6, 18];

    #[test]
    fn a_share_outside_zero_to_one_is_refused() {
        for share in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            let error = rule(1, share).deal("here", &samples(&[0, 0])).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("test share {share} is not between 0 and 1, both excluded")
            );
        }
    }

    #[test]
    fn without_two_samples_of_a_class_nothing_can_be_held_out() {
        let error = rule(1, 0.5).deal("here", &samples(&[0, 1, 2])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "here: no class has two samples, so none can be held out as a test split"
        );
    }

    proptest! {
        #[test]
        fn every_sample_is_on_one_side_and_every_class_on_both(
            labels in prop::collection::vec(0_u8..3, 4..100),
            seed: u64,
            share in 0.001_f64..0.999,
        ) {
            let all = samples(&labels);
            // Four samples or more of three classes: one class has two.
            let (train, test) = rule(seed, share).deal("here", &all).unwrap();
            let mut pixels = [train.pixels(), test.pixels()].concat();
            pixels.sort_unstable();
            prop_assert_eq!(&pixels, all.pixels());
            prop_assert!(train.pixels().is_sorted() && test.pixels().is_sorted());
            let counts = train.class_counts().into_iter().zip(test.class_counts());
            for ((train, test), n) in counts.zip(all.class_counts()) {
                prop_assert_eq!(train + test, n);
                prop_assert!(n < 2 || (train > 0 && test > 0));
                prop_assert!(n != 1 || train == 1);
                // Rounding moves a count by a half, keeping one on each side by one.
                prop_assert!((test as f64 - share * n as f64).abs() <= 1.0);
            }
        }
    }
}
