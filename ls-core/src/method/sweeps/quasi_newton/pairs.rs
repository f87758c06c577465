//! The pairs of L-BFGS and the two-loop recursion.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use super::inner;
use super::metric::LayerMetric;
use crate::Result;

/// Least share of the model's curvature `sᵀB s` that a pair may have (Powell's damping).
const LEAST_CURVATURE: f64 = 0.2;

/// A step and the change of the gradient along it.
#[derive(Clone)]
pub(super) struct Pair {
    pub s: Tensor<1>,
    pub y: Tensor<1>,
    /// `sᵀy`.
    pub product: f64,
}

impl Pair {
    /// The pair of a step `s` along which the gradient changes by `y`, where the model expected `B s`.
    ///
    /// With less than a fifth of the expected curvature, `y` is moved towards `B s` until it has that much (Powell 1978; Nocedal and
    /// Wright 2006, section 18.3). `None` where numbers are not finite, or the model expects none.
    pub(super) fn new(s: Tensor<1>, y: Tensor<1>, model: Tensor<1>) -> Result<Option<Self>> {
        let measured = inner(&s, &y)?;
        let expected = inner(&s, &model)?;
        let least = LEAST_CURVATURE * expected;
        if !(expected > 0.0 && measured.is_finite() && expected.is_finite()) {
            return Ok(None);
        }
        if measured >= least {
            let product = measured;
            return Ok(Some(Self { s, y, product }));
        }
        let share = (expected - least) / (expected - measured);
        let y = y * share + model * (1.0 - share);
        let product = inner(&s, &y)?;
        Ok((product > 0.0).then_some(Self { s, y, product }))
    }
}

/// The last pairs, the oldest first.
pub(super) struct Pairs {
    pairs: VecDeque<Pair>,
    history: usize,
}

impl Pairs {
    pub(super) fn new(history: usize) -> Self {
        Self {
            pairs: VecDeque::new(),
            history,
        }
    }

    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    /// Adds a pair, if there is one, in the place of the oldest once there are enough.
    pub(super) fn push(&mut self, pair: Option<Pair>) {
        let Some(pair) = pair else { return };
        self.pairs.push_back(pair);
        if self.pairs.len() > self.history {
            self.pairs.pop_front();
        }
    }

    /// `-H ∇` by the two-loop recursion.
    pub(super) fn direction(&self, gradient: Tensor<1>, metric: &LayerMetric) -> Result<Tensor<1>> {
        let mut q = gradient;
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let alpha = inner(&pair.s, &q)? / pair.product;
            q = q - pair.y.clone() * alpha;
            alphas.push(alpha);
        }
        let mut r = metric.apply(&q) * self.scale(metric)?;
        for (pair, alpha) in self.pairs.iter().zip(alphas.into_iter().rev()) {
            let beta = inner(&pair.y, &r)? / pair.product;
            r = r + pair.s.clone() * (alpha - beta);
        }
        Ok(-r)
    }

    /// `γ = sᵀy / yᵀH_0 y` of the last pair; 1 without one.
    fn scale(&self, metric: &LayerMetric) -> Result<f64> {
        let Some(pair) = self.pairs.back() else {
            return Ok(1.0);
        };
        Ok(pair.product / inner(&pair.y, &metric.apply(&pair.y))?)
    }
}
