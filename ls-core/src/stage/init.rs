//! Initial weights, drawn on the host so that a seed gives the same network on every device.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::Activation;

/// Distribution of the initial weights; biases start at zero.
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
pub enum Init {
    /// Normal with variance 2/fan-in before a rectifier, 1/fan-in before any other activation.
    Kaiming,
    /// Normal with variance 2/(fan-in + fan-out).
    Xavier,
    /// Orthonormal rows or columns, times the inverse of the activation's typical slope: √2 for rectifiers, 4 for the
    /// sigmoid, 1 otherwise. Growth factors then stay near one, which deep certificates need.
    Orthogonal,
}

impl Init {
    /// All initialisations, in the order in which help lists them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the distribution that measurements favour for a number of hidden stages: orthogonal weights from ten stages on,
    /// except before sigmoids, and Kaiming's otherwise. See `docs/results.md`.
    pub fn suited_to(hidden: usize, activation: Activation) -> Self {
        if hidden >= 10 && activation != Activation::Sigmoid {
            Self::Orthogonal
        } else {
            Self::Kaiming
        }
    }

    /// Draws a `[fan_in, fan_out]` matrix for a stage with the given activation.
    pub fn matrix(
        self,
        [fan_in, fan_out]: [usize; 2],
        activation: Activation,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Tensor<2> {
        let normal: Vec<f64> = (0..fan_in * fan_out)
            .map(|_| StandardNormal.sample(random))
            .collect();
        let values = match self {
            Self::Kaiming => {
                let gain = if activation.is_rectifier() { 2.0 } else { 1.0 };
                scaled(&normal, (gain / fan_in as f64).sqrt())
            }
            Self::Xavier => scaled(&normal, (2.0 / (fan_in + fan_out) as f64).sqrt()),
            Self::Orthogonal => scaled(
                &orthonormal(&normal, fan_in, fan_out),
                orthogonal_gain(activation),
            ),
        };
        Tensor::from_data(TensorData::new(values, [fan_in, fan_out]), device)
    }
}

fn orthogonal_gain(activation: Activation) -> f64 {
    if activation.is_rectifier() {
        core::f64::consts::SQRT_2
    } else {
        activation.slope().map_or(1.0, f64::recip)
    }
}

fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}

/// Returns the orthonormal factor of a QR decomposition along the longer side, with signs that make it uniformly distributed.
fn orthonormal(normal: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let matrix = faer::Mat::from_fn(long, short, |i, j| normal[i * short + j]);
    let decomposition = matrix.qr();
    let q = decomposition.compute_thin_Q();
    let sign = |j: usize| decomposition.thin_R()[(j, j)].signum();
    (0..rows)
        .flat_map(|i| (0..columns).map(move |j| if rows >= columns { (i, j) } else { (j, i) }))
        .map(|(i, j)| q[(i, j)] * sign(j))
        .collect()
}
