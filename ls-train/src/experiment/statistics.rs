//! Statistics over seeds.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Returns the median, for an even number of values the mean of the middle two; not a number for none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}

/// Median and range of some values; not numbers for none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Returns median and range of some values.
    pub(crate) fn new(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        // `min` and `max` ignore what is not a number.
        Self {
            median: median(values.iter().copied()),
            min: values.iter().copied().fold(f64::NAN, f64::min),
            max: values.iter().copied().fold(f64::NAN, f64::max),
        }
    }

    /// Applies an increasing function to median, minimum and maximum.
    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            median: f(self.median),
            min: f(self.min),
            max: f(self.max),
        }
    }
}

/// A mean with its confidence interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl ConfidenceInterval {
    /// Estimates the mean of a normal distribution from `n` independent values: `x̄ ± t s/√n`, with the standard deviation `s` and the
    /// quantile `t` of Student's distribution with `n - 1` degrees of freedom. Fewer than two values have no deviation, and give
    /// `None`.
    pub fn estimate(values: &[f64]) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / (n - 1.0)).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
        let half = t.inverse_cdf(0.5 + 0.5 * CONFIDENCE) * deviation / n.sqrt();
        Some(Self {
            mean,
            low: mean - half,
            high: mean + half,
        })
    }

    /// Applies an increasing function to mean and ends.
    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            mean: f(self.mean),
            low: f(self.low),
            high: f(self.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }

    #[test]
    fn the_interval_is_students() {
        // t = 2.776445 for four degrees of freedom; mean 3, deviation √2.5.
        let interval = ConfidenceInterval::estimate(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let half = 2.776_445_105 * (2.5_f64 / 5.0).sqrt();
        assert_eq!(interval.mean, 3.0);
        // The quantile above has ten digits.
        assert!((interval.high - (3.0 + half)).abs() < 1e-8, "{interval:?}");
        assert!((interval.low - (3.0 - half)).abs() < 1e-8, "{interval:?}");
        assert_eq!(ConfidenceInterval::estimate(&[1.0]), None);
    }

    #[test]
    fn nothing_has_no_spread_and_infinities_are_its_ends() {
        let nothing = Spread::new(core::iter::empty());
        assert!(nothing.median.is_nan() && nothing.min.is_nan() && nothing.max.is_nan());
        let spread = Spread::new([f64::INFINITY, 1.0, 2.0].into_iter());
        let expected = Spread {
            median: 2.0,
            min: 1.0,
            max: f64::INFINITY,
        };
        assert_eq!(spread, expected);
    }
}
