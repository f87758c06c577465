//! Conversions between Burn's own layers and stages. Parameters get new identities, and are trainable.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, PaddingConfig2d};
use burn::tensor::Tensor;

use super::{Activation, Convolution, ConvolutionConfig, Dense, Pooling, convolution};
use crate::error::ensure;
use crate::linalg::Affine;
use crate::shape::FeatureShape;
use crate::{Error, Result};

impl Dense {
    /// Returns `s(linear(a))` with a copy of the layer's parameters; a layer without a bias gets one of zeros. The stage is
    /// trainable, even if the layer is frozen.
    pub fn from_linear(linear: &Linear, activation: Activation) -> Self {
        let kernel = linear.weight.val().inner();
        let coefficients = Affine {
            bias: bias_or_zeros(linear.bias.as_ref(), &kernel, kernel.dims()[1]),
            kernel,
        };
        Self::from_coefficients(coefficients, activation)
    }

    /// Returns the affine part `a W + b`, without the activation; with binary weights, the binary kernel.
    pub fn to_linear(&self) -> Linear {
        Linear {
            weight: Param::from_tensor(self.kernel().inner()),
            bias: Some(Param::from_tensor(self.bias.val().inner())),
        }
    }
}

impl Convolution {
    /// Returns `pool(s(conv(a)))` with a copy of the layer's parameters; a layer without a bias gets one of zeros. The stage is
    /// trainable, even if the layer is frozen.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] unless kernel, stride and padding are the same in both directions and on all sides, dilation and
    /// groups are 1, and the kernel and the pooling fit the image; [`Error::ShapeMismatch`] when the image has other channels than
    /// the layer; [`Error::NotAnImage`] for flat inputs.
    pub fn from_conv2d(
        conv: &Conv2d,
        input: FeatureShape,
        activation: Activation,
        pooling: Option<Pooling>,
    ) -> Result<Self> {
        let weight = conv.weight.val().inner();
        let [channels, found, height, width] = weight.dims();
        let kernel = same_in_both("kernel width", [height, width], "the height of the kernel")?;
        let stride = same_in_both("horizontal stride", conv.stride, "the vertical stride")?;
        for dilation in conv.dilation {
            ensure(dilation == 1, "dilation", dilation as f64, "1")?;
        }
        ensure(conv.groups == 1, "groups", conv.groups as f64, "1")?;
        let [expected, ..] = convolution::image(input)?;
        if expected != found {
            let what = format!("input channels of a convolution on {input} images");
            return Err(Error::ShapeMismatch {
                what,
                expected,
                found,
            });
        }
        let config = ConvolutionConfig {
            stride,
            padding: padding(&conv.padding, kernel, stride)?,
            pooling,
            ..ConvolutionConfig::new(channels, kernel, activation)
        };
        let bias = bias_or_zeros(conv.bias.as_ref(), &weight, channels);
        let kernel = convolution::kernel_matrix(weight);
        Self::from_coefficients(config, input, Affine { kernel, bias })
    }

    /// Returns the convolution `w * a + b` on `[samples, c_in, height, width]`, without activation and pooling; with
    /// binary weights, the binary kernel.
    pub fn to_conv2d(&self) -> Conv2d {
        let weight = self.kernel().inner();
        let [c_out, c_in, height, width] = weight.dims();
        let ConvolutionConfig {
            stride, padding, ..
        } = self.config();
        let config = Conv2dConfig::new([c_in, c_out], [height, width])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(
                padding, padding, padding, padding,
            ));
        Conv2d {
            weight: Param::from_tensor(weight.clone()),
            bias: Some(Param::from_tensor(self.bias.val().inner())),
            ..config.init(&weight.device())
        }
    }
}

fn bias_or_zeros<const D: usize>(
    bias: Option<&Param<Tensor<1>>>,
    weight: &Tensor<D>,
    outputs: usize,
) -> Tensor<1> {
    match bias {
        Some(bias) => bias.val().inner(),
        None => Tensor::zeros([outputs], &weight.device()),
    }
}

/// Returns the common size of rows and columns, which may differ in Burn's layers but not in stages.
fn same_in_both(
    field: &'static str,
    [rows, columns]: [usize; 2],
    allowed: &'static str,
) -> Result<usize> {
    ensure(rows == columns, field, columns as f64, allowed)?;
    Ok(rows)
}

/// Returns the number of zeros on every side.
fn padding(padding: &PaddingConfig2d, kernel: usize, stride: usize) -> Result<usize> {
    match *padding {
        PaddingConfig2d::Valid => Ok(0),
        PaddingConfig2d::Explicit(top, left, bottom, right) => {
            for side in [left, bottom, right] {
                ensure(side == top, "padding", side as f64, "the same on all sides")?;
            }
            Ok(top)
        }
        PaddingConfig2d::Same => {
            let (k, s) = (kernel as f64, stride as f64);
            ensure(kernel % 2 == 1, "kernel", k, "odd with `Same` padding")?;
            ensure(stride == 1, "stride", s, "1 with `Same` padding")?;
            Ok(kernel / 2)
        }
    }
}
