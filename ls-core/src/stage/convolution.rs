//! Convolution stage: cross-correlation, activation, optional pooling.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::config::WIDEST;
use super::{Activation, AffineStage, Init, Lipschitz, Pooling, PullBack, Stage};
use crate::batch::index_tensor;
use crate::error::ensure;
use crate::linalg::{Affine, ConvolutionNorm, ConvolutionSizes, Operator};
use crate::shape::FeatureShape;
use crate::{Error, Result};

/// Longer sides are a slip of the keyboard, and sizes below it cannot overflow.
const LONGEST: usize = 4096;

/// Geometry of a convolution with square kernels and zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConvolutionConfig {
    /// Output channels.
    pub channels: usize,
    /// Side `k` of the kernel.
    pub kernel: usize,
    /// Stride `s`.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zero padding on each side.
    #[serde(default)]
    pub padding: usize,
    /// Activation.
    pub activation: Activation,
    /// Pooling after the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
}

impl core::fmt::Display for ConvolutionConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            kernel, channels, ..
        } = self;
        write!(f, "{kernel}×{kernel}×{channels} {}", self.activation)?;
        if self.stride != 1 {
            write!(f, ", stride {}", self.stride)?;
        }
        if self.padding != 0 {
            write!(f, ", padding {}", self.padding)?;
        }
        match self.pooling {
            Some(Pooling::Max { size }) => write!(f, ", max {size}"),
            Some(Pooling::Average { size }) => write!(f, ", average {size}"),
            None => Ok(()),
        }
    }
}

fn one() -> usize {
    1
}

impl ConvolutionConfig {
    /// Height and width before pooling.
    fn positions(&self, [height, width]: [usize; 2]) -> Result<[usize; 2]> {
        for (field, value) in [
            ("channels", self.channels),
            ("kernel", self.kernel),
            ("stride", self.stride),
        ] {
            ensure(value >= 1, field, value as f64, "1 or more")?;
        }
        for (field, value) in [
            ("padding", self.padding),
            ("kernel", self.kernel),
            ("stride", self.stride),
        ] {
            ensure(value <= LONGEST, field, value as f64, "at most 4096")?;
        }
        let channels = self.channels as f64;
        ensure(
            self.channels <= WIDEST,
            "channels",
            channels,
            "at most 1,000,000",
        )?;
        let side = |side: usize| -> Result<usize> {
            let padded = side + 2 * self.padding;
            ensure(
                padded >= self.kernel,
                "kernel",
                self.kernel as f64,
                "at most the side of the padded image",
            )?;
            Ok((padded - self.kernel) / self.stride + 1)
        };
        Ok([side(height)?, side(width)?])
    }

    /// Shape of the output for an input image.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when kernel or pooling do not fit the image, [`Error::NotAnImage`] for flat inputs.
    pub fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape> {
        let (_, height, width) = image(input)?;
        let [mut height, mut width] = self.positions([height, width])?;
        if let Some(pooling) = self.pooling {
            let size = pooling.size();
            let fits = size >= 1 && size <= height && size <= width;
            ensure(
                fits,
                "pooling size",
                size as f64,
                "from 1 to the side of the image",
            )?;
            (height, width) = (height / size, width / size);
        }
        Ok(FeatureShape::Image {
            channels: self.channels,
            height,
            width,
        })
    }

    /// Number of weights and biases.
    ///
    /// # Errors
    /// [`Error::NotAnImage`] for flat inputs.
    pub fn parameters(&self, input: FeatureShape) -> Result<usize> {
        let (channels, ..) = image(input)?;
        Ok(self.channels * (channels * self.kernel * self.kernel + 1))
    }

    /// Entries of all patches of one sample, `positions · c_in k²`.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn patches(&self, input: FeatureShape) -> Result<usize> {
        let (channels, height, width) = image(input)?;
        let [rows, columns] = self.positions([height, width])?;
        Ok(rows * columns * channels * self.kernel * self.kernel)
    }

    /// A stage with initialised weights and zero biases.
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape).
    pub fn init(
        &self,
        input: FeatureShape,
        init: Init,
        random: &mut impl rand::Rng,
        device: &Device,
    ) -> Result<Convolution> {
        let (channels, ..) = image(input)?;
        let size = [channels * self.kernel * self.kernel, self.channels];
        let kernel = init.matrix(size, self.activation, random, device);
        let bias = Tensor::zeros([self.channels], device);
        Convolution::from_coefficients(*self, input, Affine { kernel, bias })
    }
}

pub(super) fn image(shape: FeatureShape) -> Result<(usize, usize, usize)> {
    match shape {
        FeatureShape::Image {
            channels,
            height,
            width,
        } => Ok((channels, height, width)),
        FeatureShape::Flat(features) => Err(Error::NotAnImage { features }),
    }
}

/// `f(a) = pool(s(w * a + b))` on images `[channels, height, width]`, flattened in that order.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `w`, `[c_out, c_in, k, k]`.
    pub weight: Param<Tensor<4>>,
    /// `b`, `[c_out]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    config: ConvolutionConfig,
    #[module(skip)]
    input: FeatureShape,
    #[module(skip)]
    output: FeatureShape,
    /// Prepared once: line searches ask for the norm of many kernels.
    #[module(skip)]
    operator: Operator,
}

impl Convolution {
    /// A stage with the given coefficients, the kernel as a matrix `[c_in k², c_out]`.
    ///
    /// # Errors
    /// As [`ConvolutionConfig::output_shape`].
    pub fn from_coefficients(
        config: ConvolutionConfig,
        input: FeatureShape,
        coefficients: Affine,
    ) -> Result<Self> {
        let output = config.output_shape(input)?;
        let (inputs, height, width) = image(input)?;
        let sizes = ConvolutionSizes {
            inputs,
            outputs: config.channels,
            kernel: config.kernel,
            stride: config.stride,
            padding: config.padding,
            image: [height, width],
            positions: config.positions([height, width])?,
        };
        Ok(Self {
            weight: Param::from_tensor(kernel_tensor(&config, coefficients.kernel)),
            bias: Param::from_tensor(coefficients.bias),
            config,
            input,
            output,
            operator: Operator::Convolution(Arc::new(ConvolutionNorm::new(&sizes))),
        })
    }

    /// Its geometry, activation and pooling.
    pub fn config(&self) -> ConvolutionConfig {
        self.config
    }

    /// Channels, height and width of an input. The constructor has checked that inputs are images.
    fn image(&self) -> (usize, usize, usize) {
        image(self.input).unwrap_or((1, 1, self.input.features()))
    }

    fn images(&self, input: Tensor<2>) -> Tensor<4> {
        let samples = input.dims()[0];
        let (channels, height, width) = self.image();
        input.reshape([samples, channels, height, width])
    }

    /// Sides of the image between convolution and pooling.
    fn between(&self) -> [usize; 2] {
        let (_, height, width) = self.image();
        self.config.positions([height, width]).unwrap_or([1, 1])
    }

    /// `[samples · positions, c_out]`, the layout of an affine stage's pre-activations, as images.
    fn channels_first(&self, u: Tensor<2>) -> Tensor<4> {
        let [height, width] = self.between();
        let [rows, channels] = u.dims();
        let samples = rows / (height * width);
        u.reshape([samples, height * width, channels])
            .swap_dims(1, 2)
            .reshape([samples, channels, height, width])
    }

    /// Activation and pooling of `[samples, c_out, height, width]`, flattened.
    fn activate(&self, u: Tensor<4>) -> Tensor<2> {
        let [samples, channels, height, width] = u.dims();
        let flat = u.reshape([samples, channels * height * width]);
        let active = self.config.activation.apply(flat);
        match self.config.pooling {
            None => active,
            Some(pooling) => pooling
                .apply(active.reshape([samples, channels, height, width]))
                .reshape([samples, self.output.features()]),
        }
    }

    /// For every position and every entry of a patch, where it stands in the flattened image; `d_in` stands for padding.
    fn patch_indices(&self) -> Vec<usize> {
        let (channels, height, width) = self.image();
        let ConvolutionConfig {
            kernel,
            stride,
            padding,
            ..
        } = self.config;
        let [rows, columns] = self.between();
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

/// `[c_in k², c_out]` to `[c_out, c_in, k, k]`.
fn kernel_tensor(config: &ConvolutionConfig, matrix: Tensor<2>) -> Tensor<4> {
    let (k, c_out) = (config.kernel, config.channels);
    let c_in = matrix.dims()[0] / (k * k);
    matrix.transpose().reshape([c_out, c_in, k, k])
}

/// `[c_out, c_in, k, k]` to `[c_in k², c_out]`.
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
        let weight = self.weight.val();
        let u = conv2d(self.images(input), weight, Some(self.bias.val()), options);
        self.activate(u)
    }

    fn input_shape(&self) -> FeatureShape {
        self.input
    }

    fn output_shape(&self) -> FeatureShape {
        self.output
    }

    /// The norm of the convolution, bounded as [`ConvolutionNorm`] says, times the slopes of activation and pooling.
    fn lipschitz(&self) -> Option<Lipschitz> {
        let pooling = self.config.pooling.map_or(1.0, Pooling::lipschitz);
        Some(Lipschitz {
            offset: 0.0,
            factor: self.config.activation.slope() * pooling,
            kernel: kernel_matrix(self.weight.val()),
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
        let [height, width] = self.between();
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
        let images = self.channels_first(u);
        let [samples, channels, height, width] = images.dims();
        let flat = [samples, channels * height * width];
        let activation = self.config.activation;
        let u = images.reshape(flat);
        let h = activation.apply(u.clone());
        let rows = move |cotangent: Tensor<2>| {
            cotangent
                .reshape([samples, channels, height * width])
                .swap_dims(1, 2)
                .reshape([samples * height * width, channels])
        };
        let Some(pooling) = self.config.pooling else {
            let output = h.clone();
            let pull_back = move |cotangent| rows(activation.pull_back(u, h, cotangent));
            return (output, Box::new(pull_back));
        };
        let shape = [samples, channels, height, width];
        let pooled = pooling.apply(h.clone().reshape(shape));
        let output = pooled.clone().reshape([samples, self.output.features()]);
        let pull_back = move |cotangent: Tensor<2>| {
            let cotangent = cotangent.reshape(pooled.dims());
            let spread = pooling.pull_back(h.clone().reshape(shape), pooled, cotangent);
            rows(activation.pull_back(u, h, spread.reshape(flat)))
        };
        (output, Box::new(pull_back))
    }

    fn rows_per_sample(&self) -> usize {
        let [height, width] = self.between();
        height * width
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        self.activate(self.channels_first(u))
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, _output_cotangent: Tensor<2>) -> Tensor<2> {
        let cotangent = self.channels_first(u_cotangent);
        let (channels, height, width) = self.image();
        let ConvolutionConfig {
            kernel,
            stride,
            padding,
            ..
        } = self.config;
        let [rows, columns] = self.between();
        // What the strides left over at the far end of the padded image.
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
        conv_transpose2d(cotangent, self.weight.val().inner(), None, options)
            .reshape([samples, channels * height * width])
    }
}
