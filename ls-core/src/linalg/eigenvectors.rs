//! Orthonormal bases of symmetric matrices, computed on the host.

use burn::tensor::{Tensor, TensorData};
use faer::traits::RealField;
use faer::{Mat, Side};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::read::to_f64;

/// Directions that the subspace iteration carries beyond those that it returns.
const OVERSAMPLING: usize = 16;

/// Products with the matrix in a subspace iteration: each multiplies what is left of the rest by a ratio of eigenvalues.
const ITERATIONS: usize = 3;

/// Returns the eigenvectors of a symmetric matrix `[d, d]` as columns, in falling order of the eigenvalues; `None` when it is not
/// finite.
pub(crate) fn eigenvectors(matrix: &Tensor<2>) -> Option<Tensor<2>> {
    let vectors = descending(&to_matrix::<f64>(matrix.clone())?)?;
    Some(from_matrix(&vectors, matrix))
}

/// Returns about the leading `rank` eigenvectors of a symmetric matrix `[d, d]`, `[d, rank]`, by a subspace iteration from a fixed
/// random start (Halko, Martinsson and Tropp 2011, algorithm 4.4); `None` when it is not finite.
pub(crate) fn leading_eigenvectors(matrix: &Tensor<2>, rank: usize) -> Option<Tensor<2>> {
    let [d, _] = matrix.dims();
    let columns = rank + OVERSAMPLING;
    if columns >= d {
        let all = eigenvectors(matrix)?;
        return Some(all.narrow(1, 0, rank.min(d)));
    }
    // A fixed seed makes runs repeatable.
    let mut random = ChaCha12Rng::seed_from_u64(0);
    let start = Mat::<f64>::from_fn(d, columns, |_, _| StandardNormal.sample(&mut random));
    let mut basis = from_matrix(&start, matrix);
    for _ in 0..ITERATIONS {
        basis = orthonormal::<f64>(matrix.clone().matmul(basis))?;
    }
    let core = basis
        .clone()
        .transpose()
        .matmul(matrix.clone().matmul(basis.clone()));
    let rotation = eigenvectors(&core)?.narrow(1, 0, rank);
    Some(basis.matmul(rotation))
}

/// Returns an orthonormal basis of the columns of a matrix, from first to last, computed in the number type `T`; `None` when it is
/// not finite.
pub(crate) fn orthonormal<T: Real>(columns: Tensor<2>) -> Option<Tensor<2>> {
    let matrix = to_matrix::<T>(columns.clone())?;
    Some(from_matrix(&matrix.qr().compute_thin_Q(), &columns))
}

fn descending(matrix: &Mat<f64>) -> Option<Mat<f64>> {
    let d = matrix.nrows();
    let found = matrix.self_adjoint_eigen(Side::Lower).ok()?;
    Some(Mat::from_fn(d, d, |i, j| found.U()[(i, d - 1 - j)]))
}

/// Reads a matrix from the device; `None` when it is not finite.
fn to_matrix<T: Real>(tensor: Tensor<2>) -> Option<Mat<T>> {
    let [rows, columns] = tensor.dims();
    let entries = to_f64(tensor).ok()?;
    let is_finite = entries.iter().all(|entry| entry.is_finite());
    let entry = |i: usize, j: usize| T::from_f64(entries[i * columns + j]);
    is_finite.then(|| Mat::from_fn(rows, columns, entry))
}

/// Sends a matrix to the device and in the number type of a tensor.
fn from_matrix<T: Real>(matrix: &Mat<T>, like: &Tensor<2>) -> Tensor<2> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let entries = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)].to_f64()));
    let data = TensorData::new(entries.collect::<Vec<f64>>(), [rows, columns]);
    Tensor::from_data(data.convert_dtype(like.dtype()), &like.device())
}

/// A number type of decompositions on the host.
pub(crate) trait Real: RealField + Copy {
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    /// `Q diag(λ) Qᵀ` with random `Q`, and `Q`.
    fn matrix(values: &[f64]) -> (Tensor<2>, Tensor<2>) {
        let (d, device) = (values.len(), Device::flex());
        device.seed(4);
        let random = Tensor::<2>::random([d, d], Distribution::Normal(0.0, 1.0), &device);
        let basis = orthonormal::<f64>(random).unwrap();
        let values = Tensor::<1>::from_floats(
            values
                .iter()
                .map(|&v| v as f32)
                .collect::<Vec<_>>()
                .as_slice(),
            &device,
        );
        let scaled = basis.clone() * values.unsqueeze::<2>();
        (scaled.matmul(basis.clone().transpose()), basis)
    }

    fn largest(tensor: Tensor<2>) -> f64 {
        tensor.abs().max().into_scalar()
    }

    #[test]
    fn eigenvectors_come_in_falling_order() {
        let (matrix, basis) = matrix(&[1.0, 8.0, 4.0, 2.0]);
        let found = eigenvectors(&matrix).unwrap();
        let overlap = found.transpose().matmul(basis).abs();
        let data = to_f64(overlap).unwrap();
        for (row, column) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            // f32 entries of the matrix against gaps of 1.
            assert!((data[4 * row + column] - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn leading_eigenvectors_span_what_a_falling_spectrum_has_most_of() {
        let values: Vec<f64> = (1..=200).map(|i| 50.0 / f64::from(i * i)).collect();
        let (matrix, basis) = matrix(&values);
        let found = leading_eigenvectors(&matrix, 20).unwrap();
        let gram = found.clone().transpose().matmul(found.clone());
        let identity = Tensor::<2>::eye(20, &Device::flex());
        // f32 products of 200 entries.
        assert!(largest(gram - identity) < 1e-5);
        let first = basis.narrow(1, 0, 10);
        let inside = found
            .clone()
            .matmul(found.transpose().matmul(first.clone()));
        // Eigenvalue 10 is 13 times eigenvalue 36, the last that is carried: three products leave 13⁻³ of its tail.
        assert!(largest(first - inside) < 1e-3);
    }

    #[test]
    fn what_is_not_finite_has_no_eigenvectors() {
        let broken = Tensor::<2>::full([3, 3], f32::NAN, &Device::flex());
        assert!(eigenvectors(&broken).is_none());
        assert!(leading_eigenvectors(&broken, 1).is_none());
    }
}
