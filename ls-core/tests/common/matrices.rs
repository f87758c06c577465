//! Matrices that are hard on norms.

use super::reference::{Matrix, dot, map, norm, transpose};
use super::{Random, single};

/// Number of kinds that [`special_matrix`] knows.
pub(crate) const KINDS: usize = 5;

/// Gaussian, rank one, orthogonal, one large entry among small ones, zero.
pub(crate) fn special_matrix(kind: usize, [m, n]: [usize; 2], scale: f64, seed: u64) -> Matrix {
    let mut random = Random::new(seed);
    match kind {
        0 => random.matrix([m, n], scale),
        1 => {
            let (column, row) = (random.matrix([m, 1], scale), random.matrix([1, n], 1.0));
            let line = |a: &Vec<f64>| row[0].iter().map(|b| single(a[0] * b)).collect();
            column.iter().map(line).collect()
        }
        2 => map(&orthogonal([m, n], &mut random), |v| single(v * scale)),
        3 => {
            // Squares just below half a unit of the first one: what a careless sum in f32 drops.
            let mut matrix = vec![vec![single(scale * 0.999 * 2_f64.powf(-12.5)); n]; m];
            matrix[0][0] = single(scale);
            matrix
        }
        _ => vec![vec![0.0; n]; m],
    }
}

/// Orthonormal rows or columns, by Gram and Schmidt, twice.
pub(crate) fn orthogonal([m, n]: [usize; 2], random: &mut Random) -> Matrix {
    let mut basis: Matrix = Vec::new();
    for mut row in random.matrix([m.min(n), m.max(n)], 1.0) {
        for _ in 0..2 {
            for other in &basis {
                let c = dot(&row, other);
                row.iter_mut().zip(other).for_each(|(v, o)| *v -= c * o);
            }
        }
        let length = norm(&row);
        basis.push(row.iter().map(|v| v / length).collect());
    }
    if m > n { transpose(&basis) } else { basis }
}
