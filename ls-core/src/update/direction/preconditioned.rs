//! The preconditioned gradient of a weight block, for a stage with the affine view.

use burn::tensor::Tensor;

use crate::Result;
use crate::device::runs_on_host;
use crate::linalg::{Affine, Cholesky, scalar_f64};
use crate::stage::{AffineStage, Lipschitz};
use crate::update::block::{WeightBlock, WeightBlockValue};

/// Keeps the direction finite where the weight of a residual vanishes, as it does behind a head of zeros.
const SMALLEST_CURVATURE: f64 = 1e-30;

/// `-P⁻¹ ∇φ / curvature` in the coefficients `[W; b]` of a stage, with `φ` along it.
///
/// `P` is a factored Gram matrix of the stage's inputs, and the curvature that of the stage's [`OutputLoss`], so that a
/// length of 1 would minimize a residual without activation. The pre-activations are linear in the weights, so a trial
/// costs no product with the inputs.
///
/// [`OutputLoss`]: crate::objective::OutputLoss
pub(in crate::update) struct PreconditionedGradient<'a> {
    stage: &'a dyn AffineStage,
    block: &'a WeightBlock,
    coefficients: Affine,
    direction: Affine,
    /// Pre-activations at length 0, and their derivative by the length.
    pre_activations: [Tensor<2>; 2],
    start: WeightBlockValue,
    slope: f64,
}

impl<'a> PreconditionedGradient<'a> {
    /// Computes the direction at the weights of a stage; `known` are its pre-activations, where they are known.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub(in crate::update) fn new(
        stage: &'a dyn AffineStage,
        block: &'a WeightBlock,
        preconditioner: &Cholesky,
        known: Option<Tensor<2>>,
    ) -> Result<Self> {
        let coefficients = stage.coefficients();
        let rows = stage.rows(block.input.clone());
        let of_outputs = || {
            let u = known.unwrap_or_else(|| coefficients.apply(rows.clone()));
            let (misfit, gradient) = outputs(stage, block, &rows, u.clone());
            (u, misfit, gradient)
        };
        let of_constant = || constant(stage, block);
        // The constant depends on the weights alone, and its small matrices leave processors idle.
        let (found, constant) = match runs_on_host(&block.input.device()) {
            true => rayon::join(of_outputs, of_constant),
            false => (of_outputs(), of_constant()),
        };
        let (u, misfit, mut gradient) = found;
        let constant = constant?;
        if let Some((constant, derivative)) = &constant {
            let pressure = derivative.clone() * (2.0 * block.penalty.coefficient * constant);
            gradient.kernel = gradient.kernel + pressure;
        }
        let start = block.value_of(misfit, constant.map(|(constant, _)| constant))?;
        let direction = preconditioner
            .solve(&gradient)?
            .scaled(-1.0 / block.loss.curvature().max(SMALLEST_CURVATURE));
        Ok(Self {
            // Leaves the device once per weight step: the slope decides what a trial must achieve.
            slope: scalar_f64(gradient.inner(&direction))?,
            pre_activations: [u, direction.apply(rows)],
            stage,
            block,
            coefficients,
            direction,
            start,
        })
    }

    /// Returns `φ` at length 0.
    pub(in crate::update) fn start(&self) -> WeightBlockValue {
        self.start
    }

    /// Returns the derivative of `φ` by the length at 0.
    pub(in crate::update) fn slope(&self) -> f64 {
        self.slope
    }

    /// Returns the coefficients at length `t`.
    pub(in crate::update) fn coefficients_at(&self, t: f64) -> Affine {
        self.coefficients.moved(&self.direction, t)
    }

    /// Returns `φ` at length `t`. Its `K_l` is left out where `φ` does not depend on it, and where the term of the outputs alone reaches
    /// `enough`: a trial with so large a `φ` is rejected.
    pub(in crate::update) fn at(&self, t: f64, enough: f64) -> Result<WeightBlockValue> {
        let [u, du] = &self.pre_activations;
        let output = self
            .stage
            .post(u.clone() + du.clone() * t, &self.block.input);
        let value = self.block.value(output, None)?;
        if !self.block.has_penalty() || value.total >= enough {
            return Ok(value);
        }
        let constant = self.lipschitz(&self.coefficients_at(t))?;
        Ok(self.block.with_constant(value, constant))
    }

    /// Returns `K_l` of the stage with other coefficients; `None` when it has no bound.
    fn lipschitz(&self, coefficients: &Affine) -> Result<Option<f64>> {
        let moved = |form| Lipschitz {
            kernel: coefficients.kernel.clone(),
            ..form
        };
        let form = self.stage.lipschitz().map(moved);
        form.map(|form| form.value(self.block.penalty.norm))
            .transpose()
    }
}

/// Misfits of the outputs at pre-activations `u`, `[samples]`, and the gradient of the mean of their terms in the coefficients.
fn outputs(
    stage: &dyn AffineStage,
    block: &WeightBlock,
    rows: &Tensor<2>,
    u: Tensor<2>,
) -> (Tensor<1>, Affine) {
    let samples = block.input.dims()[0] as f64;
    let (output, pull_back) = stage.linearize_post(u, &block.input);
    let (misfit, cotangent) = block.loss.misfit_and_gradient(output);
    let gradient = Affine::pull_back(rows.clone(), pull_back(cotangent / samples));
    (misfit, gradient)
}

/// `K_l` and its derivative in the kernel; `None` where no earlier residual presses on it, or where there is no bound.
fn constant(stage: &dyn AffineStage, block: &WeightBlock) -> Result<Option<(f64, Tensor<2>)>> {
    let form = stage.lipschitz().filter(|_| block.has_penalty());
    form.map(|form| form.value_and_gradient(block.penalty.norm))
        .transpose()
}
