//! Activations, their derivatives and largest slopes.

use super::{Normalization, PullBack};
use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Slope of the leaky relu on the negative side.
const LEAK: f64 = 0.01;

/// Steepness of the soft hinge loss of units that jump.
const MARGIN: f64 = 4.0;

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
    /// 1 where `u > 0`, -1 elsewhere.
    Sign,
    /// 1 where `u > 0`, 0 elsewhere.
    Step,
}

impl Activation {
    /// All activations, in the order in which help lists them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Those with a slope, which all laws of derivatives and bounds are about; [`Sign`](Self::Sign) and [`Step`](Self::Step) have none.
    pub const CONTINUOUS: &[Self] = &[
        Self::Relu,
        Self::LeakyRelu,
        Self::Tanh,
        Self::Sigmoid,
        Self::Gelu,
        Self::Silu,
        Self::Identity,
    ];

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns `s(u)`.
    ///
    /// Autodiff sees the straight-through estimator of [`Sign`](Self::Sign) and [`Step`](Self::Step): the slope 1 for `|u| ≤ 1`, and 0
    /// elsewhere (Hubara et al. 2016, arXiv 1602.02830).
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
            Self::Sign => straight_through(u, -1.0),
            Self::Step => straight_through(u, 0.0),
        }
    }

    /// Returns `cotangent · s'(u)`. Slopes that are functions of `h = s(u)` are computed from it.
    ///
    /// [`Sign`](Self::Sign) and [`Step`](Self::Step) have no slope. The sign of the cotangent `c` says on which side a unit should be,
    /// `t = -sign c`, and its size how much depends on it. So the unit is a classifier of its target `t`, of importance `|c|`, and the result
    /// is the gradient of its soft hinge loss `|c| (1 - tanh(4 t u))/4`: `c (1 - tanh²(4 u))` (Friesen and Domingos 2018, arXiv 1710.11573,
    /// with `tanh(t u)`; the steeper loss does better here).
    pub fn pull_back(self, u: Tensor<2>, h: Tensor<2>, cotangent: Tensor<2>) -> Tensor<2> {
        match self {
            // On the CPU a product is many times faster than a mask that fills in place.
            Self::Relu => cotangent * u.greater_elem(0.0).float(),
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
            Self::Sign | Self::Step => {
                let margin = (u * MARGIN).tanh();
                cotangent.clone() - cotangent * (margin.clone() * margin)
            }
        }
    }

    /// Returns `s(n(u))` of a normalization `n`, or `s(u)`, and the map that pulls a cotangent of it back to `u`.
    pub(super) fn linearize_after(
        self,
        normalization: Option<Normalization>,
        u: Tensor<2>,
    ) -> (Tensor<2>, PullBack) {
        let (u, before) = match normalization {
            Some(normalization) => normalization.linearize(u),
            None => (u, Box::new(|cotangent| cotangent) as PullBack),
        };
        let h = self.apply(u.clone());
        let output = h.clone();
        let pull_back = move |cotangent| before(self.pull_back(u, h, cotangent));
        (output, Box::new(pull_back))
    }

    /// Returns the largest `|s'|`, rounded up: 1.1290 for gelu (attained at `u = √2`), 1.0999 for silu (at `u ≈ 2.3994`); `None` for
    /// activations that jump.
    pub fn slope(self) -> Option<f64> {
        match self {
            Self::Relu | Self::LeakyRelu | Self::Tanh | Self::Identity => Some(1.0),
            Self::Sigmoid => Some(0.25),
            Self::Gelu => Some(1.1290),
            Self::Silu => Some(1.0999),
            Self::Sign | Self::Step => None,
        }
    }

    /// Returns the slope for negative numbers of an activation that is linear there and the identity for positive ones; `None` for the others.
    pub fn negative_slope(self) -> Option<f64> {
        match self {
            Self::Relu => Some(0.0),
            Self::LeakyRelu => Some(LEAK),
            Self::Identity => Some(1.0),
            Self::Tanh | Self::Sigmoid | Self::Gelu | Self::Silu | Self::Sign | Self::Step => None,
        }
    }

    /// Returns whether `s(max(u, v)) = max(s(u), s(v))`, so that the activation may follow max pooling. Activations that jump commute as
    /// well, but their entries that are equally large learn together: they go first.
    pub fn commutes_with_max(self) -> bool {
        match self {
            Self::Relu | Self::LeakyRelu | Self::Tanh | Self::Sigmoid | Self::Identity => true,
            Self::Gelu | Self::Silu | Self::Sign | Self::Step => false,
        }
    }

    /// Returns whether half the signal is lost on average, so that weights start with variance 2/fan-in instead of 1/fan-in.
    pub fn is_rectifier(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu | Self::Gelu | Self::Silu)
    }
}

/// Returns 1 where `u > 0` and `low` elsewhere; for autodiff, with the slope 1 for `|u| ≤ 1`.
fn straight_through(u: Tensor<2>, low: f64) -> Tensor<2> {
    let side = u.clone().detach().greater_elem(0.0).float() * (1.0 - low) + low;
    if !u.is_tracked() {
        return side;
    }
    let slope = u.clamp(-1.0, 1.0);
    slope.clone() - slope.detach() + side
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
        for &s in Activation::CONTINUOUS {
            let u = grid();
            let slope = s.pull_back(u.clone(), s.apply(u.clone()), u.ones_like());
            let largest = f64::from(slope.abs().max().into_scalar::<f32>());
            // f32 evaluates σ and Φ to a few units in the last place.
            let bound = s.slope().unwrap();
            assert!(largest <= bound + 1e-6, "{s}: {largest}");
            assert!(largest >= bound * 0.999, "{s}: {largest}");
        }
    }

    #[test]
    fn units_that_jump_are_pulled_along_their_soft_hinge_loss() {
        let loss = |u: f64, c: f64| {
            let target = -c.signum();
            c.abs() * (1.0 - (MARGIN * target * u).tanh()) / MARGIN
        };
        for s in [Activation::Sign, Activation::Step] {
            for (u, c) in [(0.3, 2.0), (-0.1, 0.5), (0.7, -1.5), (-0.02, -1.0)] {
                let one = |value: f64| Tensor::full([1, 1], value, &Device::flex());
                let found = s.pull_back(one(u), s.apply(one(u)), one(c));
                let found = f64::from(found.into_scalar::<f32>());
                let step = 1e-6;
                let slope = (loss(u + step, c) - loss(u - step, c)) / (2.0 * step);
                // f32 against differences that are exact to 1e-9.
                assert!((found - slope).abs() < 1e-6, "{s}: {found}, {slope}");
            }
        }
    }

    #[test]
    fn units_that_jump_have_two_values_and_the_straight_through_slope() {
        for (s, low) in [(Activation::Sign, -1.0), (Activation::Step, 0.0)] {
            let u = Tensor::<2>::from_data([[-3.0, -0.5, 0.0, 0.5, 3.0]], &Device::flex());
            let leaf = u.clone().autodiff().require_grad();
            let h = s.apply(leaf.clone());
            let expected = Tensor::<2>::from_data([[low, low, low, 1.0, 1.0]], &Device::flex());
            let off: f32 = (h.clone().inner() - expected).abs().max().into_scalar();
            assert_eq!(off, 0.0);
            let slope = leaf.grad(&h.sum().backward()).unwrap();
            let expected = Tensor::<2>::from_data([[0.0, 1.0, 1.0, 1.0, 0.0]], &Device::flex());
            let off: f32 = (slope - expected).abs().max().into_scalar();
            assert_eq!(off, 0.0);
        }
    }

    #[test]
    fn pull_back_is_what_autodiff_finds() {
        for &s in Activation::CONTINUOUS {
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
