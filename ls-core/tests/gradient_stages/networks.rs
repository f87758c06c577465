//! Stages without the affine view, networks of them, and the samples that they are trained on.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::Tensor;
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::Affine;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Convolution, ConvolutionConfig, Dense, Stage};

use crate::common::hidden::Hidden;
use crate::common::{Random, device, image, tensor};

pub(crate) const CLASSES: usize = 3;
pub(crate) const FEATURES: usize = 6;
pub(crate) const WIDTH: usize = 8;
pub(crate) const SAMPLES: usize = 90;
pub(crate) const BATCH: usize = 30;

/// Layer normalization.
#[derive(Module, Debug)]
struct Norm {
    inner: LayerNorm,
}

impl Stage for Norm {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.inner.gamma.dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

/// Two layers with dropout around a skip connection.
#[derive(Module, Debug)]
pub(crate) struct Block {
    up: Linear,
    dropout: Dropout,
    down: Linear,
}

impl Stage for Block {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let h = self.up.forward(input.clone()).tanh();
        input + self.down.forward(self.dropout.forward(h))
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.up.weight.dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

pub(crate) fn dense(random: &mut Random, size: [usize; 2], activation: Activation) -> Dense {
    let scale = (1.0 / size[0] as f64).sqrt();
    let coefficients = Affine {
        kernel: tensor(&random.matrix(size, scale)),
        bias: Tensor::zeros([size[1]], &device()),
    };
    Dense::from_coefficients(coefficients, activation)
}

pub(crate) fn hidden(random: &mut Random, size: [usize; 2], activation: Activation) -> AnyStage {
    let inner = dense(random, size, activation);
    AnyStage::custom(Hidden { inner })
}

/// Four channels of two positions each: as wide as the others.
fn convolution(random: &mut Random) -> AnyStage {
    let config = ConvolutionConfig::new(4, 2, Activation::Tanh);
    let coefficients = Affine {
        kernel: tensor(&random.matrix([4, 4], 0.5)),
        bias: Tensor::zeros([4], &device()),
    };
    let stage = Convolution::from_coefficients(config, image([1, 2, 3]), coefficients);
    stage.unwrap().into()
}

fn norm() -> AnyStage {
    let inner = LayerNormConfig::new(WIDTH).init(&device());
    AnyStage::custom(Norm { inner })
}

fn block(random: &mut Random) -> AnyStage {
    let mut linear = |size: [usize; 2]| {
        let layer = LinearConfig::new(size[0], size[1]).init(&device());
        Linear {
            weight: Param::from_tensor(tensor(&random.matrix(size, 0.3))),
            bias: layer.bias.map(|bias| bias.map(|bias| bias.zeros_like())),
        }
    };
    AnyStage::custom(Block {
        up: linear([WIDTH, 12]),
        down: linear([12, WIDTH]),
        dropout: DropoutConfig::new(0.3).init(),
    })
}

/// Networks with stages without the affine view at every place, by name.
pub(crate) fn networks() -> Vec<(&'static str, Network)> {
    let mut random = Random::new(2);
    let r = &mut random;
    let (tanh, identity) = (Activation::Tanh, Activation::Identity);
    let (input, square, head) = ([FEATURES, WIDTH], [WIDTH, WIDTH], [WIDTH, CLASSES]);
    let named = [
        (
            "normalized",
            vec![
                dense(r, input, tanh).into(),
                norm(),
                dense(r, square, tanh).into(),
                norm(),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "block in the middle",
            vec![
                dense(r, input, tanh).into(),
                block(r),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "behind a convolution",
            vec![convolution(r), block(r), dense(r, head, identity).into()],
        ),
        (
            "first stage",
            vec![
                hidden(r, input, tanh),
                dense(r, square, tanh).into(),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "head",
            vec![
                dense(r, input, tanh).into(),
                dense(r, square, tanh).into(),
                hidden(r, head, identity),
            ],
        ),
        (
            "all",
            vec![
                hidden(r, input, tanh),
                block(r),
                norm(),
                hidden(r, head, identity),
            ],
        ),
    ];
    named
        .map(|(name, stages)| (name, Network::new(stages).unwrap()))
        .into()
}

/// Samples whose labels are the signs of two products, which no affine map of the inputs separates.
pub(crate) fn split() -> Batch {
    let mut random = Random::new(7);
    let inputs = random.matrix([SAMPLES, FEATURES], 1.0);
    let class = |x: &Vec<f64>| match (x[0] * x[1] > 0.0, x[2] * x[3] > 0.0) {
        (true, true) => 0,
        (false, false) => 1,
        _ => 2,
    };
    let labels: Vec<usize> = inputs.iter().map(class).collect();
    Batch::full(tensor(&inputs), index_tensor(&labels, &device()))
}
