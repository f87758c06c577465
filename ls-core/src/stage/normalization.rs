//! Normalization of the pre-activations of single samples.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::PullBack;
use crate::Result;
use crate::error::ensure;

/// `ε` in `n = (u - mean u) / √(var u + ε)`.
const EPSILON: f64 = 1e-5;

/// Normalization of pre-activations before their activation: in each sample, each group of features gets mean 0 and variance 1,
/// `n = (u - mean u) / √(var u + ε)` with `ε = 1e-5`.
///
/// It has no scale and no shift of its own, as `LayerNorm` and `GroupNorm` of `PyTorch` without `affine`. So the stage stays affine before
/// it, and least squares fit the stage. It depends on single samples alone and keeps no running statistics. There is no useful Lipschitz
/// constant: `1/√ε` is one, and its powers leave nothing of the auxiliary variables. So a network with normalization behind its first stage
/// has no certificate.
///
/// Sources: Ba, Kiros and Hinton, *Layer Normalization* (arXiv 1607.06450); Wu and He, *Group Normalization* (arXiv 1803.08494).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Normalization {
    /// All features of a sample together.
    #[strum(to_string = "layer")]
    Layer,
    /// Groups of neighbouring features or channels.
    #[strum(to_string = "group {groups}")]
    Group {
        /// Number of groups; it divides the number of features or channels.
        groups: usize,
    },
}

impl Normalization {
    /// Checks that the groups are equally large, for so many features or channels.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] where they are not.
    pub fn check(self, channels: usize) -> Result<()> {
        let groups = self.groups();
        let divides = groups > 0 && channels.is_multiple_of(groups);
        let allowed = "a divisor of the number of features or channels";
        ensure(divides, "groups", groups as f64, allowed)
    }

    fn groups(self) -> usize {
        match self {
            Self::Layer => 1,
            Self::Group { groups } => groups,
        }
    }

    /// Normalizes `[samples, features]`, with channels in the order of [`FeatureShape`](crate::shape::FeatureShape).
    pub fn apply(self, u: Tensor<2>) -> Tensor<2> {
        let shape = u.dims();
        self.normalized(u).0.reshape(shape)
    }

    /// Returns the output of [`apply`](Self::apply), and the map that pulls a cotangent of it back to `u`.
    pub fn linearize(self, u: Tensor<2>) -> (Tensor<2>, PullBack) {
        let shape = u.dims();
        let (n, deviation) = self.normalized(u);
        let output = n.clone().reshape(shape);
        let pull_back = move |cotangent: Tensor<2>| {
            let g = cotangent.reshape(n.dims());
            let along = (g.clone() * n.clone()).mean_dim(2);
            let mean = g.clone().mean_dim(2);
            ((g - mean - n * along) / deviation).reshape(shape)
        };
        (output, Box::new(pull_back))
    }

    /// Returns `n` by groups, `[samples, groups, features of a group]`, and `√(var u + ε)`, `[samples, groups, 1]`.
    fn normalized(self, u: Tensor<2>) -> (Tensor<3>, Tensor<3>) {
        let [samples, features] = u.dims();
        let groups = self.groups();
        let u = u.reshape([samples, groups, features / groups]);
        let centred = u.clone() - u.mean_dim(2);
        let variance = (centred.clone() * centred.clone()).mean_dim(2);
        let deviation = (variance + EPSILON).sqrt();
        (centred / deviation.clone(), deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    const BOTH: [Normalization; 2] = [Normalization::Layer, Normalization::Group { groups: 3 }];

    fn sample() -> Tensor<2> {
        let device = Device::flex();
        device.seed(1);
        Tensor::random([5, 12], Distribution::Normal(0.7, 2.0), &device)
    }

    #[test]
    fn every_group_of_a_sample_gets_mean_0_and_variance_1() {
        for normalization in BOTH {
            let groups = normalization.groups();
            let n = normalization.apply(sample());
            let n = n.reshape([5 * groups, 12 / groups]);
            let mean: f32 = n.clone().mean_dim(1).abs().max().into_scalar();
            let off: f32 = ((n.clone() * n).mean_dim(1) - 1.0)
                .abs()
                .max()
                .into_scalar();
            // Rounding of f32 over a dozen terms; ε is 1e-5 of variances that are no less than some tenths.
            assert!(mean < 1e-6 && off < 1e-4, "{normalization}: {mean}, {off}");
        }
    }

    #[test]
    fn a_sample_does_not_depend_on_the_others() {
        for normalization in BOTH {
            let all = normalization.apply(sample());
            let alone = normalization.apply(sample().narrow(0, 3, 1));
            let difference: f32 = (all.narrow(0, 3, 1) - alone).abs().max().into_scalar();
            assert_eq!(difference, 0.0, "{normalization}");
        }
    }

    #[test]
    fn pull_back_is_what_autodiff_finds() {
        for normalization in BOTH {
            let cotangent = sample().sin();
            let leaf = sample().autodiff().require_grad();
            let sum = (normalization.apply(leaf.clone()) * cotangent.clone()).sum();
            let expected = leaf.grad(&sum.backward()).unwrap();
            let (output, pull_back) = normalization.linearize(sample());
            let error: f32 = (pull_back(cotangent) - expected).abs().max().into_scalar();
            // Both round a dozen terms of size 1 in f32.
            assert!(error < 2e-6, "{normalization}: {error}");
            let off: f32 = (output - normalization.apply(sample()))
                .abs()
                .max()
                .into_scalar();
            assert_eq!(off, 0.0);
        }
    }

    #[test]
    fn groups_divide_the_channels() {
        assert!(Normalization::Group { groups: 4 }.check(16).is_ok());
        for groups in [0, 3, 32] {
            let error = Normalization::Group { groups }.check(16).unwrap_err();
            assert!(error.to_string().contains("groups"), "{error}");
        }
    }
}
