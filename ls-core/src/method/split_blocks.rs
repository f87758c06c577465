//! Blocks of a network that is split at its pre-activations: `u_l = Â_l V_l` and `a_l = post_l(u_l, a_{l-1})` become penalties.
//!
//! Several auxiliary-variable methods share them. Values are in units of the penalty parameter, for each sample:
//! `½ ‖a_l - post_l(u_l, a_{l-1})‖² + ½ ‖u_l - Â_l V_l‖²`. No block ends above where it began.

use burn::tensor::{Tensor, activation::relu};

use super::stage_role::{StageRole, has_binary_weights};
use crate::linalg::Gram;
use crate::network::Network;
use crate::objective::square_norms;
use crate::stage::{Activation, AffineStage, AnyStage};
use crate::{Error, Result};

/// Steps of a block without a closed form.
const STEPS: usize = 3;

/// Lengths that are tried along a direction, each half as long as the one before.
const TRIALS: usize = 6;

/// Checks that a network can be split at all of its pre-activations.
///
/// # Errors
/// [`Error::Unsupported`] for a stage without the affine view, or one that is frozen in part.
pub(super) fn check_affine(network: &Network, update: &'static str) -> Result<Vec<StageRole>> {
    let roles = StageRole::all_affine(network);
    for (l, (stage, role)) in network.stages().iter().zip(&roles).enumerate() {
        let needs = match (stage.is_affine(), role) {
            (false, _) => "affine view, which splits it at its pre-activations",
            (true, StageRole::Gradient) if has_binary_weights(stage) => {
                "weights of more than one bit"
            }
            (true, StageRole::Gradient) => "coefficients that all move: a part of them is frozen",
            (true, StageRole::Affine | StageRole::Frozen) => continue,
        };
        let stage = l + 1;
        return Err(Error::Unsupported {
            update,
            stage,
            needs,
        });
    }
    Ok(roles)
}

/// Returns the affine view of stage `l`, counted from 0.
pub(super) fn affine<'a>(
    network: &'a Network,
    l: usize,
    update: &'static str,
) -> Result<&'a dyn AffineStage> {
    network.stages()[l].affine().ok_or(Error::Unsupported {
        update,
        stage: l + 1,
        needs: "affine view",
    })
}

/// Returns `Â V`, `[rows, d_out]`, of a stage at an input.
pub(super) fn pre_activation(stage: &dyn AffineStage, input: &Tensor<2>) -> Tensor<2> {
    stage.coefficients().apply(stage.rows(input.clone()))
}

/// The pre-activations of one stage with all that they meet.
pub(super) struct PreActivationBlock<'a> {
    pub stage: &'a AnyStage,
    pub affine: &'a dyn AffineStage,
    /// `a_{l-1}`.
    pub input: &'a Tensor<2>,
    /// `a_l`, `[samples, d_l]`.
    pub output: &'a Tensor<2>,
    /// `Â V`, `[rows, d_out]`.
    pub fitted: Tensor<2>,
    /// Weight `p` of a proximal term `p/2 ‖u - start‖²`.
    pub proximity: f64,
}

impl PreActivationBlock<'_> {
    /// Returns pre-activations that minimize the block where the stage is dense and its activation linear on either side of zero, and
    /// lower it elsewhere.
    pub(super) fn lowered(&self, start: Tensor<2>) -> Tensor<2> {
        // The outputs of other stages are pooled, moved to other places, or have their inputs added.
        let activation = match self.stage {
            AnyStage::Dense(dense) => dense.entrywise_activation(),
            _ => None,
        };
        match activation.map(|activation| (activation, activation.negative_slope())) {
            Some((_, Some(slope))) => self.minimizer(slope, start),
            Some((activation, None)) => self.newton(activation, start),
            None => self.descended(start),
        }
    }

    /// The better one of the minimizers for positive and for negative entries.
    fn minimizer(&self, slope: f64, start: Tensor<2>) -> Tensor<2> {
        let p = self.proximity;
        let near = self.fitted.clone() + start.clone() * p;
        let positive = relu((self.output.clone() + near.clone()) / (2.0 + p));
        let negative = (self.output.clone() * slope + near) / (1.0 + p + slope * slope);
        let negative = relu(negative.neg()).neg();
        let value = |u: &Tensor<2>, s: f64| {
            square(self.output.clone() - u.clone() * s)
                + square(u.clone() - self.fitted.clone())
                + square(u.clone() - start.clone()) * p
        };
        let is_negative = value(&negative, slope).lower(value(&positive, 1.0));
        positive.mask_where(is_negative, negative)
    }

    /// Steps of Gauss and Newton for every entry.
    fn newton(&self, activation: Activation, start: Tensor<2>) -> Tensor<2> {
        let p = self.proximity;
        let value = |u: &Tensor<2>| {
            square(self.output.clone() - activation.apply(u.clone()))
                + square(u.clone() - self.fitted.clone())
                + square(u.clone() - start.clone()) * p
        };
        let mut u = start.clone();
        for _ in 0..STEPS {
            let h = activation.apply(u.clone());
            let slope = activation.pull_back(u.clone(), h.clone(), u.ones_like());
            let pull = (self.output.clone() - h) * slope.clone()
                + (self.fitted.clone() - u.clone())
                + (start.clone() - u.clone()) * p;
            let step = pull / (slope.clone() * slope + (1.0 + p));
            let (mut least, mut best) = (value(&u), u.clone());
            for trial in 0..TRIALS {
                let moved = u.clone() + step.clone() * 0.5_f64.powi(trial as i32);
                let value = value(&moved);
                let is_lower = value.clone().lower(least.clone());
                least = least.mask_where(is_lower.clone(), value);
                best = best.mask_where(is_lower, moved);
            }
            u = best;
        }
        u
    }

    /// Gradient steps of each sample.
    fn descended(&self, start: Tensor<2>) -> Tensor<2> {
        let samples = self.output.dims()[0];
        let (p, shape) = (self.proximity, start.dims());
        let flat = move |u: Tensor<2>| {
            let [rows, columns] = u.dims();
            u.reshape([samples, rows * columns / samples])
        };
        let value = |u: Tensor<2>| {
            let u = u.reshape(shape);
            let near =
                square(u.clone() - self.fitted.clone()) + square(u.clone() - start.clone()) * p;
            let output = self.affine.post(u, self.input);
            square_norms(self.output.clone() - output) + sums(flat(near))
        };
        let gradient = |u: Tensor<2>| {
            let u = u.reshape(shape);
            let (output, pull_back) = self.affine.linearize_post(u.clone(), self.input);
            let near = (u.clone() - self.fitted.clone()) + (u - start.clone()) * p;
            flat(pull_back(output - self.output.clone()) + near)
        };
        let moved = descend(flat(start.clone()), 2.0 / (1.0 + p), value, gradient);
        moved.reshape(shape)
    }
}

/// The output `a_l` of a stage as a variable, with all that it meets: its own stage, and the next one.
pub(super) struct OutputBlock<'a> {
    /// `post_l(u_l, a_{l-1})`, `[samples, d_l]`.
    pub target: Tensor<2>,
    pub next: &'a AnyStage,
    pub next_affine: &'a dyn AffineStage,
    /// `u_{l+1}`.
    pub next_pre_activation: &'a Tensor<2>,
    /// `a_{l+1}`.
    pub next_output: &'a Tensor<2>,
}

impl OutputBlock<'_> {
    /// Returns the variable that minimizes the block where the next stage is dense, and one that lowers it elsewhere.
    ///
    /// # Errors
    /// Those of the inverse: [`Error::NotPositiveDefinite`] when weights are not finite, [`Error::Device`] when the device failed.
    pub(super) fn lowered(&self, start: Tensor<2>) -> Result<Tensor<2>> {
        match self.next {
            AnyStage::Dense(_) => self.minimizer(),
            _ => Ok(descend(start, 1.0, |a| self.value(a), |a| self.gradient(a))),
        }
    }

    /// `(target + (u - b) Wᵀ) (I + W Wᵀ)⁻¹`.
    fn minimizer(&self) -> Result<Tensor<2>> {
        let coefficients = self.next_affine.coefficients();
        let transposed = coefficients.kernel.transpose();
        let inverse = Gram::from_rows(transposed.clone()).inverse_plus(1.0)?;
        let centred = self.next_pre_activation.clone() - coefficients.bias.unsqueeze();
        Ok((self.target.clone() + centred.matmul(transposed)).matmul(inverse))
    }

    /// Twice the terms of each sample.
    fn value(&self, a: Tensor<2>) -> Tensor<1> {
        let samples = a.dims()[0];
        let fitted = pre_activation(self.next_affine, &a);
        let u = self.next_pre_activation.clone();
        let output = self.next_affine.post(u.clone(), &a);
        let [rows, columns] = u.dims();
        let misfit = (u - fitted).reshape([samples, rows * columns / samples]);
        square_norms(a - self.target.clone())
            + square_norms(misfit)
            + square_norms(output - self.next_output.clone())
    }

    /// The derivative of the terms of each sample.
    pub(super) fn gradient(&self, a: Tensor<2>) -> Tensor<2> {
        let u = self.next_pre_activation.clone();
        let misfit = pre_activation(self.next_affine, &a) - u.clone();
        // Only through a skip connection does the output depend on the variable beside the pre-activations.
        let output = self.next_affine.post(u, &a) - self.next_output.clone();
        a - self.target.clone() + self.next_affine.pull_to_input(misfit, output)
    }

    /// Returns `‖g‖² + ‖A g‖²`, `[1]`, for the linear map `A` from the variable to all that it enters: the curvature along `g`, times `‖g‖²`.
    pub(super) fn curvature_along(&self, g: Tensor<2>, at: &Tensor<2>) -> Tensor<1> {
        let coefficients = self.next_affine.coefficients();
        let linear = self.next_affine.rows(g.clone()).matmul(coefficients.kernel);
        let u = self.next_pre_activation.clone();
        let output = |a: &Tensor<2>| self.next_affine.post(u.clone(), a);
        let through = output(&(at.clone() + g.clone())) - output(at);
        square(g).sum() + square(linear).sum() + square(through).sum()
    }
}

/// `v²`, entry by entry.
fn square(v: Tensor<2>) -> Tensor<2> {
    v.clone() * v
}

/// Sums of rows, `[samples]`.
fn sums(rows: Tensor<2>) -> Tensor<1> {
    rows.sum_dim(1).squeeze_dim(1)
}

/// Moves every sample along its gradient, by the best of falling lengths that lowers its value, a few times.
fn descend(
    start: Tensor<2>,
    longest: f64,
    value: impl Fn(Tensor<2>) -> Tensor<1>,
    gradient: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let mut point = start;
    for _ in 0..STEPS {
        let direction = gradient(point.clone());
        let (mut least, mut best) = (value(point.clone()), point.clone());
        for trial in 0..TRIALS {
            let moved = point.clone() - direction.clone() * (longest * 0.5_f64.powi(trial as i32));
            let value = value(moved.clone());
            let is_lower = value.clone().lower(least.clone());
            least = least.mask_where(is_lower.clone(), value);
            let is_lower = is_lower.unsqueeze_dim::<2>(1).expand(moved.dims());
            best = best.mask_where(is_lower, moved);
        }
        point = best;
    }
    point
}

#[cfg(test)]
#[path = "split_blocks_tests.rs"]
mod tests;
