//! Random problems on images, of all kinds of stages.

use super::geometry::{Geometry, Layout};
use super::reference::{Layer, Problem};
use super::{Random, image};
use core::ops::{Range, RangeInclusive};
use ls_core::shape::FeatureShape;
use ls_core::stage::{
    Activation, ConvolutionConfig, DenseConfig, Pooling, ResidualConvolutionConfig,
    ResidualDenseConfig, StageConfig,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Sizes and scales of a random problem on images.
#[derive(Clone, Debug)]
pub(crate) struct MixedShape {
    pub(crate) seed: u64,
    pub(crate) samples: usize,
    /// Channels, height, width.
    pub(crate) input: [usize; 3],
    /// The hidden stages, each with the standard deviation of its weights; biases have a tenth of it.
    pub(crate) stages: Vec<(StageConfig, f64)>,
    pub(crate) classes: usize,
    pub(crate) head_scale: f64,
    pub(crate) input_scale: f64,
    /// Standard deviation of `a - h`.
    pub(crate) auxiliary_scale: f64,
}

impl MixedShape {
    /// The hidden stages, cut to what fits the stages before them.
    pub(crate) fn configs(&self) -> Vec<StageConfig> {
        let mut shape = image(self.input);
        let configs = self.stages.iter().map(|(config, _)| {
            let config = fitted(config, shape);
            shape = output_shape(&config, shape);
            config
        });
        configs.collect()
    }

    pub(crate) fn problem(&self) -> Problem {
        let mut random = Random::new(self.seed);
        let mut shape = image(self.input);
        let mut layers = Vec::new();
        for (config, (_, scale)) in self.configs().iter().zip(&self.stages) {
            layers.push(random_layer(config, shape, *scale, &mut random));
            shape = output_shape(config, shape);
        }
        let head = StageConfig::Dense(DenseConfig::new(self.classes, Activation::Identity));
        layers.push(random_layer(&head, shape, self.head_scale, &mut random));
        let size = [self.samples, image(self.input).features()];
        let inputs = random.matrix(size, self.input_scale);
        Problem::near_feasible(layers, inputs, self.auxiliary_scale, &mut random)
    }
}

/// Networks of all kinds of stages, with weights, inputs and distances of all scales `10^exponents`.
pub(crate) fn shapes(
    samples: RangeInclusive<usize>,
    hidden: RangeInclusive<usize>,
    exponents: Range<f64>,
) -> impl Strategy<Value = MixedShape> {
    let scales = move || exponents.clone().prop_map(|exponent| 10_f64.powf(exponent));
    let sizes = (any::<u64>(), samples, 2..=5_usize);
    let input = [1..=2_usize, 2..=6_usize, 2..=6_usize];
    let stages = vec((any_stage(), scales()), hidden);
    (sizes, input, stages, [scales(), scales(), scales()]).prop_map(
        |((seed, samples, classes), input, stages, [head_scale, input_scale, auxiliary_scale])| {
            MixedShape {
                seed,
                samples,
                input,
                stages,
                classes,
                head_scale,
                input_scale,
                auxiliary_scale,
            }
        },
    )
}

/// A stage of any kind with any activation; [`fitted`] cuts it to the stages before it.
pub(crate) fn any_stage() -> impl Strategy<Value = StageConfig> {
    let pooling = (0..3_usize, 1..=3_usize).prop_map(|(kind, size)| match kind {
        0 => None,
        1 => Some(Pooling::Max { size }),
        _ => Some(Pooling::Average { size }),
    });
    let convolution = [1..=3_usize, 1..=4_usize, 1..=3_usize, 0..=2_usize];
    let rest = (0..6_usize, select(Activation::CONTINUOUS.to_vec()));
    (convolution, pooling, rest).prop_map(
        |([channels, kernel, stride, padding], pooling, (kind, activation))| match kind {
            0 => StageConfig::Dense(DenseConfig::new(2 * kernel, activation)),
            1 => StageConfig::ResidualDense(ResidualDenseConfig { activation }),
            2 => StageConfig::ResidualConvolution(ResidualConvolutionConfig {
                kernel: 2 * (kernel / 2) + 1,
                activation,
            }),
            _ => StageConfig::Convolution(ConvolutionConfig {
                stride,
                padding,
                pooling,
                ..ConvolutionConfig::new(channels, kernel, activation)
            }),
        },
    )
}

/// Networks that hold every new kind of stage between them: stride, padding, both poolings with dropped rows, skips.
pub(crate) fn moderate(activation: Activation, seed: u64) -> [MixedShape; 2] {
    // Keeps the signal of a sigmoid, whose slopes are four times smaller, as large as the others'.
    let gain = if activation == Activation::Sigmoid {
        3.0
    } else {
        1.0
    };
    let convolution = |[channels, kernel, stride, padding]: [usize; 4], pooling| {
        StageConfig::Convolution(ConvolutionConfig {
            stride,
            padding,
            pooling,
            ..ConvolutionConfig::new(channels, kernel, activation)
        })
    };
    let shape = |stages: [(StageConfig, f64); 3]| MixedShape {
        seed,
        samples: 12,
        input: [1, 7, 8],
        stages: stages.map(|(stage, scale)| (stage, scale * gain)).to_vec(),
        classes: 4,
        head_scale: 0.4,
        input_scale: 1.0,
        auxiliary_scale: 0.1,
    };
    [
        shape([
            (
                convolution([2, 3, 1, 1], Some(Pooling::Max { size: 2 })),
                0.3,
            ),
            (
                StageConfig::ResidualConvolution(ResidualConvolutionConfig {
                    kernel: 3,
                    activation,
                }),
                0.1,
            ),
            (StageConfig::Dense(DenseConfig::new(5, activation)), 0.2),
        ]),
        shape([
            (convolution([3, 3, 2, 1], None), 0.3),
            (
                convolution([2, 2, 1, 1], Some(Pooling::Average { size: 2 })),
                0.4,
            ),
            (
                StageConfig::ResidualDense(ResidualDenseConfig { activation }),
                0.1,
            ),
        ]),
    ]
}

const BLOCKS: &str = "the reference has single stages; blocks are tested in `residual_blocks.rs`";

/// A stage of the reference with random coefficients.
pub(crate) fn random_layer(
    config: &StageConfig,
    input: FeatureShape,
    scale: f64,
    random: &mut Random,
) -> Layer {
    let geometry = |config: &ConvolutionConfig| Geometry {
        config: *config,
        input: sides(input),
    };
    let features = input.features();
    let (size, activation, layout) = match config {
        StageConfig::Dense(DenseConfig {
            width, activation, ..
        }) => ([features, *width], *activation, Layout::default()),
        StageConfig::ResidualDense(ResidualDenseConfig { activation }) => {
            let layout = Layout {
                geometry: None,
                skip: true,
            };
            ([features, features], *activation, layout)
        }
        StageConfig::Convolution(config) => {
            let layout = Layout {
                geometry: Some(geometry(config)),
                skip: false,
            };
            (kernel_size(config, input), config.activation, layout)
        }
        StageConfig::ResidualConvolution(ResidualConvolutionConfig { kernel, activation }) => {
            let config = ConvolutionConfig {
                padding: kernel / 2,
                ..ConvolutionConfig::new(sides(input)[0], *kernel, *activation)
            };
            let layout = Layout {
                geometry: Some(geometry(&config)),
                skip: true,
            };
            (kernel_size(&config, input), *activation, layout)
        }
        StageConfig::ResidualBlock(_) => unreachable!("{BLOCKS}"),
    };
    Layer {
        kernel: random.matrix(size, scale),
        bias: random.matrix([1, size[1]], 0.1 * scale).concat(),
        activation,
        layout,
    }
}

fn kernel_size(config: &ConvolutionConfig, input: FeatureShape) -> [usize; 2] {
    let side = config.kernel;
    [sides(input)[0] * side * side, config.channels]
}

fn sides(shape: FeatureShape) -> [usize; 3] {
    match shape {
        FeatureShape::Image {
            channels,
            height,
            width,
        } => [channels, height, width],
        FeatureShape::Flat(features) => panic!("{features} flat features are no image"),
    }
}

/// The stage itself, with a smaller kernel and smaller windows where the image asks for it; dense on flat inputs.
pub(crate) fn fitted(config: &StageConfig, input: FeatureShape) -> StageConfig {
    match (config, input) {
        (StageConfig::Convolution(config), FeatureShape::Image { height, width, .. }) => {
            let mut config = *config;
            config.kernel = config.kernel.min(height.min(width) + 2 * config.padding);
            let geometry = Geometry {
                config,
                input: sides(input),
            };
            let [_, rows, columns] = geometry.between();
            let least = rows.min(columns);
            config.pooling = config.pooling.map(|pooling| match pooling {
                Pooling::Max { size } => Pooling::Max {
                    size: size.min(least),
                },
                Pooling::Average { size } => Pooling::Average {
                    size: size.min(least),
                },
            });
            StageConfig::Convolution(config)
        }
        (StageConfig::Convolution(config), FeatureShape::Flat(_)) => {
            StageConfig::Dense(DenseConfig::new(config.channels, config.activation))
        }
        (
            StageConfig::ResidualConvolution(ResidualConvolutionConfig { activation, .. }),
            FeatureShape::Flat(_),
        ) => StageConfig::ResidualDense(ResidualDenseConfig {
            activation: *activation,
        }),
        _ => config.clone(),
    }
}

/// Shape of the output, by the reference's own sizes.
pub(crate) fn output_shape(config: &StageConfig, input: FeatureShape) -> FeatureShape {
    match config {
        StageConfig::Dense(DenseConfig { width, .. }) => FeatureShape::Flat(*width),
        StageConfig::ResidualDense(ResidualDenseConfig { .. }) => {
            FeatureShape::Flat(input.features())
        }
        StageConfig::ResidualConvolution(ResidualConvolutionConfig { .. }) => input,
        StageConfig::ResidualBlock(_) => unreachable!("{BLOCKS}"),
        StageConfig::Convolution(config) => {
            let input = sides(input);
            image(
                Geometry {
                    config: *config,
                    input,
                }
                .output(),
            )
        }
    }
}
