//! What follows the affine map of a convolution: normalization, activation, pooling.
//!
//! Pre-activations come as rows, one for each position, with the channels side by side; outputs go with the positions of each channel
//! side by side. Activation and pooling work on the former layout, and only their results, which are fewer, change it. Max pooling comes
//! before an activation that commutes with it, which then has fewer entries.

use burn::tensor::Tensor;

use super::{Convolution, ConvolutionConfig};
use crate::stage::Pooling;

type FlatPullBack = Box<dyn FnOnce(Tensor<2>) -> Tensor<4>>;
type PixelPullBack = Box<dyn FnOnce(Tensor<4>) -> Tensor<4>>;

impl Convolution {
    /// Turns rows `[samples · positions, c_out]` into images `[samples, height, width, c_out]`.
    pub(super) fn pixels(&self, rows: Tensor<2>) -> Tensor<4> {
        let [height, width] = self.sizes.positions;
        let [count, channels] = rows.dims();
        rows.reshape([count / (height * width), height, width, channels])
    }

    /// Returns the output for pre-activations `[samples, height, width, c_out]`.
    pub(super) fn response(&self, pixels: Tensor<4>) -> Tensor<2> {
        let normalized = match self.config.normalization {
            Some(normalization) => {
                let dims = pixels.dims();
                pixels_of(normalization.apply(flat(pixels)), dims)
            }
            None => pixels,
        };
        flat(self.activated(normalized))
    }

    /// Returns what [`response`](Self::response) does, and the map that pulls a cotangent of it back to the pre-activations.
    pub(super) fn linearize_response(&self, pixels: Tensor<4>) -> (Tensor<2>, FlatPullBack) {
        let dims = pixels.dims();
        let (normalized, to_pixels): (_, PixelPullBack) = match self.config.normalization {
            Some(normalization) => {
                let (normalized, pull_back) = normalization.linearize(flat(pixels));
                let to_pixels = move |cotangent| pixels_of(pull_back(flat(cotangent)), dims);
                (pixels_of(normalized, dims), Box::new(to_pixels))
            }
            None => (pixels, Box::new(|cotangent| cotangent)),
        };
        let (active, pull_back) = self.linearize_activation(normalized);
        let dims = active.dims();
        let pull_back = move |cotangent| to_pixels(pull_back(pixels_of(cotangent, dims)));
        (flat(active), Box::new(pull_back))
    }

    /// Applies activation and pooling to images `[samples, height, width, channels]`.
    fn activated(&self, images: Tensor<4>) -> Tensor<4> {
        let ConvolutionConfig {
            activation,
            pooling,
            ..
        } = self.config;
        let active = |images: Tensor<4>| {
            let dims = images.dims();
            activation.apply(entries(images)).reshape(dims)
        };
        match pooling {
            None => active(images),
            Some(pooling) if self.pools_first() => active(pooling.apply(images)),
            Some(pooling) => pooling.apply(active(images)),
        }
    }

    /// Returns what [`activated`](Self::activated) does, and the map that pulls a cotangent of it back.
    fn linearize_activation(&self, images: Tensor<4>) -> (Tensor<4>, PixelPullBack) {
        let ConvolutionConfig {
            activation,
            pooling,
            ..
        } = self.config;
        let active = |images: Tensor<4>| -> (Tensor<4>, PixelPullBack) {
            let dims = images.dims();
            let (output, pull_back) = activation.linearize_after(None, entries(images));
            let back = move |cotangent| pull_back(entries(cotangent)).reshape(dims);
            (output.reshape(dims), Box::new(back))
        };
        let Some(pooling) = pooling else {
            return active(images);
        };
        if self.pools_first() {
            let (pooled, to_images) = pooling.linearize(images);
            let (output, to_pooled) = active(pooled);
            let back = move |cotangent| to_images(to_pooled(cotangent));
            (output, Box::new(back))
        } else {
            let (output, to_images) = active(images);
            let (pooled, to_output) = pooling.linearize(output);
            let back = move |cotangent| to_images(to_output(cotangent));
            (pooled, Box::new(back))
        }
    }

    fn pools_first(&self) -> bool {
        let is_max = matches!(self.config.pooling, Some(Pooling::Max { .. }));
        is_max && self.config.activation.commutes_with_max()
    }
}

/// Turns images `[samples, channels, height, width]` into `[samples, height, width, channels]`.
pub(super) fn channels_last(images: Tensor<4>) -> Tensor<4> {
    let [samples, channels, height, width] = images.dims();
    images
        .reshape([samples, channels, height * width])
        .swap_dims(1, 2)
        .reshape([samples, height, width, channels])
}

/// Turns images `[samples, height, width, channels]` into `[samples, channels, height, width]`.
pub(super) fn channels_first(images: Tensor<4>) -> Tensor<4> {
    let [samples, height, width, channels] = images.dims();
    images
        .reshape([samples, height * width, channels])
        .swap_dims(1, 2)
        .reshape([samples, channels, height, width])
}

/// Turns images `[samples, height, width, channels]` into the layout between stages, `[samples, channels · height · width]`.
fn flat(images: Tensor<4>) -> Tensor<2> {
    let [samples, height, width, channels] = images.dims();
    channels_first(images).reshape([samples, channels * height * width])
}

/// The inverse of [`flat`] for images of a size.
fn pixels_of(flat: Tensor<2>, [samples, height, width, channels]: [usize; 4]) -> Tensor<4> {
    channels_last(flat.reshape([samples, channels, height, width]))
}

/// The entries of every image in a row.
fn entries(images: Tensor<4>) -> Tensor<2> {
    let [count, height, width, channels] = images.dims();
    images.reshape([count, height * width * channels])
}
