//! Steps of L-BFGS in a layer-wise metric, between the fits.
//!
//! The direction is that of limited-memory BFGS (Nocedal 1980; Nocedal and Wright 2006, algorithm 7.4) on `F + λ/2 Σ ‖W_l‖²` in the
//! coefficients of all stages. Its initial inverse Hessian is the [`LayerMetric`] of the descent form, `γ c_l P_l ∇_{V_l} M_l`, with
//! `γ = sᵀy / yᵀH_0 y` of the last pair. The length begins at 1 and is halved until the loss falls enough (Armijo).
//!
//! Pairs keep at least a fifth of the curvature `sᵀB s` that the step expected (Powell's damping), so that `H` stays positive definite
//! where the loss is not convex. Between clearings of the memory there are finitely many pairs; on a bounded level set of a loss with
//! a Lipschitz gradient the inverse Hessians then lie between positive bounds, every step is a descent, and limit points of the
//! steps are stationary.

mod metric;
mod pairs;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::control::Candidate;
use super::full_batch::{FirstStage, FullBatch, Gradients, Iterate, SumsOf};
use crate::linalg::{Affine, scalar_f64};
use crate::method::MethodState;
use crate::method::stage_role::set_all_coefficients;
use crate::network::Network;
use crate::update::{AcceptedTrial, Backtracking, Decrease, SearchOutcome, is_noticeable_decrease};
use crate::{Error, Result};

use metric::LayerMetric;
use pairs::{Pair, Pairs};

/// Steps after which the metric is formed anew.
const REFRESH: usize = 10;

/// The search along a direction that pairs have made, whose length is near 1.
const WITH_PAIRS: Backtracking = Backtracking {
    growth: 1.0,
    shrink: 2.0,
    trials: 3,
    expands: false,
    lengths: [1.0, 1.0],
};

/// The search along the metric's own direction. A longer first step would lower the loss more, and leave a pair that slows the next
/// ones.
const METRIC_ALONE: Backtracking = Backtracking {
    trials: 10,
    ..WITH_PAIRS
};

/// Memory of the steps.
pub(super) struct QuasiNewton {
    pairs: Pairs,
    metric: Option<LayerMetric>,
    /// Steps since the metric was formed.
    age: usize,
}

/// A step that lowered the loss.
pub(super) struct QuasiNewtonStep {
    pub iterate: Iterate,
    pub gradients: Gradients,
    /// Length along the direction.
    pub length: f64,
    pub trials: usize,
    pub refreshed: bool,
}

impl QuasiNewton {
    pub(super) fn new(history: usize) -> Self {
        Self {
            pairs: Pairs::new(history),
            metric: None,
            age: 0,
        }
    }

    /// Forgets everything that belongs to samples.
    pub(super) fn forget(&mut self) {
        self.pairs.clear();
        self.metric = None;
    }

    /// One step of the network from an iterate at its weights, in the metric of `candidate`; `None`, no move and no memory where no
    /// step lowers the loss noticeably.
    pub(super) fn step(
        &mut self,
        network: &mut Network,
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        gradients: &Gradients,
        candidate: &Candidate,
        first: &mut FirstStage,
    ) -> Result<Option<QuasiNewtonStep>> {
        let refreshed = self.metric.is_none() || self.age >= REFRESH;
        if refreshed {
            match LayerMetric::new(samples, iterate, gradients, candidate, first) {
                Ok(metric) => (self.metric, self.age) = (Some(metric), 0),
                // Too little damping for these inputs; the fits find more.
                Err(Error::NotPositiveDefinite(_)) => {
                    self.forget();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let gradient = flat(&samples.coefficient_gradients(iterate, gradients));
        let Some((direction, best, trials)) = self.descend(samples, iterate, &gradient)? else {
            self.forget();
            return Ok(None);
        };
        let reached = best.payload;
        // A backward pass goes through the weights of the network, which are then those of the step.
        set_all_coefficients(network, &reached.coefficients)?;
        let after = samples
            .with(network)
            .backward(&reached, SumsOf::AllStages)?;
        let change = flat(&samples.coefficient_gradients(&reached, &after)) - gradient.clone();
        // `s = -t H ∇`, so that the model's own change of the gradient is `-t ∇`.
        let model = -gradient * best.length;
        self.pairs
            .push(Pair::new(direction * best.length, change, model)?);
        self.age += 1;
        Ok(Some(QuasiNewtonStep {
            iterate: reached,
            gradients: after,
            length: best.length,
            trials,
            refreshed,
        }))
    }

    /// The direction of a step, the trial that was accepted along it, and the number of all trials.
    ///
    /// Where the loss is far from the model that the pairs make of it, even short steps along their direction are rejected. Then the
    /// pairs are dropped, and the metric starts alone again.
    fn descend(
        &mut self,
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        gradient: &Tensor<1>,
    ) -> Result<Option<(Tensor<1>, AcceptedTrial<Iterate>, usize)>> {
        let Some(metric) = &self.metric else {
            return Ok(None);
        };
        let searches: &[Backtracking] = match self.pairs.is_empty() {
            true => &[METRIC_ALONE],
            false => &[WITH_PAIRS, METRIC_ALONE],
        };
        let mut trials = 0;
        for &lengths in searches {
            let direction = self.pairs.direction(gradient.clone(), metric)?;
            let outcome = search(samples, iterate, gradient, &direction, lengths)?;
            trials += outcome.trials;
            if let Some(best) = outcome.best {
                return Ok(Some((direction, best, trials)));
            }
            self.pairs.clear();
        }
        Ok(None)
    }

    /// Adds the memory to a saved state.
    pub(super) fn save(&self, state: &mut MethodState) -> SavedQuasiNewton {
        for pair in self.pairs.iter() {
            state.push(pair.s.clone());
            state.push(pair.y.clone());
        }
        SavedQuasiNewton {
            age: self.age,
            products: self.pairs.iter().map(|pair| pair.product).collect(),
            metric: self.metric.as_ref().map(|metric| metric.save(state)),
        }
    }

    /// Takes back what [`save`](Self::save) gave.
    pub(super) fn restore(
        &mut self,
        saved: SavedQuasiNewton,
        state: &mut MethodState,
    ) -> Result<()> {
        self.pairs.clear();
        for product in saved.products {
            let (s, y) = (state.take()?, state.take()?);
            self.pairs.push(Some(Pair { s, y, product }));
        }
        let metric = saved
            .metric
            .map(|metric| LayerMetric::restore(metric, state));
        self.metric = metric.transpose()?;
        self.age = saved.age;
        Ok(())
    }
}

/// Numbers of the memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedQuasiNewton {
    age: usize,
    /// `sᵀy` of the pairs.
    products: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metric: Option<metric::SavedMetric>,
}

/// Searches for a length at which the loss falls enough, and noticeably.
fn search(
    samples: &FullBatch<'_>,
    iterate: &Iterate,
    gradient: &Tensor<1>,
    direction: &Tensor<1>,
    lengths: Backtracking,
) -> Result<SearchOutcome<Iterate>> {
    let condition = Decrease::Sufficient {
        before: iterate.loss,
        slope: inner(direction, gradient)?,
    };
    let mut outcome = lengths.run(1.0, condition, |length| {
        let coefficients = moved(&iterate.coefficients, direction, length);
        let reached = samples.evaluate(coefficients, &[], iterate.conditions.clone())?;
        Ok((reached.loss, reached))
    })?;
    let falls = |best: &AcceptedTrial<_>| is_noticeable_decrease(iterate.loss, best.value);
    outcome.best = outcome.best.filter(falls);
    Ok(outcome)
}

/// All coefficients of the stages that are fitted as one vector.
fn flat(stages: &[Option<Affine>]) -> Tensor<1> {
    let flattened = stages.iter().flatten().flat_map(|stage| {
        let [d_in, d_out] = stage.kernel.dims();
        let kernel = stage.kernel.clone().reshape([d_in * d_out]);
        [kernel, stage.bias.clone()]
    });
    Tensor::cat(flattened.collect(), 0)
}

/// The parts of a vector that belong to the stages of `like`.
fn split(vector: &Tensor<1>, like: &[Option<[usize; 2]>]) -> Vec<Option<Affine>> {
    let mut start = 0;
    let mut take = |count: usize| {
        let part = vector.clone().narrow(0, start, count);
        start += count;
        part
    };
    let stage = |dims: &Option<[usize; 2]>| {
        dims.map(|[d_in, d_out]| Affine {
            kernel: take(d_in * d_out).reshape([d_in, d_out]),
            bias: take(d_out),
        })
    };
    like.iter().map(stage).collect()
}

fn dims(stages: &[Option<Affine>]) -> Vec<Option<[usize; 2]>> {
    let dims = |stage: &Option<Affine>| stage.as_ref().map(|stage| stage.kernel.dims());
    stages.iter().map(dims).collect()
}

fn moved(from: &[Option<Affine>], direction: &Tensor<1>, length: f64) -> Vec<Option<Affine>> {
    let parts = split(direction, &dims(from));
    let pairs = from.iter().zip(parts);
    pairs
        .map(|(stage, part)| Some(stage.as_ref()?.moved(&part?, length)))
        .collect()
}

fn inner(a: &Tensor<1>, b: &Tensor<1>) -> Result<f64> {
    scalar_f64((a.clone() * b.clone()).sum())
}

#[cfg(test)]
mod tests;
