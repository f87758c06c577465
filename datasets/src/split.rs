use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;

use crate::{Error, Samples};

/// Draws a test split from samples that come without one.
///
/// In a class with `n` samples the seed chooses `n · test_share` test samples (rounded, at least 1, at most `n − 1`); a
/// class with a single sample keeps it for training. Both splits keep the order of the data. A seed gives the same split
/// on every platform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitRule {
    /// Seed of the random choice.
    pub seed: u64,
    /// Share of every class that goes to the test split, between 0 and 1, both excluded.
    pub test_share: f64,
}

impl SplitRule {
    /// Default of [`test_share`](Self::test_share).
    pub const TEST_SHARE: f64 = 0.2;

    /// Splits samples into train and test; errors name `origin` as their file.
    ///
    /// # Errors
    /// - [`Error::ShareOutOfRange`] when the share is not between 0 and 1,
    /// - [`Error::NothingToHoldOut`] when no class has two samples.
    pub(crate) fn split(
        &self,
        origin: &str,
        samples: &Samples,
    ) -> Result<(Samples, Samples), Error> {
        self.check()?;
        let mut is_test = vec![false; samples.len()];
        for class in 0..samples.classes().len() {
            for i in self.test_indices(class, samples.labels()) {
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

    /// Returns the indices of the test samples of one class, in random order.
    fn test_indices(&self, class: usize, labels: &[u8]) -> Vec<usize> {
        let is_in_class = |&i: &usize| usize::from(labels[i]) == class;
        let mut indices: Vec<usize> = (0..labels.len()).filter(is_in_class).collect();
        let share = (indices.len() as f64 * self.test_share).round() as usize;
        let most = indices.len().saturating_sub(1);
        let count = share.clamp(1.min(most), most);
        indices.shuffle(&mut self.random(class));
        indices.truncate(count);
        indices
    }

    /// Returns the random stream of a class: adding a class does not change the split of the others.
    fn random(&self, class: usize) -> ChaCha12Rng {
        let mut random = ChaCha12Rng::seed_from_u64(self.seed);
        random.set_stream(class as u64);
        random
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ImageShape;

    /// Returns samples with these labels; the pixel of each sample is its index.
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
    fn a_seed_means_the_same_split_for_ever() {
        let labels: Vec<u8> = (0..20).map(|i| i % 2).collect();
        let (_, test) = rule(1, 0.2).split("here", &samples(&labels)).unwrap();
        assert_eq!(test.pixels(), GOLDEN);
        let (_, other) = rule(2, 0.2).split("here", &samples(&labels)).unwrap();
        assert_ne!(test.pixels(), other.pixels());
    }

    /// Recorded once; a change of these numbers changes every split that users have.
    const GOLDEN: [u8; 4] = [0, 6, 17, 19];

    #[test]
    fn another_class_does_not_change_the_split_of_the_others() {
        let two: Vec<u8> = (0..20).map(|i| i % 2).collect();
        let three = [&two[..], &[2; 5]].concat();
        let (_, expected) = rule(7, 0.3).split("here", &samples(&two)).unwrap();
        let (_, test) = rule(7, 0.3).split("here", &samples(&three)).unwrap();
        assert_eq!(test.pixels()[..expected.len()], *expected.pixels());
    }

    #[test]
    fn classes_of_one_size_are_not_split_alike() {
        let (_, test) = rule(1, 0.5)
            .split("here", &samples(&[0, 1].repeat(40)))
            .unwrap();
        let chosen = |class| {
            let indices = test.pixels().iter().filter(move |&&i| i % 2 == class);
            indices.map(|i| i / 2).collect::<Vec<u8>>()
        };
        assert_ne!(chosen(0), chosen(1));
    }

    #[test]
    fn a_share_outside_zero_to_one_is_refused() {
        for share in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            let error = rule(1, share).split("here", &samples(&[0, 0])).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("test share {share} is not between 0 and 1, both excluded")
            );
        }
    }

    #[test]
    fn without_two_samples_of_a_class_nothing_can_be_held_out() {
        let error = rule(1, 0.5)
            .split("here", &samples(&[0, 1, 2]))
            .unwrap_err();
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
            let (train, test) = rule(seed, share).split("here", &all).unwrap();
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
