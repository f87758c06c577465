//! How far f32 may lie from the reference: allowances derived from the numbers at hand, never fixed tolerances.

use super::reference::{EPSILON, Layer, Problem, activate, map, norm, reach, slope};
use ls_core::objective::Weights;
use ls_core::stage::{Activation, Pooling};

impl Problem {
    /// How far rounding can push f32 logits apart, forward and separated, in sample `n`: with growth factors `Π_l`, a
    /// stage's rounding is one more residual. The cross-entropy adds the rounding of its log-odds, a few units of the
    /// largest margin and of the sum over the classes.
    pub(crate) fn distance_roundings(&self, n: usize, growth: &[f64]) -> [f64; 2] {
        let outputs = self.forward(n);
        let head = self.hidden();
        let own = |z: &[f64]| {
            let margin = z
                .iter()
                .map(|v| (v - z[self.labels[n]]).abs())
                .fold(0.0, f64::max);
            EPSILON * (3.0 * margin + z.len() as f64 + 4.0)
        };
        let mut forward = own(&outputs[head]);
        let mut separated = own(&self.layers[head].forward(self.input(head, n)));
        for (l, layer) in self.layers.iter().enumerate() {
            let factor = growth.get(l).copied().unwrap_or(1.0);
            let input = if l == 0 {
                &self.inputs[n]
            } else {
                &outputs[l - 1]
            };
            forward += factor * layer.rounding(input);
            separated += factor * self.output_rounding(l, n);
        }
        [forward, separated]
    }

    /// Rounding of the output of stage `l`, or of the residual there, at the auxiliary variables.
    fn output_rounding(&self, l: usize, n: usize) -> f64 {
        let residual = if l < self.hidden() {
            self.residual(l, n)
        } else {
            0.0
        };
        let features = self.auxiliary.get(l).map_or(0, |rows| rows[n].len());
        let sum = (features + 4) as f64;
        self.layers[l].rounding(self.input(l, n)) + EPSILON * sum * residual
    }

    /// How far an f32 evaluation of `S_n` may lie from the exact one.
    pub(crate) fn separated_rounding(&self, n: usize, weights: &Weights) -> f64 {
        let ce = self.head_loss(n);
        let own = self.distance_roundings(n, &vec![0.0; self.hidden()])[1];
        let head = weights.head * (reach(ce, own) - reach(ce, -own));
        let penalty = |l: usize| {
            let rounding = self.output_rounding(l, n);
            weights.omega[l] * (2.0 * self.residual(l, n) + rounding) * rounding
        };
        let sum = head + (0..self.hidden()).map(penalty).sum::<f64>();
        sum + 16.0 * EPSILON * self.separated(n, weights)
    }
}

impl Layer {
    /// How far an f32 evaluation of the stage at `h` may lie from the exact one, in the 2-norm.
    ///
    /// A sum of `d + 1` products in any order errs by at most `(d + 1) ε/2` of the sum of their moduli; the activation
    /// passes that on by its slope and adds a few units of its own, relative to its argument and its value
    /// (for the hyperbolic tangent relative to 1: the library takes it from the sigmoid, as `2 σ(2u) - 1`). Pooling takes the
    /// largest or the mean of its window's errors, and a mean adds the rounding of its own sum; so does a skip connection.
    pub(crate) fn rounding(&self, h: &[f64]) -> f64 {
        let moduli = Self {
            kernel: map(&self.kernel, f64::abs),
            bias: self.bias.iter().map(|b| b.abs()).collect(),
            activation: Activation::Identity,
            layout: self.layout.clone(),
        };
        let sums = moduli.pre(&h.iter().map(|v| v.abs()).collect::<Vec<_>>());
        let factor = slope(self.activation) * (self.kernel.len() + 1) as f64;
        let absolute = if self.activation == Activation::Tanh {
            2.0
        } else {
            0.0
        };
        let own = |u: f64| 4.0 * (u.abs() + activate(self.activation, u).abs()) + absolute;
        let entries = sums
            .iter()
            .zip(self.pre(h))
            .map(|(sum, u)| EPSILON * (factor * sum + own(u)));
        let mut entries: Vec<f64> = entries.collect();
        if let Some(geometry) = &self.layout.geometry {
            if let Some(Pooling::Average { size }) = geometry.config.pooling {
                let active = self
                    .pre(h)
                    .into_iter()
                    .map(|u| activate(self.activation, u));
                let sum = EPSILON * (size * size + 1) as f64;
                entries
                    .iter_mut()
                    .zip(active)
                    .for_each(|(e, v)| *e += sum * v.abs());
            }
            entries = geometry.pool(&entries);
        }
        if self.layout.skip {
            let output = self.forward(h);
            entries
                .iter_mut()
                .zip(output)
                .for_each(|(e, v)| *e += EPSILON * v.abs());
        }
        norm(&entries)
    }
}
