//! Activations, their derivatives and largest slopes.

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Slope of the leaky relu on the negative side.
const LEAK: f64 = 0.01;

/// An activation `s`, applied entry by entry.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Activation {
    /// `max(u, 0)`.
    Relu,
    /// `u` where positive, `0.01 u` elsewhere.
    LeakyRelu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^{-u})`.
    Sigmoid,
    /// `u Φ(u)` with the normal distribution function `Φ`.
    Gelu,
    /// `u / (1 + e^{-u})`.
    Silu,
    /// `u`.
    Identity,
}

impl Activation {
    /// All activations, in the order in which help lists them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns `s(u)`.
    pub fn apply(self, u: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Relu => activation::relu(u),
            Self::LeakyRelu => activation::leaky_relu(u, LEAK),
            // Accurate to 1e-7 in absolute terms. An exponential is several times faster than a CPU's hyperbolic tangent,
            // which took two thirds of the time of a sweep.
            Self::Tanh => activation::sigmoid(u * 2.0) * 2.0 - 1.0,
            Self::Sigmoid => activation::sigmoid(u),
            Self::Gelu => activation::gelu(u),
            Self::Silu => activation::silu(u),
            Self::Identity => u,
        }
    }

    /// Returns `cotangent · s'(u)`. Slopes that are functions of `h = s(u)` are computed from it.
    pub fn pull_back(self, u: Tensor<2>, h: Tensor<2>, cotangent: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Relu => cotangent.mask_fill(u.lower_equal_scalar(0.0), 0.0),
            Self::LeakyRelu => {
                let leaked = cotangent.clone() * LEAK;
                cotangent.mask_where(u.lower_equal_scalar(0.0), leaked)
            }
            Self::Tanh => cotangent.clone() - cotangent * (h.clone() * h),
            Self::Sigmoid => cotangent * (h.clone() - h.clone() * h),
            Self::Gelu => cotangent * gelu_slope(u),
            Self::Silu => {
                let sigmoid = activation::sigmoid(u);
                // s' = σ + u σ (1 − σ) = σ + h (1 − σ).
                cotangent * (sigmoid.clone() + h.clone() - h * sigmoid)
            }
            Self::Identity => cotangent,
        }
    }

    /// Returns the largest `|s'|`, rounded up: 1.1290 for gelu (attained at `u = √2`), 1.0999 for silu (at `u ≈ 2.3994`).
    pub fn slope(self) -> f64 {
        match self {
            Self::Relu | Self::LeakyRelu | Self::Tanh | Self::Identity => 1.0,
            Self::Sigmoid => 0.25,
            Self::Gelu => 1.1290,
            Self::Silu => 1.0999,
        }
    }

    /// Returns the slope for negative numbers of an activation that is linear there and the identity for positive ones; `None` for the others.
    pub fn negative_slope(self) -> Option<f64> {
        match self {
            Self::Relu => Some(0.0),
            Self::LeakyRelu => Some(LEAK),
            Self::Identity => Some(1.0),
            Self::Tanh | Self::Sigmoid | Self::Gelu | Self::Silu => None,
        }
    }

    /// Returns whether half the signal is lost on average, so that weights start with variance 2/fan-in instead of 1/fan-in.
    pub fn is_rectifier(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu | Self::Gelu | Self::Silu)
    }
}

/// Returns `Φ(u) + u φ(u)`.
fn gelu_slope(u: Tensor<2>) -> Tensor<2> {
    let distribution = (u.clone() * core::f64::consts::FRAC_1_SQRT_2).erf() * 0.5 + 0.5;
    let density = (u.clone() * u.clone() * -0.5).exp() * (1.0 / core::f64::consts::TAU.sqrt());
    distribution + u * density
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn grid() -> Tensor<2> {
        let values: Vec<f32> = (-8000..=8000).map(|i| i as f32 * 1e-3).collect();
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [1, count]), &Device::flex())
    }

    #[test]
    fn no_slope_on_a_fine_grid_exceeds_the_stated_bound_and_the_bound_is_tight() {
        for &s in Activation::ALL {
            let u = grid();
            let slope = s.pull_back(u.clone(), s.apply(u.clone()), u.ones_like());
            let largest = f64::from(slope.abs().max().into_scalar::<f32>());
            // f32 evaluates σ and Φ to a few units in the last place.
            assert!(largest <= s.slope() + 1e-6, "{s}: {largest}");
            assert!(largest >= s.slope() * 0.999, "{s}: {largest}");
        }
    }

    #[test]
    fn pull_back_is_what_autodiff_finds() {
        for &s in Activation::ALL {
            // Off the kink of the rectifiers.
            let u = grid() + 5e-4;
            let leaf = u.clone().autodiff().require_grad();
            let expected = leaf.grad(&s.apply(leaf.clone()).sum().backward()).unwrap();
            let found = s.pull_back(u.clone(), s.apply(u.clone()), u.ones_like());
            let error: f32 = (found - expected).abs().max().into_scalar();
            assert!(error < 2e-6, "{s}: {error}");
        }
    }
}
