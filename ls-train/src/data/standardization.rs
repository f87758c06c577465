//! Mean 0 and deviation 1, per channel over all pixels of the training split.

use ls_datasets::{ImageShape, Samples};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each channel, in units of the largest pixel value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel; 1 where all pixels are equal.
    pub deviation: Vec<f64>,
}

impl Standardization {
    /// Fits to a training split.
    pub fn fit(train: &Samples) -> Self {
        let channels = train.shape().channels;
        let plane = train.shape().height * train.shape().width;
        let scale = 1.0 / f64::from(train.pixel_max());
        let (mut sums, mut squares) = (vec![0u64; channels], vec![0u64; channels]);
        for (i, pixels) in train.pixels().chunks(plane).enumerate() {
            for &pixel in pixels {
                sums[i % channels] += u64::from(pixel);
                squares[i % channels] += u64::from(pixel) * u64::from(pixel);
            }
        }
        let count = (train.len() * plane) as f64;
        let mean: Vec<f64> = sums.iter().map(|&sum| sum as f64 / count * scale).collect();
        let deviation = squares.iter().zip(&mean).map(|(&square, mean)| {
            let variance = square as f64 / count * scale * scale - mean * mean;
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        });
        Self {
            deviation: deviation.collect(),
            mean,
        }
    }

    /// The value of a pixel without intensity, for each channel.
    pub fn background(&self) -> Vec<f64> {
        let channels = self.mean.iter().zip(&self.deviation);
        channels
            .map(|(mean, deviation)| -mean / deviation)
            .collect()
    }

    /// Standardised pixels of images of a shape, `[samples, features]` in row-major order.
    pub fn apply(&self, pixels: &[u8], shape: ImageShape, pixel_max: u8) -> Vec<f32> {
        let plane = shape.height * shape.width;
        let channels = shape.channels;
        let scale = 1.0 / f64::from(pixel_max);
        let tables: Vec<[f32; 256]> = (0..channels)
            .map(|c| {
                core::array::from_fn(|pixel| {
                    ((pixel as f64 * scale - self.mean[c]) / self.deviation[c]) as f32
                })
            })
            .collect();
        let planes = pixels.chunks(plane).enumerate();
        planes
            .flat_map(|(i, pixels)| {
                let table = &tables[i % channels];
                pixels.iter().map(move |&pixel| table[usize::from(pixel)])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_training_split_comes_out_with_mean_0_and_deviation_1() {
        let digits = ls_datasets::Source::DIGITS
            .load(None, &ls_datasets::SplitRule::default())
            .unwrap();
        let values = {
            let (train, fitted) = (&digits.train, Standardization::fit(&digits.train));
            fitted.apply(train.pixels(), train.shape(), train.pixel_max())
        };
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
        // f32 values, f64 sums.
        assert!(mean.abs() < 1e-6, "{mean}");
        assert!((square - 1.0).abs() < 1e-6, "{square}");
    }
}
