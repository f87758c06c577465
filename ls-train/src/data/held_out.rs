//! The training samples that a run holds out, drawn by its seed.

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;

use crate::config::DataConfig;
use crate::{Error, Result};

/// Stream of random numbers that draws the validation split; streams 1 and 2 draw and order batches.
const VALIDATION_STREAM: u64 = 3;

/// Stream that cuts the training samples into folds.
const FOLD_STREAM: u64 = 6;

/// Indices of the samples to train with, and of those that are held out. Both keep the order of the data set.
type Parts = (Vec<usize>, Vec<usize>);

/// Parts the samples with these labels by the settings of a run; `None` where nothing is held out.
///
/// # Errors
/// [`Error::InvalidConfig`] for a validation split that leaves no sample to train with, and for more folds than samples.
pub(super) fn held_out(labels: &[usize], data: &DataConfig, seed: u64) -> Result<Option<Parts>> {
    if let Some(count) = data.validation {
        return draw(labels.len(), count, seed).map(Some);
    }
    let Some(folds) = data.folds else {
        return Ok(None);
    };
    if folds > labels.len() {
        return Err(Error::InvalidConfig {
            field: "folds",
            value: folds.to_string(),
            allowed: "every fold must have at least one of the training samples",
        });
    }
    Ok(data
        .fold
        .map(|fold| without_fold(labels, folds, fold, seed)))
}

fn random(seed: u64, stream: u64) -> ChaCha12Rng {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    random.set_stream(stream << 40);
    random
}

/// Draws `count` of `samples` samples into a split of their own.
fn draw(samples: usize, count: usize, seed: u64) -> Result<Parts> {
    if count >= samples {
        return Err(Error::InvalidConfig {
            field: "validation",
            value: count.to_string(),
            allowed: "it must leave at least one of the training samples",
        });
    }
    let mut held_out: Vec<usize> = (0..samples).collect();
    held_out.shuffle(&mut random(seed, VALIDATION_STREAM));
    let mut rest = held_out.split_off(count);
    held_out.sort_unstable();
    rest.sort_unstable();
    Ok((rest, held_out))
}

/// Cuts the samples into folds and holds out one of them, counted from 1. Every class is dealt out in turn, so that neither the sizes of
/// two folds nor their samples of a class differ by more than one.
fn without_fold(labels: &[usize], folds: usize, fold: usize, seed: u64) -> Parts {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut random(seed, FOLD_STREAM));
    order.sort_by_key(|&sample| labels[sample]);
    let mut is_out = vec![false; labels.len()];
    for &sample in order.iter().skip(fold - 1).step_by(folds) {
        is_out[sample] = true;
    }
    (0..labels.len()).partition(|&sample| !is_out[sample])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_part_the_samples_and_every_class_evenly() {
        let labels: Vec<usize> = (0..103).map(|i| i * i % 7).collect();
        for folds in [2, 5, 20] {
            let mut seen = vec![0; labels.len()];
            let (mut sizes, mut of_a_class) = (Vec::new(), Vec::new());
            for fold in 1..=folds {
                let (rest, out) = without_fold(&labels, folds, fold, 3);
                assert!(rest.is_sorted() && out.is_sorted());
                assert_eq!(rest.len() + out.len(), labels.len());
                assert!(out.iter().all(|sample| !rest.contains(sample)));
                sizes.push(out.len());
                of_a_class.push(out.iter().filter(|&&sample| labels[sample] == 1).count());
                out.into_iter().for_each(|sample| seen[sample] += 1);
            }
            assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
            for counts in [sizes, of_a_class] {
                let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
                assert!(spread <= 1, "{folds}: {counts:?}");
            }
        }
        assert_ne!(
            without_fold(&labels, 5, 1, 3),
            without_fold(&labels, 5, 1, 4)
        );
    }
}
