//! Convolution stage: cross-correlation, activation, optional pooling.

mod config;
mod post;

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};
use rand::Rng;

pub use self::config::ConvolutionConfig;
pub(super) use self::config::image;

use self::post::{channels_first, channels_last};
use super::{Activation, AffineStage, Init, Lipschitz, Pooling, PullBack, Stage, StageSettings};
use crate::Result;
use crate::batch::index_tensor;
use crate::linalg::{Affine, ConvolutionNorm, ConvolutionSizes, Operator, binarized};
use crate::shape::FeatureShape;

/// `f(a) = pool(s(n(w * a + b)))` with an optional [`Normalization`](super::Normalization) `n`, on images `[channels, height, width]`,
/// flattened in that order; with binary weights, [`binarized`] takes the place of `w`.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `w`, `[c_out, c_in, k, k]`.
    pub weight: Param<Tensor<4>>,
    /// `b`, `[c_out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    config: ConvolutionConfig,
    #[module(skip)]
    sizes: ConvolutionSizes,
    #[module(skip)]
    output: FeatureShape,
    /// Prepared once, since line searches ask for the norms of many kernels.
    #[module(skip)]
    operator: Operator,
}

impl Convolution {
    /// Returns a stage with weights drawn by `init` and zero biases.
    ///
    /// # Errors
    /// As [`ConvolutionConfig::output_shape`](StageSettings::output_shape).
    pub fn init(
        config: ConvolutionConfig,
        input: FeatureShape,
        init: Init,
        random: &mut dyn Rng,
        device: &Device,
    ) -> Result<Self> {
        let inputs = config.sizes(input)?.inputs;
        let size = [inputs * config.kernel * config.kernel, config.channels];
        let kernel = init.matrix(size, config.activation, random, device);
        let bias = Tensor::zeros([config.channels], device);
        Self::from_coefficients(config, input, Affine { kernel, bias })
    }

    /// Returns a stage with the given coefficients, the kernel as a matrix `[c_in k², c_out]`.
    ///
    /// # Errors
    /// As [`ConvolutionConfig::output_shape`](StageSettings::output_shape).
    pub fn from_coefficients(
        config: ConvolutionConfig,
        input: FeatureShape,
        coefficients: Affine,
    ) -> Result<Self> {
        let output = config.output_shape(input)?;
        let sizes = config.sizes(input)?;
        Ok(Self {
            weight: Param::from_tensor(kernel_tensor(&config, coefficients.kernel)),
            bias: Param::from_tensor(coefficients.bias),
            config,
            sizes,
            output,
            operator: Operator::Convolution(Arc::new(ConvolutionNorm::new(&sizes))),
        })
    }

    /// Returns geometry, activation and pooling.
    pub fn config(&self) -> ConvolutionConfig {
        self.config
    }

    /// Returns the kernel that correlates with images, `[c_out, c_in, k, k]`.
    pub(super) fn kernel(&self) -> Tensor<4> {
        let weight = self.weight.val();
        match self.config.binary_weights {
            true => kernel_tensor(&self.config, binarized(kernel_matrix(weight))),
            false => weight,
        }
    }

    fn images(&self, input: Tensor<2>) -> Tensor<4> {
        let [height, width] = self.sizes.image;
        let samples = input.dims()[0];
        input.reshape([samples, self.sizes.inputs, height, width])
    }

    /// Returns the index in the flattened image of every entry of every patch; `d_in` stands for padding.
    fn patch_indices(&self) -> Vec<usize> {
        let ConvolutionSizes {
            inputs: channels,
            kernel,
            stride,
            padding,
            image: [height, width],
            positions: [rows, columns],
            ..
        } = self.sizes;
        let mut indices = Vec::with_capacity(rows * columns * channels * kernel * kernel);
        for (row, column) in grid(rows, columns) {
            for channel in 0..channels {
                for (i, j) in grid(kernel, kernel) {
                    let (y, x) = (row * stride + i, column * stride + j);
                    let inside = (padding..padding + height).contains(&y)
                        && (padding..padding + width).contains(&x);
                    let index = if inside {
                        (channel * height + y - padding) * width + x - padding
                    } else {
                        channels * height * width
                    };
                    indices.push(index);
                }
            }
        }
        indices
    }
}

fn grid(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |i| (0..columns).map(move |j| (i, j)))
}

/// Turns `[c_in k², c_out]` into `[c_out, c_in, k, k]`.
fn kernel_tensor(config: &ConvolutionConfig, matrix: Tensor<2>) -> Tensor<4> {
    let (k, c_out) = (config.kernel, config.channels);
    let c_in = matrix.dims()[0] / (k * k);
    matrix.transpose().reshape([c_out, c_in, k, k])
}

/// Turns `[c_out, c_in, k, k]` into `[c_in k², c_out]`.
pub(super) fn kernel_matrix(weight: Tensor<4>) -> Tensor<2> {
    let [c_out, c_in, k, _] = weight.dims();
    weight.reshape([c_out, c_in * k * k]).transpose()
}

impl Stage for Convolution {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let ConvolutionConfig {
            stride, padding, ..
        } = self.config;
        let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
        let u = conv2d(
            self.images(input),
            self.kernel(),
            Some(self.bias.val()),
            options,
        );
        self.response(channels_last(u))
    }

    fn input_shape(&self) -> FeatureShape {
        let [height, width] = self.sizes.image;
        FeatureShape::Image {
            channels: self.sizes.inputs,
            height,
            width,
        }
    }

    fn output_shape(&self) -> FeatureShape {
        self.output
    }

    /// Returns the norm of the convolution, bounded as in [`ConvolutionNorm`], times the slopes of activation and pooling.
    fn lipschitz(&self) -> Option<Lipschitz> {
        let slope = self.config.activation.slope()?;
        let pooling = self.config.pooling.map_or(1.0, Pooling::lipschitz);
        self.config.normalization.is_none().then(|| Lipschitz {
            offset: 0.0,
            factor: slope * pooling,
            kernel: kernel_matrix(self.kernel()),
            operator: self.operator.clone(),
        })
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl AffineStage for Convolution {
    fn coefficients(&self) -> Affine {
        Affine {
            kernel: kernel_matrix(self.weight.val().inner()),
            bias: self.bias.val().inner(),
        }
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        let weight = kernel_tensor(&self.config, coefficients.kernel);
        self.weight = self.weight.clone().map(|_| weight);
        self.bias = self.bias.clone().map(|_| coefficients.bias);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        let [samples, _] = input.dims();
        let device = input.device();
        let indices = self.patch_indices();
        let [height, width] = self.sizes.positions;
        let positions = height * width;
        let entries = indices.len() / positions;
        let padded = if self.config.padding == 0 {
            input
        } else {
            Tensor::cat(vec![input, Tensor::zeros([samples, 1], &device)], 1)
        };
        padded
            .select(1, index_tensor(&indices, &device))
            .reshape([samples * positions, entries])
    }

    fn linearize_post(&self, u: Tensor<2>, _input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        let size = u.dims();
        let (output, pull_back) = self.linearize_response(self.pixels(u));
        let to_rows = move |cotangent| pull_back(cotangent).reshape(size);
        (output, Box::new(to_rows))
    }

    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        Some(self.weight.val().dims().to_vec())
    }

    fn rows_per_sample(&self) -> usize {
        let [height, width] = self.sizes.positions;
        height * width
    }

    fn has_binary_weights(&self) -> bool {
        self.config.binary_weights
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        self.response(self.pixels(u))
    }

    fn entrywise_activation(&self) -> Option<Activation> {
        let ConvolutionConfig {
            activation,
            normalization,
            ..
        } = self.config;
        normalization.is_none().then_some(activation)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, _output_cotangent: Tensor<2>) -> Tensor<2> {
        let cotangent = channels_first(self.pixels(u_cotangent));
        let ConvolutionSizes {
            inputs: channels,
            kernel,
            stride,
            padding,
            image: [height, width],
            positions: [rows, columns],
            ..
        } = self.sizes;
        // Rows and columns at the end of the padded image that no position reaches.
        let rest =
            |side: usize, positions: usize| side + 2 * padding - kernel - (positions - 1) * stride;
        let options = ConvTransposeOptions::new(
            [stride, stride],
            [padding, padding],
            [rest(height, rows), rest(width, columns)],
            [1, 1],
            1,
        );
        let samples = cotangent.dims()[0];
        conv_transpose2d(cotangent, self.kernel().inner(), None, options)
            .reshape([samples, channels * height * width])
    }
}
