//! Exponents of growth.

use serde::Serialize;

/// The exponent `p` of a law `y = c x^p`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exponent {
    /// `p` by least squares on the logarithms of all points.
    pub all: f64,
    /// `p` between the two largest sizes, where constant costs matter least.
    pub largest: f64,
}

impl Exponent {
    /// Fits the law to points `(x, y)` by `p = Σ (ln x - mean)(ln y - mean) / Σ (ln x - mean)²`. Points that are not positive are left
    /// out; `None` for fewer than two sizes.
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let points = points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let mut logarithms: Vec<_> = points.map(|(x, y)| (x.ln(), y.ln())).collect();
        logarithms.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sizes = logarithms.iter().rev().map(|point| point.0);
        let largest = sizes.next()?;
        let second = sizes.find(|&size| size < largest)?;
        let start = logarithms.partition_point(|point| point.0 < second);
        Some(Self {
            all: slope(&logarithms)?,
            largest: slope(&logarithms[start..])?,
        })
    }
}

fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let products = points.iter().map(|point| (point.0 - x) * (point.1 - y));
    let squares: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (points.len() > 1 && squares > 0.0).then(|| products.sum::<f64>() / squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_an_exact_power_is_found() {
        for power in [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0] {
            let sizes = [32.0, 100.0, 4096.0, 1000.0_f64];
            let points = sizes.map(|size| (size, 3e-7 * size.powf(power)));
            let found = Exponent::fit(&points).unwrap();
            // Logarithms of a few units in f64.
            assert!((found.all - power).abs() < 1e-12, "{found:?}");
            assert!((found.largest - power).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn sizes_that_were_measured_twice_count_twice() {
        let points = [(1.0, 1.0), (10.0, 10.0), (100.0, 900.0), (100.0, 1100.0)];
        let found = Exponent::fit(&points).unwrap();
        // The mean of the logarithms at 100 is that of √(900 · 1100).
        let expected = (99e4_f64.sqrt() / 10.0).log10();
        assert!((found.largest - expected).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_constant_cost_lowers_the_exponent_of_all_more_than_that_of_the_largest() {
        let points = [1.0, 10.0, 100.0, 1000.0].map(|size| (size, 50.0 + size));
        let found = Exponent::fit(&points).unwrap();
        assert!(
            found.all < found.largest && found.largest < 1.0,
            "{found:?}"
        );
    }

    #[test]
    fn one_size_has_no_exponent() {
        assert_eq!(Exponent::fit(&[]), None);
        assert_eq!(Exponent::fit(&[(4.0, 1.0)]), None);
        assert_eq!(Exponent::fit(&[(4.0, 1.0), (4.0, 2.0)]), None);
        assert_eq!(Exponent::fit(&[(4.0, 1.0), (8.0, 0.0)]), None);
    }
}
