//! Sums over samples that leave the device instead of the terms themselves.

use burn::tensor::Tensor;

/// Samples whose terms make up one sum, which is a sum of 4 sums of 8: with fewer roundings than one after the other.
const GROUP: usize = 4 * 8;

/// Returns the number of sums that [`sample_sums`] gives for so many samples.
pub(crate) fn sample_sum_count(samples: usize) -> usize {
    samples.div_ceil(GROUP)
}

/// Returns sums over groups of at most 32 samples, `[rows, ⌈samples/32⌉]`, for rows of terms, `[rows, samples]`, of at least one sample.
/// What is left is added in f64 at home.
///
/// All terms must be of one sign. Then nothing cancels, and however small they are, the relative error of a sum is at most ten roundings.
/// Which samples make up a group follows from their number alone, and not from the device.
pub(crate) fn sample_sums(terms: Tensor<2>) -> Tensor<2> {
    let [rows, samples] = terms.dims();
    let groups = sample_sum_count(samples);
    let missing = groups * GROUP - samples;
    let terms = match missing {
        0 => terms,
        _ => {
            let zeros = Tensor::zeros([rows, missing], (&terms.device(), terms.dtype()));
            Tensor::cat(vec![terms, zeros], 1)
        }
    };
    // Neighbours are in different groups: sums over these dimensions add whole arrays, in the same order on every processor.
    let grouped: Tensor<4> = terms.reshape([rows, 4, 8, groups]);
    grouped.sum_dim(2).sum_dim(1).reshape([rows, groups])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::linalg::to_f64;

    fn terms(samples: usize) -> Vec<f32> {
        let term = |n: usize| 10f32.powi(-((n * 7) as i32 % 30)) * (1.0 + n as f32 / 3.0);
        (0..2 * samples).map(term).collect()
    }

    #[test]
    fn sums_of_any_number_of_terms_keep_the_digits_of_the_smallest_ones() {
        for samples in [1, 31, 32, 33, 160, 163] {
            let values = terms(samples);
            let data = TensorData::new(values.clone(), [2, samples]);
            let sums = sample_sums(Tensor::from_data(data, &Device::flex()));
            assert_eq!(sums.dims(), [2, sample_sum_count(samples)]);
            let groups = sums.dims()[1];
            for (i, found) in to_f64(sums).unwrap().into_iter().enumerate() {
                let (row, group) = (i / groups, i % groups);
                let members = (group..samples).step_by(groups);
                let members: Vec<_> = members
                    .map(|n| f64::from(values[row * samples + n]))
                    .collect();
                assert!((1..=GROUP).contains(&members.len()));
                let expected: f64 = members.iter().sum();
                // Ten roundings of f32.
                let tolerance = 10.0 * 0.5 * f64::from(f32::EPSILON) * expected;
                assert!((found - expected).abs() <= tolerance, "{found} {expected}");
            }
        }
    }
}
