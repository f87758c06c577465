use burn::tensor::{Device, Distribution};

use super::*;
use crate::linalg::{Affine, to_f64};
use crate::shape::FeatureShape;
use crate::stage::{Convolution, ConvolutionConfig, Dense, Pooling, Residual};

const SAMPLES: usize = 9;
const WIDTH: usize = 4;

fn normal(size: [usize; 2]) -> Tensor<2> {
    Tensor::random(size, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn coefficients(size: [usize; 2]) -> Affine {
    Affine {
        kernel: normal(size),
        bias: Tensor::random([size[1]], Distribution::Normal(0.0, 1.0), &Device::flex()),
    }
}

/// A stage of every kind, all on four features: dense, with a skip connection, and a convolution with pooling.
fn stages(activation: Activation) -> Vec<AnyStage> {
    let dense = || Dense::from_coefficients(coefficients([WIDTH, WIDTH]), activation);
    let config = ConvolutionConfig {
        pooling: Some(Pooling::Max { size: 2 }),
        ..ConvolutionConfig::new(4, 1, activation)
    };
    let shape = FeatureShape::Image {
        channels: 1,
        height: 2,
        width: 2,
    };
    let convolution = Convolution::from_coefficients(config, shape, coefficients([1, 4]));
    vec![
        dense().into(),
        AnyStage::ResidualDense(Residual::new(dense()).unwrap()),
        convolution.unwrap().into(),
    ]
}

/// Sums over samples of the terms of a block of pre-activations, in f64.
fn total(block: &PreActivationBlock<'_>, u: &Tensor<2>, start: &Tensor<2>) -> f64 {
    let output = block.affine.post(u.clone(), block.input);
    let terms = [
        (block.output.clone() - output, 1.0),
        (u.clone() - block.fitted.clone(), 1.0),
        (u.clone() - start.clone(), block.proximity),
    ];
    let sum = |(v, factor): (Tensor<2>, f64)| {
        factor * to_f64(v).unwrap().iter().map(|v| v * v).sum::<f64>()
    };
    terms.into_iter().map(sum).sum()
}

#[test]
fn no_block_of_pre_activations_ends_above_its_start() {
    for &activation in Activation::ALL {
        for stage in stages(activation) {
            let affine = stage.affine().unwrap();
            let (input, output) = (normal([SAMPLES, WIDTH]), normal([SAMPLES, WIDTH]));
            for proximity in [0.0, 5.0] {
                let block = PreActivationBlock {
                    stage: &stage,
                    affine,
                    input: &input,
                    output: &output,
                    fitted: pre_activation(affine, &input),
                    proximity,
                };
                let start = normal(block.fitted.dims());
                let end = block.lowered(start.clone());
                let (before, after) = (total(&block, &start, &start), total(&block, &end, &start));
                assert!(after < before, "{activation}: {before} to {after}");
            }
        }
    }
}

/// Numbers on a grid, one entry each: the minimizer must beat them all.
#[test]
fn pre_activations_of_rectifiers_are_minimizers() {
    let device = Device::flex();
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Identity,
    ] {
        let dense: AnyStage = Dense::from_coefficients(coefficients([1, 1]), activation).into();
        let affine = dense.affine().unwrap();
        for (output, fitted, start) in [
            (1.0, -0.7, 0.3),
            (0.5, -0.5, -2.0),
            (-1.0, 0.4, 0.1),
            (2.0, 1.0, -1.0),
        ] {
            for proximity in [0.0, 5.0] {
                let number = |value: f64| Tensor::<2>::full([1, 1], value, &device);
                let (input, output) = (number(0.0), number(output));
                let block = PreActivationBlock {
                    stage: &dense,
                    affine,
                    input: &input,
                    output: &output,
                    fitted: number(fitted),
                    proximity,
                };
                let start = number(start);
                let least = total(&block, &block.lowered(start.clone()), &start);
                for i in -300..=300 {
                    let other = total(&block, &number(f64::from(i) * 0.01), &start);
                    // f32 evaluates the terms to some 1e-7 of a few units.
                    assert!(least <= other + 1e-5, "{activation}: {least} {other}");
                }
            }
        }
    }
}

#[test]
fn blocks_of_outputs_are_minimizers_before_dense_stages_and_fall_before_others() {
    for activation in [Activation::Relu, Activation::Tanh] {
        for (kind, stage) in stages(activation).into_iter().enumerate() {
            let affine = stage.affine().unwrap();
            let (start, next) = (normal([SAMPLES, WIDTH]), normal([SAMPLES, WIDTH]));
            let u = normal(pre_activation(affine, &start).dims());
            let block = OutputBlock {
                target: normal([SAMPLES, WIDTH]),
                next: &stage,
                next_affine: affine,
                next_pre_activation: &u,
                next_output: &next,
            };
            let end = block.lowered(start.clone()).unwrap();
            let sum = |a: &Tensor<2>| to_f64(block.value(a.clone())).unwrap().iter().sum::<f64>();
            assert!(sum(&end) < sum(&start), "{activation}, {kind}");
            let slope: f32 = block.gradient(end).abs().max().into_scalar();
            // The rounding of an inverse of four rows in f32.
            assert!(kind > 0 || slope < 1e-4, "{activation}: {slope}");
        }
    }
}
