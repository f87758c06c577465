//! The blocks of the separated loss: the terms that hold one auxiliary variable, or the weights of one stage.

use burn::tensor::Tensor;

use super::SearchOutcome;
use crate::Result;
use crate::linalg::{Norm, mean_f64};
use crate::objective::OutputLoss;
use crate::stage::{AnyStage, PullBack};

/// The auxiliary variable of one hidden stage with everything it meets, for the samples of a batch.
///
/// Given the weights, the separated loss is a sum over samples; the terms that hold `a_l` are
/// `ψ_n(a) = ω_l ‖a_n - f_l(a_{l-1,n})‖² + next_loss_n(f_{l+1}(a_n))`.
pub struct AuxiliaryBlock<'a> {
    /// `f_l(a_{l-1})`, `[samples, d_l]`.
    pub target: Tensor<2>,
    /// `ω_l`.
    pub omega: f64,
    /// The stage that `a_l` feeds.
    pub next: &'a AnyStage,
    /// The term of the separated loss that the output of that stage enters.
    pub next_loss: OutputLoss,
}

impl AuxiliaryBlock<'_> {
    /// Returns `ψ_n(a)`, `[samples]`, for `a` of shape `[samples, d_l]`.
    pub fn per_sample(&self, value: Tensor<2>) -> Tensor<1> {
        self.own_loss().per_sample(value.clone())
            + self.next_loss.per_sample(self.next.forward(value))
    }

    /// Returns `∂ψ_n/∂a_n`, `[samples, d_l]`.
    pub fn gradient(&self, value: Tensor<2>) -> Tensor<2> {
        let next = Linearized::new(self.next, value.clone());
        self.own_loss().gradient(value) + self.next_misfit_and_gradient(next).1
    }

    /// Returns the misfit of the next stage without its weight, and the gradient of its term by `a_n`.
    pub(super) fn next_misfit_and_gradient(&self, next: Linearized) -> (Tensor<1>, Tensor<2>) {
        let (misfit, cotangent) = self.next_loss.misfit_and_gradient(next.output);
        (misfit, (next.pull_back)(cotangent))
    }

    /// Returns the misfit of the own stage, `r_{l,n}²`, and the gradient of its term.
    pub(super) fn own_misfit_and_gradient(&self, value: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        self.own_loss().misfit_and_gradient(value)
    }

    /// Returns `r_{l,n}²`, `[samples]`.
    pub(super) fn own_misfit(&self, value: Tensor<2>) -> Tensor<1> {
        self.own_loss().misfit(value)
    }

    fn own_loss(&self) -> OutputLoss {
        OutputLoss::Residual {
            target: self.target.clone(),
            omega: self.omega,
        }
    }
}

/// A stage at an input: its output, and the map that pulls a cotangent of the output back to the input.
pub(super) struct Linearized {
    /// `f(a)`, `[samples, d_out]`.
    pub(super) output: Tensor<2>,
    pub(super) pull_back: PullBack,
}

impl Linearized {
    pub(super) fn new(stage: &AnyStage, input: Tensor<2>) -> Self {
        let (output, pull_back) = stage.linearize(input);
        Self { output, pull_back }
    }
}

/// The weights of one stage with everything they meet.
///
/// The terms of the separated loss that hold `W_l` are
/// `φ(W) = 1/N Σ_n loss_n(f_l(a_{l-1,n}; W)) + B K_l(W)²`:
/// the weights `ω_j` of the earlier stages contain `K_l²`, so their residuals press on the norm of `W_l`.
pub struct WeightBlock {
    /// `a_{l-1}`, `[samples, d_{l-1}]`.
    pub input: Tensor<2>,
    /// The term of the separated loss that the output of the stage enters.
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

/// `φ` and its terms at some weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightBlockValue {
    /// `φ`.
    pub(super) total: f64,
    /// Mean misfit without its weight.
    pub(super) misfit: f64,
    /// `K_l`; `None` when the stage has no bound or `φ` does not depend on it.
    pub(super) lipschitz: Option<f64>,
}

impl Penalty {
    /// No pressure.
    pub const NONE: Self = Self {
        coefficient: 0.0,
        norm: Norm::Frobenius,
    };
}

impl WeightBlock {
    /// Returns `φ` for outputs `[samples, d_l]` of the stage and its constant `K_l`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub(super) fn value(
        &self,
        output: Tensor<2>,
        lipschitz: Option<f64>,
    ) -> Result<WeightBlockValue> {
        self.value_of(self.loss.misfit(output), lipschitz)
    }

    /// Whether `φ` depends on `K_l`.
    pub(super) fn has_penalty(&self) -> bool {
        self.penalty.coefficient != 0.0
    }

    /// Returns `φ` for misfits `[samples]` and the constant `K_l`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub(super) fn value_of(
        &self,
        misfit: Tensor<1>,
        lipschitz: Option<f64>,
    ) -> Result<WeightBlockValue> {
        // Leaves the device once per trial: a line search needs the value to decide.
        let misfit = mean_f64(misfit)?;
        let outputs = WeightBlockValue {
            total: self.loss.weight() * misfit,
            misfit,
            lipschitz: None,
        };
        Ok(self.with_constant(outputs, lipschitz))
    }

    /// Adds the pressure on a constant `K_l` to the term of the outputs.
    pub(super) fn with_constant(
        &self,
        outputs: WeightBlockValue,
        lipschitz: Option<f64>,
    ) -> WeightBlockValue {
        let pressure = lipschitz.map_or(0.0, |k| self.penalty.coefficient * k * k);
        WeightBlockValue {
            total: outputs.total + pressure,
            lipschitz,
            ..outputs
        }
    }
}

/// The report of a weight step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightStep {
    /// `φ` before.
    pub before: f64,
    /// `φ` after; equal to `before` when no length was accepted.
    pub after: f64,
    /// Mean misfit after: `1/N Σ_n r_n²` at a hidden stage, the mean cross-entropy at the head; without their weights.
    pub misfit_mean: f64,
    /// `K_l` after; `None` when the stage has no bound, or where `φ` does not depend on it and it was not computed.
    pub lipschitz: Option<f64>,
    /// Length that was accepted.
    pub accepted: Option<f64>,
    /// Length to try first the next time.
    pub next: f64,
    /// Number of lengths tried.
    pub trials: usize,
}

impl WeightStep {
    /// Reports a search that started at the value `start`; its payload is the value at the accepted length.
    pub(super) fn new(start: WeightBlockValue, search: &SearchOutcome<WeightBlockValue>) -> Self {
        let end = search.best.as_ref().map_or(start, |best| best.payload);
        Self {
            before: start.total,
            after: end.total,
            misfit_mean: end.misfit,
            lipschitz: end.lipschitz,
            accepted: search.best.as_ref().map(|best| best.length),
            next: search.next,
            trials: search.trials,
        }
    }
}
