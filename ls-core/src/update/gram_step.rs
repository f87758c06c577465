//! Weights of an affine stage: a gradient preconditioned by the Gram matrix of the inputs, and a line search on the block's
//! own terms of the separated loss.

use burn::tensor::Tensor;

use super::block::{WeightBlock, WeightStep};
use super::direction::PreconditionedGradient;
use super::{Backtracking, Decrease};
use crate::Result;
use crate::linalg::{Cholesky, Gram, Ridge};
use crate::stage::AffineStage;

/// Lengths start no shorter, so that a long series of failures does not end at a length of zero.
const SHORTEST: f64 = 1e-12;

/// The step `-t (ÂᵀÂ/N + μ tr/d I)⁻¹ ∇φ / curvature`, with a length `t` that meets [`Decrease::Sufficient`].
#[derive(Clone, Copy, Debug)]
pub struct GramStep {
    /// `μ`, relative to the mean diagonal of the Gram matrix.
    pub damping: f64,
    /// Longest length that is tried; infinite for a whole split. See [`longest_for`](Self::longest_for).
    pub longest: f64,
}

impl GramStep {
    /// Length to try at first: the minimizer of a residual without activation and without damping.
    pub const FIRST_LENGTH: f64 = 1.0;

    /// Returns the longest length for a batch of `rows` rows of `features` features drawn from a larger split, `1 / (1 + d/m)`.
    ///
    /// A full step would fit the noise of the batch in all `d` directions; this is the length at which a least-squares
    /// recursion on Gaussian inputs stays stable in the mean square.
    pub fn longest_for(rows: usize, features: usize) -> f64 {
        rows as f64 / (rows + features) as f64
    }

    /// Factors the preconditioner of a stage at inputs `[samples, d_{l-1}]`.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when the inputs are not finite, [`crate::Error::Device`] when the device failed.
    pub fn precondition(&self, stage: &dyn AffineStage, input: Tensor<2>) -> Result<Cholesky> {
        Gram::from_rows(stage.rows(input)).factor(self.damping, Ridge::SecondMoment)
    }

    /// Moves the weights of `stage` along the preconditioned gradient, if some length lowers `φ` sufficiently.
    ///
    /// `length` is tried first; `preconditioner` comes from [`precondition`](Self::precondition).
    ///
    /// # Errors
    /// [`crate::Error::ShapeMismatch`] when the preconditioner belongs to other inputs, [`crate::Error::Device`] when the
    /// device failed.
    pub fn update(
        &self,
        stage: &mut dyn AffineStage,
        block: &WeightBlock,
        preconditioner: &Cholesky,
        length: f64,
    ) -> Result<WeightStep> {
        self.update_from(None, stage, block, preconditioner, length)
    }

    /// The same; `known` are the pre-activations of the stage, where they are known.
    pub(crate) fn update_from(
        &self,
        known: Option<Tensor<2>>,
        stage: &mut dyn AffineStage,
        block: &WeightBlock,
        preconditioner: &Cholesky,
        length: f64,
    ) -> Result<WeightStep> {
        let direction = PreconditionedGradient::new(&*stage, block, preconditioner, known)?;
        let start = direction.start();
        let condition = Decrease::Sufficient {
            before: start.total,
            slope: direction.slope(),
        };
        // What a trial must stay below: the start, or the best trial that was accepted.
        let mut least = start.total;
        let found = self.search().run(length, condition, |t| {
            let value = direction.at(t, least)?;
            if condition.is_met(t, value.total) {
                least = least.min(value.total);
            }
            Ok((value.total, value))
        })?;
        if let Some(best) = &found.best {
            stage.set_coefficients(direction.coefficients_at(best.length));
        }
        Ok(WeightStep::new(start, &found))
    }

    fn search(&self) -> Backtracking {
        Backtracking {
            growth: 2.0,
            shrink: 3.0,
            trials: 12,
            expands: true,
            lengths: [SHORTEST, self.longest],
        }
    }
}
