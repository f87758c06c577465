//! What ties the blocks of the separated loss together.

use crate::linalg::is_all;
use crate::network::{LipschitzConstant, Network};
use crate::objective::{Weighting, Weights};
use crate::stage::{AnyStage, Lipschitz};
use crate::update::Penalty;
use crate::{Error, Result};

/// The constants that tie the blocks together, kept current as the weights move.
pub(super) struct Separation {
    pub weighting: Weighting,
    lipschitz: Vec<LipschitzConstant>,
    /// What the constants were computed from.
    forms: Vec<Option<Lipschitz>>,
    pub weights: Weights,
}

impl Separation {
    /// At the current weights of a network. Constants of stages whose kernels are those of `last` need not be computed.
    pub(super) fn at(weighting: Weighting, network: &Network, last: Option<Self>) -> Result<Self> {
        let forms: Vec<_> = network
            .stages()
            .iter()
            .map(|stage| stage.lipschitz())
            .collect();
        let known = |l: usize| {
            let last = last.as_ref().filter(|last| last.weighting == weighting)?;
            let (own, new) = (last.forms.get(l)?.as_ref()?, forms[l].as_ref()?);
            is_same(own, new).then(|| last.lipschitz[l].clone())
        };
        let lipschitz = later_constants(weighting, network, known)?;
        let weights = weighting.weights(&lipschitz)?;
        // Blocks are evaluated in the precision of the network, with gradients of twice the weight.
        let limit = network.largest_number() / 2.0;
        if let Some(l) = weights.omega.iter().position(|&omega| omega > limit) {
            let (stage, omega) = (l + 1, weights.omega[l]);
            return Err(Error::WeightTooLarge { stage, omega });
        }
        Ok(Self {
            weights,
            weighting,
            lipschitz,
            forms,
        })
    }

    /// `B_l = (1 + 1/η) κ² (L-1) Σ_{j<l} (Π_j/K_l)² 1/N Σ r_j²`.
    pub(super) fn penalty(&self, l: usize, residuals: &[f64]) -> Penalty {
        let factor = self.weighting.factor(self.weights.omega.len());
        let others = |j: usize| -> f64 {
            let later = (j + 1..self.lipschitz.len()).filter(|&i| i != l);
            // With self-adaptive weights there are all of these constants; with fixed ones the factor is zero.
            later
                .filter_map(|i| self.lipschitz[i].as_ref().ok())
                .product()
        };
        let pressure = |(j, residual): (usize, &f64)| others(j).powi(2) * residual;
        let coefficient: f64 = residuals.iter().take(l).enumerate().map(pressure).sum();
        Penalty {
            coefficient: factor * coefficient,
            norm: self.weighting.norm(),
        }
    }

    /// Takes over the Lipschitz constant of stage `l`, which has moved, where weights depend on it; `known` is its new constant, where a
    /// step has computed it.
    pub(super) fn moved(&mut self, l: usize, stage: &AnyStage, known: Option<f64>) -> Result<()> {
        if l == 0 || matches!(self.weighting, Weighting::Fixed { .. }) {
            return Ok(());
        }
        let norm = self.weighting.norm();
        let constant = match (known, stage.lipschitz()) {
            (Some(constant), _) => constant,
            (None, Some(form)) => form.value(norm)?,
            (None, None) => return Ok(()),
        };
        self.lipschitz[l] = Ok(constant);
        self.forms[l] = stage.lipschitz();
        self.weights = self.weighting.weights(&self.lipschitz)?;
        Ok(())
    }
}

/// Whether two forms of one stage give the same constant.
fn is_same(a: &Lipschitz, b: &Lipschitz) -> bool {
    let (own, other) = (a.kernel.clone().inner(), b.kernel.clone().inner());
    (a.offset, a.factor) == (b.offset, b.factor)
        && own.dims() == other.dims()
        && is_all(own.equal(other))
}

/// `K_2, …, K_L`, behind a place for `K_1`: no weight contains it, and the first stage is often the largest.
fn later_constants(
    weighting: Weighting,
    network: &Network,
    known: impl Fn(usize) -> Option<LipschitzConstant>,
) -> Result<Vec<LipschitzConstant>> {
    let mut constants = vec![Ok(1.0)];
    for l in 1..network.stages().len() {
        constants.push(match known(l) {
            Some(constant) => constant,
            None => network.lipschitz_of(l, weighting.norm())?,
        });
    }
    Ok(constants)
}

/// Weights of the residuals in the reports of networks that have no self-adaptive ones.
const UNBOUNDED: Weighting = Weighting::Fixed { omega: 1.0 };

/// Weights for reports that do not move anything: fixed ones where a stage states no Lipschitz constant.
pub(super) fn reported_weights(weighting: Weighting, network: &Network) -> Result<Weights> {
    let lipschitz = later_constants(weighting, network, |_| None)?;
    match weighting.weights(&lipschitz) {
        Err(Error::NoSelfAdaptiveWeights(_)) => UNBOUNDED.weights(&lipschitz),
        weights => weights,
    }
}
