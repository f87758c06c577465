//! Factors that bring the displacements of all stages to one size.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The factors `c_l` of the displacements.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Scaling {
    /// `c_l = 1`.
    None,
    /// The same root mean square displacement at all stages, which undoes vanishing gradients.
    Rms,
    /// The same Euclidean norm of the displacement of a row (a sample, or a position of a convolution) at all stages.
    Norm,
}

impl Scaling {
    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The factors `c_l`, given the sum of the squares of each stage's gradients, their shape, `[rows, d_out]`, and whether it is
    /// fitted: one that is not has no displacement, and a factor of 0. They are relative to the last stage, whose gradients are those
    /// of its pre-activations, or of the logits themselves.
    pub(super) fn factors(self, squares: &[f64], dims: &[[usize; 2]], fitted: &[bool]) -> Vec<f64> {
        let size = |(&square, &[rows, columns]): (&f64, &[usize; 2])| match self {
            Self::None => 1.0,
            Self::Rms => (square / (rows * columns) as f64).sqrt(),
            Self::Norm => (square / rows as f64).sqrt(),
        };
        let sizes: Vec<_> = squares.iter().zip(dims).map(size).collect();
        let last = sizes.last().copied().unwrap_or(1.0);
        let factor = |(&size, &is_fitted): (&f64, &bool)| match is_fitted {
            true if size > 0.0 => last / size,
            // A stage whose gradients vanish stays where it is.
            true => 1.0,
            false => 0.0,
        };
        sizes.iter().zip(fitted).map(factor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::VariantArray;

    #[test]
    fn a_stage_that_is_not_fitted_has_no_part_in_the_factors_of_the_others() {
        for &scaling in Scaling::VARIANTS {
            let [three, five, seven] = [[30, 3], [60, 5], [30, 7]];
            let expected = scaling.factors(&[4.0, 9.0, 1.0], &[three, five, seven], &[true; 3]);
            let [first, second, last] = expected[..] else {
                panic!("three factors");
            };
            assert_eq!(last, 1.0);
            let found = scaling.factors(
                &[4.0, 1e9, 9.0, 1.0],
                &[three, five, five, seven],
                &[true, false, true, true],
            );
            assert_eq!(found, [first, 0.0, second, last], "{scaling:?}");
            // A head that is not fitted still has the gradients of the logits, which the others are compared with.
            let found = scaling.factors(
                &[4.0, 9.0, 1.0],
                &[three, five, seven],
                &[true, true, false],
            );
            assert_eq!(found, [first, second, 0.0], "{scaling:?}");
        }
    }
}
