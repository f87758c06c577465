//! `(Σ + ρ I)⁻¹` on a device, whole or of low rank.
//!
//! Images vary in few directions: beyond the first hundred or so eigenvalues of their covariance lie far below a usual ridge, and
//! there the inverse is `1/ρ`. A randomized Nyström approximation (Frangella, Tropp and Udell, *Randomized Nyström preconditioning*,
//! 2021, algorithm 2.1) finds those directions, and multiplies by two thin matrices in place of a square one.

use burn::tensor::{Device, Tensor, TensorData};
use faer::linalg::solvers::Llt;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, Par, Side};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Cholesky;
use crate::Result;

/// Smaller matrices are inverted whole.
const SMALLEST: usize = 256;

/// Ranks to try, as shares of the size: with a third of it two thin products cost two thirds of a square one.
const RANKS: [usize; 2] = [6, 3];

/// The least eigenvalue that is kept may be this share of the ridge: the inverse is then off by about as much where it matters least.
const TAIL: f64 = 0.1;

/// The inverse `(Σ + ρ I)⁻¹`.
#[derive(Clone, Debug)]
pub(crate) enum RidgeInverse {
    /// All entries, `[d, d]`.
    Whole(Tensor<2>),
    /// `I/ρ - B Bᵀ`.
    LowRank {
        /// `ρ`.
        ridge: f64,
        /// `B`, `[d, r]`.
        factor: Tensor<2>,
    },
}

impl RidgeInverse {
    /// Returns the inverse for a covariance matrix, and an estimate of the condition of `Σ + ρ I`.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when entries are not finite or `ρ` is too small for their condition.
    pub(super) fn new(covariance: Mat<f64>, ridge: f64, device: &Device) -> Result<(Self, f64)> {
        let size = covariance.nrows();
        if size >= SMALLEST {
            for share in RANKS {
                if let Some(found) = low_rank(&covariance, size / share, ridge, device) {
                    return Ok(found);
                }
            }
        }
        let mut matrix = covariance;
        (0..size).for_each(|i| matrix[(i, i)] += ridge);
        let factor = Cholesky::new(&matrix)?;
        Ok((Self::Whole(factor.inverse(device)), factor.condition()))
    }

    /// Returns `(Σ + ρ I)⁻¹ X` for `X` of shape `[d, columns]`.
    pub(super) fn apply(&self, right: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Whole(inverse) => inverse.clone().matmul(right),
            Self::LowRank { ridge, factor } => {
                let inside = factor.clone().transpose().matmul(right.clone());
                right / *ridge - factor.clone().matmul(inside)
            }
        }
    }
}

/// Returns the approximation of rank `rank`; `None` when it would leave out eigenvalues that are not small.
fn low_rank(
    covariance: &Mat<f64>,
    rank: usize,
    ridge: f64,
    device: &Device,
) -> Option<(RidgeInverse, f64)> {
    let size = covariance.nrows();
    // A fixed seed makes runs repeatable.
    let mut random = ChaCha12Rng::seed_from_u64(0);
    let test = Mat::<f64>::from_fn(size, rank, |_, _| StandardNormal.sample(&mut random));
    let mut sketch = covariance * &test;
    // A shift by the rounding of the sketch keeps its core positive definite, and is taken off again at the end.
    let shift = f64::EPSILON * (size as f64).sqrt() * sketch.norm_l2();
    sketch += faer::Scale(shift) * &test;
    // A covariance that vanishes, or is not finite, has no such core; inverted whole it gives its result or its error.
    let core = Llt::new((test.transpose() * &sketch).as_ref(), Side::Lower).ok()?;
    // `Y L⁻ᵀ`, whose left singular vectors and squared singular values are those of the approximation.
    let mut half = sketch.transpose().to_owned();
    solve_lower_triangular_in_place(core.L(), half.as_mut(), Par::Seq);
    let squares = &half * half.transpose();
    let eigen = squares.self_adjoint_eigen(Side::Lower).ok()?;
    let (values, vectors) = (eigen.S().column_vector(), eigen.U());
    let least = values[0] - shift;
    if least.is_nan() || least > TAIL * ridge {
        return None;
    }
    let value = |i: usize| (values[i] - shift).max(0.0);
    // `1/ρ - 1/(λ + ρ) = λ/(ρ (λ + ρ))`, and `U √λ = Y L⁻ᵀ V`.
    let mut factor = half.transpose() * vectors;
    for j in 0..rank {
        let scale = 1.0 / (ridge * (value(j) + ridge)).sqrt();
        (0..size).for_each(|i| factor[(i, j)] *= scale);
    }
    let entries = (0..size * rank).map(|k| factor[(k / rank, k % rank)]);
    let data = TensorData::new(entries.collect::<Vec<_>>(), [size, rank]);
    let factor = Tensor::from_data(data, device);
    let condition = (value(rank - 1) + ridge) / ridge;
    Some((RidgeInverse::LowRank { ridge, factor }, condition))
}

#[cfg(test)]
mod tests {
    use super::super::read::to_f64;
    use super::*;

    /// `Q diag(λ) Qᵀ` with a product of reflections for `Q`.
    fn covariance(values: &[f64]) -> Mat<f64> {
        let size = values.len();
        let mut random = ChaCha12Rng::seed_from_u64(7);
        let mut basis = Mat::<f64>::identity(size, size);
        for _ in 0..3 {
            let normal = Mat::<f64>::from_fn(size, 1, |_, _| StandardNormal.sample(&mut random));
            let square: f64 = (0..size)
                .map(|i: usize| normal[(i, 0)] * normal[(i, 0)])
                .sum::<f64>();
            let row = normal.transpose() * &basis;
            basis -= faer::Scale(2.0 / square) * (&normal * row);
        }
        let scaled = Mat::from_fn(size, size, |i, j| basis[(i, j)] * values[j]);
        scaled * basis.transpose()
    }

    /// Largest entry of `X (Σ + ρ I) - I` for the inverse `X`.
    fn error(covariance: &Mat<f64>, ridge: f64) -> (RidgeInverse, f64) {
        let device = Device::flex();
        let size = covariance.nrows();
        let (inverse, _) = RidgeInverse::new(covariance.clone(), ridge, &device).unwrap();
        let shifted = (0..size * size).map(|k| {
            let (i, j) = (k / size, k % size);
            (covariance[(i, j)] + if i == j { ridge } else { 0.0 }) as f32
        });
        let data = TensorData::new(shifted.collect::<Vec<_>>(), [size, size]);
        let product = to_f64(inverse.apply(Tensor::from_data(data, &device))).unwrap();
        let entry = |k: usize| product[k] - if k / size == k % size { 1.0 } else { 0.0 };
        let largest = (0..size * size).map(|k| entry(k).abs()).fold(0.0, f64::max);
        (inverse, largest)
    }

    #[test]
    fn a_spectrum_that_falls_fast_is_inverted_at_low_rank() {
        // A spectrum as that of images: 50/i².
        let values: Vec<f64> = (1..=300).map(|i| 50.0 / f64::from(i * i)).collect();
        let covariance = covariance(&values);
        let (inverse, error) = error(&covariance, 1.0);
        assert!(matches!(inverse, RidgeInverse::LowRank { .. }));
        // The least eigenvalue kept is 0.02 of the ridge, and a sketch loses some more.
        assert!(error < TAIL, "{error}");
    }

    #[test]
    fn a_spectrum_that_does_not_fall_is_inverted_whole() {
        let values: Vec<f64> = (0..300).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
        let (inverse, error) = error(&covariance(&values), 0.5);
        assert!(matches!(inverse, RidgeInverse::Whole(_)));
        // f32 products of 300 entries.
        assert!(error < 1e-4, "{error}");
    }

    #[test]
    fn an_inverse_of_low_rank_is_positive_definite() {
        let values: Vec<f64> = (1..=300).map(|i| 1e4 / f64::from(i * i * i)).collect();
        let device = Device::flex();
        let (inverse, condition) = RidgeInverse::new(covariance(&values), 1.0, &device).unwrap();
        assert!(matches!(inverse, RidgeInverse::LowRank { .. }));
        // λ₁ = 1e4 and ρ = 1, to what the sketch finds of the largest eigenvalue.
        assert!((condition / 1e4 - 1.0).abs() < 1e-3, "{condition}");
        // Along the leading eigenvector `1/ρ - |Bᵀx|²` is the difference of two numbers near 1: f32 keeps 1e-7 of them, 1e-3 of it.
        let matrix = covariance(&values);
        let mut leading = Mat::from_fn(300, 1, |i, _| 1.0 + i as f64);
        for _ in 0..50 {
            leading = &matrix * &leading;
            leading *= faer::Scale(1.0 / leading.norm_l2());
        }
        let entries: Vec<f32> = (0..300).map(|i| leading[(i, 0)] as f32).collect();
        let x = Tensor::<2>::from_data(TensorData::new(entries, [300, 1]), &device);
        let form = to_f64((x.clone() * inverse.apply(x)).sum()).unwrap()[0];
        assert!((form * (1e4 + 1.0) - 1.0).abs() < 1e-2, "{form}");
    }
}
