//! Stages and Burn's own layers hold the same maps.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LinearConfig, LinearLayout, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};
use ls_core::linalg::to_f64;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AffineStage, Convolution, Dense, Pooling, Stage};
use ls_core::{Error, Result};

/// Dot products of at most 28 terms of size below 1, in f32 and in two orders: each is off by at most 28 roundings of sums
/// below 28.
const TOLERANCE: f64 = 28.0 * 28.0 * 6e-8;

const IMAGE: FeatureShape = FeatureShape::Image {
    channels: 3,
    height: 7,
    width: 6,
};

fn points<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (0.37 * (i * i % 101) as f64).sin() as f32);
    let data = TensorData::new(values.collect::<Vec<_>>(), shape);
    Tensor::from_data(data, &Device::flex())
}

fn assert_close<const D: usize>(found: Tensor<2>, expected: Tensor<D>) {
    let (found, expected) = (to_f64(found).unwrap(), to_f64(expected).unwrap());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= TOLERANCE, "{found}, {expected}");
    }
}

fn coefficients(stage: &impl AffineStage) -> (Vec<f64>, Vec<f64>) {
    let affine = stage.coefficients();
    (to_f64(affine.kernel).unwrap(), to_f64(affine.bias).unwrap())
}

#[test]
fn a_linear_layer_and_its_stage_agree_with_and_without_bias_in_both_layouts() {
    for (bias, layout) in [
        (true, LinearLayout::Row),
        (false, LinearLayout::Row),
        (true, LinearLayout::Col),
    ] {
        let config = LinearConfig::new(5, 4).with_bias(bias).with_layout(layout);
        for device in [Device::flex(), Device::flex().autodiff()] {
            let linear = config.init(&device);
            let stage = Dense::from_linear(&linear, Activation::Tanh);
            assert_close(
                stage.forward(points([9, 5])),
                linear.forward(points([9, 5])).tanh(),
            );
            let back = stage.to_linear();
            assert_close(
                stage.forward(points([9, 5])),
                back.forward(points([9, 5])).tanh(),
            );
            let again = Dense::from_linear(&back, stage.activation());
            assert_eq!(coefficients(&again), coefficients(&stage));
            assert_eq!(again.activation(), Activation::Tanh);
        }
    }
}

fn stage_of(conv: &Conv2d) -> Result<Convolution> {
    Convolution::from_conv2d(conv, IMAGE, Activation::Identity, None)
}

#[test]
fn a_convolution_layer_and_its_stage_agree() {
    let device = Device::flex();
    let three = Conv2dConfig::new([3, 4], [3, 3]);
    for config in [
        three.clone(),
        three.clone().with_bias(false),
        three.clone().with_stride([2, 2]),
        three.clone().with_padding(PaddingConfig2d::Same),
        three.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)),
        Conv2dConfig::new([3, 4], [2, 2]).with_stride([2, 2]),
    ] {
        let conv = config.init(&device);
        let stage = stage_of(&conv).unwrap();
        let images = points([5, 3, 7, 6]);
        let flat = images.clone().flatten(1, 3);
        assert_close(stage.forward(flat.clone()), conv.forward(images.clone()));
        let back = stage.to_conv2d();
        assert_close(stage.forward(flat), back.forward(images));
        let again = stage_of(&back).unwrap();
        assert_eq!(coefficients(&again), coefficients(&stage));
        assert_eq!(again.config(), stage.config());
    }
}

#[test]
fn activation_and_pooling_come_after_the_layer() {
    let conv = Conv2dConfig::new([3, 4], [3, 3]).init(&Device::flex());
    let pooling = Some(Pooling::Max { size: 2 });
    let stage = Convolution::from_conv2d(&conv, IMAGE, Activation::Relu, pooling).unwrap();
    let image = FeatureShape::Image {
        channels: 4,
        height: 2,
        width: 2,
    };
    assert_eq!(stage.output_shape(), image);
    let plain = stage_of(&conv).unwrap();
    let flat = points([5, 3, 7, 6]).flatten(1, 3);
    // Of the 5 x 4 outputs, 2 x 2 windows leave the last row out.
    let windows = plain
        .forward(flat.clone())
        .reshape([5, 4, 5, 4])
        .slice([0..5, 0..4, 0..4])
        .reshape([5 * 4, 2, 2, 2, 2]);
    let largest: Tensor<1> = windows.max_dim(4).max_dim(2).flatten(0, 4);
    assert_close(stage.forward(flat), largest.clamp_min(0.0));
}

#[test]
fn what_a_stage_cannot_hold_is_refused_by_name() {
    let device = Device::flex();
    let config = || Conv2dConfig::new([3, 3], [3, 3]);
    for (config, message) in [
        (
            Conv2dConfig::new([3, 4], [3, 2]),
            "kernel width = 2 is not possible: it must be the height of the kernel",
        ),
        (
            config().with_stride([1, 2]),
            "horizontal stride = 2 is not possible: it must be the vertical stride",
        ),
        (
            config().with_dilation([1, 2]),
            "dilation = 2 is not possible: it must be 1",
        ),
        (
            config().with_groups(3),
            "groups = 3 is not possible: it must be 1",
        ),
        (
            config().with_padding(PaddingConfig2d::Explicit(1, 1, 0, 1)),
            "padding = 0 is not possible: it must be the same on all sides",
        ),
        (
            Conv2dConfig::new([3, 4], [2, 2]).with_padding(PaddingConfig2d::Same),
            "kernel = 2 is not possible: it must be odd with `Same` padding",
        ),
        (
            Conv2dConfig::new([2, 4], [3, 3]),
            "input channels of a convolution on 3×7×6 images: expected 3, found 2",
        ),
        (
            Conv2dConfig::new([3, 4], [8, 8]),
            "kernel = 8 is not possible: it must be at most the side of the padded image",
        ),
    ] {
        let refused = stage_of(&config.init(&device)).unwrap_err();
        assert_eq!(refused.to_string(), message);
    }
    let flat = Convolution::from_conv2d(
        &config().init(&device),
        FeatureShape::Flat(126),
        Activation::Identity,
        None,
    );
    assert_eq!(flat.unwrap_err(), Error::NotAnImage { features: 126 });
}
