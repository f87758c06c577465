//! Weight block: a gradient preconditioned by the covariance of the stage's inputs, with a line search on the separated
//! loss itself.

use core::cmp::Ordering;

use burn::tensor::Tensor;

use super::SUFFICIENT_DECREASE;
use crate::linalg::{Affine, Cholesky, Gram, Norm, Ridge, mean_f64, scalar_f64};
use crate::objective::OutputLoss;
use crate::stage::{AffineStage, AnyStage, Lipschitz};
use crate::{Error, Result};

const TRIALS: usize = 12;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 3.0;

/// Lengths start no shorter, so that a long series of failures does not end at a length of zero.
const SHORTEST: f64 = 1e-12;

/// Keeps the direction finite where the weight of a residual vanishes, as it does behind a head of zeros.
const SMALLEST_CURVATURE: f64 = 1e-30;

/// One stage's weights with everything they meet.
///
/// The part of the separated loss that holds `W_l` is
/// `φ(W) = 1/N Σ_n loss_n(f_l(a_{l-1,n}; W)) + B K_l(W)²`:
/// the weights `ω_j` of the earlier stages hold `K_l²`, so their residuals press on the norm of `W_l`.
pub struct WeightBlock {
    /// `a_{l-1}`, `[samples, d_{l-1}]`.
    pub input: Tensor<2>,
    /// What the stage's output is compared with.
    pub loss: OutputLoss,
    /// The pressure of the earlier residuals.
    pub penalty: Penalty,
}

/// `B K_l(W)²` with `B = Σ_{j<l} ω_j/K_l² · 1/N Σ_n r_{j,n}²`.
#[derive(Clone, Copy, Debug)]
pub struct Penalty {
    /// `B`; 0 for the first stage and for fixed weights.
    pub coefficient: f64,
    /// Norm in which `K_l` is taken.
    pub norm: Norm,
}

/// What a weight step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightStep {
    /// `φ` before.
    pub before: f64,
    /// `φ` after; equal to `before` when no length was accepted.
    pub after: f64,
    /// Mean misfit after: `1/N Σ_n r_n²` at a hidden stage, the mean cross-entropy at the head; without their weights.
    pub misfit_mean: f64,
    /// `K_l` after; `None` when the stage has no bound.
    pub lipschitz: Option<f64>,
    /// Length that was accepted.
    pub accepted: Option<f64>,
    /// Length to try first the next time.
    pub next: f64,
    /// Number of lengths tried.
    pub trials: usize,
}

/// The step `-(ÂᵀÂ/N + μ tr/d I)⁻¹ ∇φ / curvature`, times a length found by backtracking.
#[derive(Clone, Copy, Debug)]
pub struct GramStep {
    /// `μ`, relative to the mean diagonal of the Gram matrix.
    pub damping: f64,
    /// No length above this is tried; infinite for a whole split. See [`longest_for`](Self::longest_for).
    pub longest: f64,
}

impl GramStep {
    /// Longest length for a batch of `rows` rows of `features` features drawn from a larger split, `1 / (1 + d/m)`.
    ///
    /// A full step would fit the noise of the batch in all `d` directions; this is the length at which a least-squares
    /// recursion on Gaussian inputs stays stable in the mean square.
    pub fn longest_for(rows: usize, features: usize) -> f64 {
        rows as f64 / (rows + features) as f64
    }

    /// Factors the preconditioner of a stage at the given inputs.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] when the inputs are not finite.
    pub fn precondition(&self, stage: &AnyStage, input: Tensor<2>) -> Result<Cholesky> {
        Gram::of(affine(stage)?.rows(input)).factor(self.damping, Ridge::SecondMoment)
    }

    /// Moves the weights of `stage` along the preconditioned gradient, if that lowers `φ`.
    ///
    /// `step` is the length to try first; `preconditioner` comes from [`precondition`](Self::precondition).
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the stage is not affine, [`Error::Device`] when the device failed.
    pub fn update(
        &self,
        stage: &mut AnyStage,
        block: &WeightBlock,
        preconditioner: &Cholesky,
        step: f64,
    ) -> Result<WeightStep> {
        let line = Line::new(stage, block, preconditioner)?;
        let (best, step) = line.search(step, self.longest)?;
        if let (Some(coefficients), Some(stage)) = (best, stage.affine_mut()) {
            stage.set_coefficients(coefficients);
        }
        Ok(step)
    }
}

fn affine(stage: &AnyStage) -> Result<&dyn AffineStage> {
    stage.affine().ok_or(Error::Unsupported {
        update: "the Gram-preconditioned weight step",
        stage: 0,
        needs: "affine form",
    })
}

/// `φ` along a direction. The pre-activations are linear in the weights, so a trial costs no product with the inputs.
struct Line<'a> {
    stage: &'a dyn AffineStage,
    block: &'a WeightBlock,
    start: Affine,
    direction: Affine,
    u: Tensor<2>,
    du: Tensor<2>,
    value: Value,
    slope: f64,
}

/// `φ` and its parts at one point.
#[derive(Clone, Copy)]
struct Value {
    misfit: f64,
    total: f64,
    lipschitz: Option<f64>,
}

impl<'a> Line<'a> {
    fn new(stage: &'a AnyStage, block: &'a WeightBlock, preconditioner: &Cholesky) -> Result<Self> {
        let stage = affine(stage)?;
        let start = stage.coefficients();
        let rows = stage.rows(block.input.clone());
        let u = start.apply(rows.clone());
        let (output, pull_back) = stage.linearize_post(u.clone(), &block.input);
        let samples = block.input.dims()[0] as f64;
        let misfit = mean_f64(block.loss.misfit(output.clone()))?;
        let cotangent = pull_back(block.loss.gradient(output) / samples);
        let mut gradient = Affine::pull_back(rows.clone(), cotangent);
        let mut value = Value {
            misfit,
            total: block.loss.weight() * misfit,
            lipschitz: None,
        };
        if let Some(lipschitz) = stage.lipschitz() {
            let (constant, derivative) = lipschitz.value_and_gradient(block.penalty.norm)?;
            let coefficient = block.penalty.coefficient;
            value.lipschitz = Some(constant);
            value.total += coefficient * constant * constant;
            let pressure = derivative * (2.0 * coefficient * constant);
            gradient.kernel = gradient.kernel + pressure;
        }
        let direction = preconditioner
            .solve(&gradient)?
            .scaled(-1.0 / block.loss.curvature().max(SMALLEST_CURVATURE));
        Ok(Self {
            // Leaves the device once per weight step: the slope decides what a trial must achieve.
            slope: scalar_f64(gradient.inner(&direction))?,
            du: direction.apply(rows),
            stage,
            block,
            start,
            direction,
            u,
            value,
        })
    }

    fn at(&self, t: f64) -> Result<(Affine, Value)> {
        let coefficients = self.start.moved(&self.direction, t);
        let u = self.u.clone() + self.du.clone() * t;
        let output = self.stage.post(u, &self.block.input);
        // Leaves the device once per trial: the line search needs the value to decide.
        let misfit = mean_f64(self.block.loss.misfit(output))?;
        // Without pressure on the norm its value waits until a step is taken.
        let coefficient = self.block.penalty.coefficient;
        let lipschitz = if coefficient == 0.0 {
            None
        } else {
            self.lipschitz(&coefficients)?
        };
        let pressure = lipschitz.map_or(0.0, |k| coefficient * k * k);
        let value = Value {
            misfit,
            total: self.block.loss.weight() * misfit + pressure,
            lipschitz,
        };
        Ok((coefficients, value))
    }

    fn lipschitz(&self, coefficients: &Affine) -> Result<Option<f64>> {
        let form = self.stage.lipschitz();
        let kernel = || coefficients.kernel.clone();
        let at = |form: Lipschitz| Lipschitz {
            kernel: kernel(),
            ..form
        };
        form.map(|form| at(form).value(self.block.penalty.norm))
            .transpose()
    }

    fn search(&self, first: f64, longest: f64) -> Result<(Option<Affine>, WeightStep)> {
        let first = first.clamp(SHORTEST, longest);
        if !matches!(self.slope.partial_cmp(&0.0), Some(Ordering::Less)) {
            return Ok((None, self.step(self.value, None, first, 0)));
        }
        let mut best: Option<(f64, Affine, Value)> = None;
        let (mut t, mut trials) = (first, 0);
        while trials < TRIALS && t <= longest {
            trials += 1;
            let (coefficients, value) = self.at(t)?;
            let improves = best
                .as_ref()
                .is_none_or(|(_, _, best)| value.total < best.total);
            if self.falls_enough(t, value) && improves {
                let shrunk = t < first;
                best = Some((t, coefficients, value));
                if shrunk {
                    break;
                }
                t *= GROWTH;
            } else if best.is_some() {
                break;
            } else {
                t /= SHRINK;
            }
        }
        Ok(match best {
            Some((t, coefficients, mut value)) => {
                value.lipschitz = self.lipschitz(&coefficients)?;
                (Some(coefficients), self.step(value, Some(t), t, trials))
            }
            None => (None, self.step(self.value, None, t, trials)),
        })
    }

    fn falls_enough(&self, t: f64, value: Value) -> bool {
        // A comparison with NaN is false: what is not finite is not accepted.
        value.total <= self.value.total + SUFFICIENT_DECREASE * t * self.slope
    }

    fn step(&self, value: Value, accepted: Option<f64>, next: f64, trials: usize) -> WeightStep {
        WeightStep {
            before: self.value.total,
            after: value.total,
            misfit_mean: value.misfit,
            lipschitz: value.lipschitz,
            accepted,
            next,
            trials,
        }
    }
}
