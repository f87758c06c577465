//! The weights of the first stage as small pictures.

use ls_core::linalg::to_f64;
use serde::Serialize;

use super::pictures;
use crate::format::number;
use crate::{Result, Trained};

/// Number of units on the page.
const SHOWN: usize = 64;

/// Quantile of the absolute weights that has the strongest colour; by the largest weight a few outliers would make all others pale.
const STRONGEST: f64 = 0.995;

/// Pictures of the weights of the first units.
#[derive(Serialize)]
pub(super) struct WeightPictures {
    /// Content of a picture, in words.
    about: String,
    units: usize,
    /// Absolute weight with the strongest colour.
    largest: String,
    pictures: Vec<String>,
}

impl WeightPictures {
    /// Draws the weights of the first stage; `None` where that stage is not affine before its activation.
    ///
    /// # Errors
    /// [`crate::Error::Core`] when the device failed, [`crate::Error::File`] when a picture cannot be encoded.
    pub(super) fn draw(trained: &Trained) -> Result<Option<Self>> {
        let Some(stage) = trained.network.stages().first() else {
            return Ok(None);
        };
        let Some(affine) = stage.affine() else {
            return Ok(None);
        };
        let weight_shape = affine.pytorch_weight_shape();
        let kernel = affine.used_kernel(affine.coefficients().kernel);
        let [d_in, d_out] = kernel.dims();
        // The only read from the device.
        let weights = to_f64(kernel.transpose())?;
        let shape = trained.preprocessing.shape();
        let (width, about) = match weight_shape.as_deref() {
            Some(&[_, channels, side, _]) => (side, kernel_text(channels, side)),
            _ => (shape.width, dense_text(shape.channels)),
        };
        let largest = quantile(&weights, STRONGEST);
        let shown = weights.chunks(d_in).take(SHOWN);
        let pictures = shown.map(|unit| pictures::diverging(unit, width, largest));
        Ok(Some(Self {
            about,
            units: d_out,
            largest: number(largest),
            pictures: pictures.collect::<Result<_>>()?,
        }))
    }
}

fn kernel_text(channels: usize, side: usize) -> String {
    match channels {
        1 => format!("a kernel of {side} × {side} weights"),
        _ => format!(
            "a kernel of {side} × {side} weights, its {channels} channels below one another"
        ),
    }
}

fn dense_text(channels: usize) -> String {
    match channels {
        1 => "the weights of a unit, each at its pixel".into(),
        _ => format!(
            "the weights of a unit, each at its pixel, the {channels} channels below one another"
        ),
    }
}

/// Returns the smallest of some absolute values that at least a share of them does not exceed; 0 for none.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let place = (share * sizes.len().saturating_sub(1) as f64).ceil();
    sizes.get(place as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_one_of_the_sizes() {
        assert_eq!(quantile(&[-3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[-3.0, 1.0, 2.0], 1.0), 3.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
