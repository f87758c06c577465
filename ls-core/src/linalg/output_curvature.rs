//! The second moment of a stage's output gradients, and the metric that it gives to displacements.

use burn::tensor::{Device, Tensor};
use faer::Mat;

use super::Cholesky;
use super::read::to_f64;
use crate::Result;

/// `G/t` with `G = 1/m Σ g gᵀ` over rows and `t = tr G / d`: the output-side factor of K-FAC (Martens and Grosse 2015), with a mean
/// diagonal of 1.
#[derive(Clone, Debug)]
pub(crate) struct OutputCurvature {
    moment: Mat<f64>,
    device: Device,
}

/// `M = (1 + ν) (G/t + ν I)⁻¹`, a positive definite metric that is the identity where `G` is a multiple of it.
#[derive(Clone, Debug)]
pub(crate) struct OutputMetric {
    /// `M`, `[d, d]`.
    pub matrix: Tensor<2>,
    /// `Σ |g M|² / Σ |g|²` over the rows that `G` was formed from.
    pub shrinkage: f64,
}

impl OutputCurvature {
    /// Takes `Σ g gᵀ`, `[d, d]`, in any multiple; `None` where gradients vanish, or are not finite: there no metric is better than
    /// another.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub(crate) fn new(sum: Tensor<2>) -> Result<Option<Self>> {
        let [d, _] = sum.dims();
        let device = sum.device();
        // Leaves the device: once per stage and backward pass, for the host solve.
        let entries = to_f64(sum)?;
        let t = (0..d).map(|i| entries[i * d + i]).sum::<f64>() / d as f64;
        let usable = t > 0.0 && t.is_finite();
        Ok(usable.then(|| Self {
            moment: Mat::from_fn(d, d, |i, j| entries[i * d + j] / t),
            device,
        }))
    }

    /// The metric at a damping `ν`.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when `ν` is too small for the condition of `G`, or `G` is not finite.
    pub(crate) fn metric(&self, damping: f64) -> Result<OutputMetric> {
        let d = self.moment.nrows();
        let mut damped = self.moment.clone();
        (0..d).for_each(|i| damped[(i, i)] += damping);
        let matrix = Cholesky::new(&damped)?.inverse(&self.device) * (1.0 + damping);
        // `tr M G M / tr G`.
        let entries = to_f64(matrix.clone())?;
        let metric = Mat::from_fn(d, d, |i, j| entries[i * d + j]);
        let product = &self.moment * &metric;
        let rows = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
        let trace: f64 = rows.map(|(i, j)| metric[(j, i)] * product[(i, j)]).sum();
        Ok(OutputMetric {
            matrix,
            shrinkage: trace / d as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};

    fn rows(count: usize, d: usize, device: &Device) -> Tensor<2> {
        device.seed(5);
        // Columns of very different size, and correlated.
        let scales: Vec<f32> = (0..d).map(|i| 0.5_f32.powi(i as i32)).collect();
        let scales = Tensor::<1>::from_data(TensorData::new(scales, [d]), device);
        let random = Tensor::<2>::random([count, d], Distribution::Normal(0.0, 1.0), device);
        random.clone() * scales.unsqueeze() + random.sum_dim(1) * 0.1
    }

    #[test]
    fn the_metric_inverts_the_damped_moment_and_knows_its_shrinkage() {
        let device = Device::flex();
        let (m, d) = (200, 6);
        let g = rows(m, d, &device);
        let sum = g.clone().transpose().matmul(g.clone());
        let curvature = OutputCurvature::new(sum.clone()).unwrap().unwrap();
        for damping in [10.0, 1.0, 0.1] {
            let metric = curvature.metric(damping).unwrap();
            let t = to_f64(sum.clone())
                .unwrap()
                .iter()
                .step_by(d + 1)
                .sum::<f64>()
                / d as f64;
            let identity = Tensor::<2>::eye(d, &device);
            let damped = sum.clone() / t + identity.clone() * damping;
            let product = damped.matmul(metric.matrix.clone()) / (1.0 + damping);
            let error = to_f64((product - identity).abs().max()).unwrap()[0];
            // f32 products of matrices with a condition of at most (d + ν)/ν = 61.
            assert!(
                error < 61.0 * d as f64 * f64::from(f32::EPSILON),
                "{damping}: {error}"
            );
            let moved = g.clone().matmul(metric.matrix);
            let squares = |x: Tensor<2>| to_f64((x.clone() * x).sum()).unwrap()[0];
            let expected = squares(moved) / squares(g.clone());
            // f32 products of six entries, and sums of 1,200 squares.
            assert!(
                (metric.shrinkage / expected - 1.0).abs() < 1e-4,
                "{damping}"
            );
        }
    }

    #[test]
    fn much_damping_leaves_displacements_as_they_are() {
        let device = Device::flex();
        let g = rows(50, 4, &device);
        let curvature = OutputCurvature::new(g.clone().transpose().matmul(g)).unwrap();
        let metric = curvature.unwrap().metric(1e6).unwrap();
        let distance = to_f64((metric.matrix - Tensor::eye(4, &device)).abs().max()).unwrap()[0];
        // `M - I = (I - G/t)/ν` to first order, and the eigenvalues of `G/t` are at most d.
        assert!(distance < 5e-6, "{distance}");
        // Twice that, to first order.
        assert!((metric.shrinkage - 1.0).abs() < 1e-5);
    }

    #[test]
    fn gradients_that_vanish_or_are_not_finite_have_no_curvature() {
        let device = Device::flex();
        for value in [0.0, f32::NAN, f32::INFINITY] {
            let sum = Tensor::<2>::full([3, 3], value, &device);
            assert!(OutputCurvature::new(sum).unwrap().is_none(), "{value}");
        }
    }
}
