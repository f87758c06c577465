//! What the tests share: random problems, fixtures, and the way between the f64 reference and the library.
#![allow(dead_code)] // Each test file is a crate of its own and uses a part.

pub(crate) mod block;
pub(crate) mod differences;
pub(crate) mod geometry;
pub(crate) mod hidden;
pub(crate) mod matrices;
pub(crate) mod mixed;
pub(crate) mod reference;
pub(crate) mod report;
mod rounding;
pub(crate) mod sweeps;
pub(crate) mod updates;

use burn::tensor::{Device, Int, Tensor, TensorData};
use geometry::{Geometry, Layout};
use ls_core::auxiliary::AuxiliaryStore;
use ls_core::batch::{Batch, Selection};
use ls_core::linalg::{Affine, Norm, to_f64};
use ls_core::method::Separated;
use ls_core::network::Network;
use ls_core::objective::{OutputLoss, Weighting, Weights};
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Convolution, ConvolutionConfig, Dense, Residual};
use ls_core::update::{AuxiliaryBlock, Penalty, WeightBlock};
use proptest::prelude::ProptestConfig;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use reference::{Layer, Matrix, Problem};

/// Every kind of weights of the residuals.
pub(crate) const WEIGHTINGS: [Weighting; 3] = [
    Weighting::SelfAdaptive {
        norm: Norm::Spectral,
        eta: 1.0,
    },
    Weighting::SelfAdaptive {
        norm: Norm::Frobenius,
        eta: 0.5,
    },
    Weighting::Fixed { omega: 0.7 },
];

/// Every activation with every kind of weights.
pub(crate) fn pairs() -> impl Iterator<Item = (Activation, Weighting)> {
    let with = |activation| WEIGHTINGS.map(|weighting| (activation, weighting));
    Activation::CONTINUOUS.iter().copied().flat_map(with)
}

/// Cases of a random property; `LAYERSEP_PROPTEST_CASES` sets another number.
pub(crate) fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("LAYERSEP_PROPTEST_CASES").ok();
    ProptestConfig {
        cases: cases.map_or(default, |cases| cases.parse().expect("a number of cases")),
        // A failure prints its whole input, seed included: nothing to keep in a file.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Tests never ask for the default device: with a GPU feature it would be one.
pub(crate) fn device() -> Device {
    Device::flex()
}

/// Normally distributed f32 numbers, held as f64 so that the reference starts from the same values.
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    pub(crate) fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub(crate) fn matrix(&mut self, [rows, columns]: [usize; 2], scale: f64) -> Matrix {
        let mut row = || {
            (0..columns)
                .map(|_| single(self.normal() * scale))
                .collect()
        };
        (0..rows).map(|_| row()).collect()
    }
}

/// The nearest single precision number.
pub(crate) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// Sizes and scales of a random problem.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) samples: usize,
    /// `d_0, …, d_{L-1}, K`.
    pub(crate) widths: Vec<usize>,
    /// Of the hidden stages.
    pub(crate) activations: Vec<Activation>,
    /// Standard deviation of each stage's weights; biases have a tenth of it.
    pub(crate) weight_scales: Vec<f64>,
    pub(crate) input_scale: f64,
    /// Standard deviation of `a - h`.
    pub(crate) auxiliary_scale: f64,
}

impl Shape {
    /// Moderate scales, two hidden stages of the same activation, residuals of about 0.1.
    pub(crate) fn moderate(activation: Activation, seed: u64) -> Self {
        // Keeps the signal of a sigmoid, whose slopes are four times smaller, as large as the others'.
        let gain = if activation == Activation::Sigmoid {
            3.0
        } else {
            1.0
        };
        Self {
            seed,
            samples: 24,
            widths: vec![5, 7, 6, 4],
            activations: vec![activation; 2],
            weight_scales: vec![0.45 * gain, 0.4 * gain, 0.4],
            input_scale: 1.0,
            auxiliary_scale: 0.1,
        }
    }

    pub(crate) fn problem(&self) -> Problem {
        let mut random = Random::new(self.seed);
        let hidden = self.widths.len() - 2;
        let layers = (0..=hidden)
            .map(|l| Layer {
                kernel: random.matrix([self.widths[l], self.widths[l + 1]], self.weight_scales[l]),
                bias: random.matrix([1, self.widths[l + 1]], 0.1 * self.weight_scales[l])[0]
                    .clone(),
                activation: *self.activations.get(l).unwrap_or(&Activation::Identity),
                layout: Layout::default(),
            })
            .collect();
        let inputs = random.matrix([self.samples, self.widths[0]], self.input_scale);
        Problem::near_feasible(layers, inputs, self.auxiliary_scale, &mut random)
    }
}

impl Layer {
    pub(crate) fn stage(&self) -> AnyStage {
        let coefficients = Affine {
            kernel: tensor(&self.kernel),
            bias: vector(&self.bias),
        };
        let Layout { geometry, skip } = &self.layout;
        let Some(Geometry { config, input }) = geometry else {
            let inner = Dense::from_coefficients(coefficients, self.activation);
            return match skip {
                true => {
                    AnyStage::ResidualDense(Residual::new(inner).expect("as wide as its input"))
                }
                false => AnyStage::Dense(inner),
            };
        };
        let config = ConvolutionConfig {
            activation: self.activation,
            ..*config
        };
        let inner = Convolution::from_coefficients(config, image(*input), coefficients);
        let inner = inner.expect("the geometry fits");
        match skip {
            true => {
                AnyStage::ResidualConvolution(Residual::new(inner).expect("of its input's shape"))
            }
            false => AnyStage::Convolution(inner),
        }
    }

    /// The same stage with the coefficients that the library's one has now.
    pub(crate) fn read(&self, stage: &AnyStage) -> Self {
        let coefficients = stage
            .affine()
            .expect("all stages here are affine")
            .coefficients();
        Self {
            kernel: rows(coefficients.kernel),
            bias: to_f64(coefficients.bias).expect("flex does not fail"),
            ..self.clone()
        }
    }

    /// `[W; b]`.
    pub(crate) fn bordered(&self) -> Matrix {
        let bias = core::iter::once(self.bias.clone());
        self.kernel.iter().cloned().chain(bias).collect()
    }
}

impl Problem {
    /// Random labels, and auxiliary variables at normally distributed distances from the forward pass.
    pub(crate) fn near_feasible(
        layers: Vec<Layer>,
        inputs: Matrix,
        auxiliary_scale: f64,
        random: &mut Random,
    ) -> Self {
        let classes = layers[layers.len() - 1].bias.len();
        let mut problem = Self {
            labels: inputs.iter().map(|_| random.below(classes)).collect(),
            layers,
            inputs,
            auxiliary: Vec::new(),
        };
        let outputs: Vec<Matrix> = (0..problem.inputs.len())
            .map(|n| problem.forward(n))
            .collect();
        for l in 0..problem.hidden() {
            let mut near = |h: &f64| single(h + auxiliary_scale * random.normal());
            let rows = outputs.iter().map(|h| h[l].iter().map(&mut near).collect());
            problem.auxiliary.push(rows.collect());
        }
        problem
    }

    pub(crate) fn network(&self) -> Network {
        Network::new(self.layers.iter().map(Layer::stage).collect()).expect("neighbours fit")
    }

    pub(crate) fn tensors(&self) -> Vec<Tensor<2>> {
        self.auxiliary.iter().map(tensor).collect()
    }

    pub(crate) fn model(&self) -> Separated {
        Separated {
            network: self.network(),
            auxiliary: AuxiliaryStore::from_values(self.tensors()),
        }
    }

    pub(crate) fn batch(&self) -> Batch {
        Batch::full(tensor(&self.inputs), labels(&self.labels))
    }

    /// The same samples at the network and auxiliary variables that a method left.
    pub(crate) fn at(&self, model: &Separated) -> Self {
        let stages = model.network.stages();
        Self {
            layers: self
                .layers
                .iter()
                .zip(stages)
                .map(|(layer, stage)| layer.read(stage))
                .collect(),
            auxiliary: model
                .auxiliary
                .gather(&Selection::All)
                .into_iter()
                .map(rows)
                .collect(),
            ..self.clone()
        }
    }

    /// What the output of stage `l` is compared with in the separated loss.
    pub(crate) fn output_loss(&self, l: usize, weights: &Weights) -> OutputLoss {
        match self.auxiliary.get(l) {
            Some(target) => OutputLoss::Residual {
                target: tensor(target),
                omega: weights.omega[l],
            },
            None => OutputLoss::CrossEntropy {
                labels: labels(&self.labels),
                factor: weights.head,
            },
        }
    }

    /// The weight block of stage `l`: the formula of the pressure that earlier residuals exert, `B = Σ ω_j/K_l² r̄_j²`.
    pub(crate) fn weight_block(
        &self,
        l: usize,
        weighting: Weighting,
        weights: &Weights,
    ) -> WeightBlock {
        let own = self.layers[l].lipschitz(weighting.norm());
        let pressure = |j: usize| weights.omega[j] / (own * own) * self.residual_square_mean(j);
        let adaptive = matches!(weighting, Weighting::SelfAdaptive { .. });
        WeightBlock {
            input: tensor(if l == 0 {
                &self.inputs
            } else {
                &self.auxiliary[l - 1]
            }),
            loss: self.output_loss(l, weights),
            penalty: Penalty {
                coefficient: (0..l).filter(|_| adaptive).map(pressure).sum(),
                norm: weighting.norm(),
            },
        }
    }

    /// The library's weights at the problem's coefficients.
    pub(crate) fn library_weights(&self, weighting: Weighting) -> Weights {
        let lipschitz = self.network().lipschitz(weighting.norm()).unwrap();
        weighting.weights(&lipschitz).unwrap()
    }

    /// The auxiliary block of hidden stage `l`; `network` is this problem's.
    pub(crate) fn block<'a>(
        &self,
        l: usize,
        network: &'a Network,
        weights: &Weights,
    ) -> AuxiliaryBlock<'a> {
        let input = if l == 0 {
            &self.inputs
        } else {
            &self.auxiliary[l - 1]
        };
        AuxiliaryBlock {
            target: network.stages()[l].forward(tensor(input)),
            omega: weights.omega[l],
            next: &network.stages()[l + 1],
            next_loss: self.output_loss(l + 1, weights),
        }
    }
}

pub(crate) fn image([channels, height, width]: [usize; 3]) -> FeatureShape {
    FeatureShape::Image {
        channels,
        height,
        width,
    }
}

/// As an f32 tensor.
pub(crate) fn tensor(matrix: &Matrix) -> Tensor<2> {
    let size = [matrix.len(), matrix[0].len()];
    let values: Vec<f32> = matrix.iter().flatten().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, size), &device())
}

fn vector(values: &[f64]) -> Tensor<1> {
    tensor(&vec![values.to_vec()]).squeeze_dim(0)
}

fn labels(labels: &[usize]) -> Tensor<1, Int> {
    ls_core::batch::index_tensor(labels, &device())
}

pub(crate) fn rows(tensor: Tensor<2>) -> Matrix {
    let [_, columns] = tensor.dims();
    let values = to_f64(tensor).expect("flex does not fail");
    values.chunks(columns).map(<[f64]>::to_vec).collect()
}

/// Checks `found` against `expected`, relative to `expected` or to `floor` where that is larger.
#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64, relative: f64, floor: f64, what: &str) {
    let error = (found - expected).abs();
    let scale = expected.abs().max(floor);
    assert!(
        error <= relative * scale,
        "{what}: found {found}, expected {expected}"
    );
}
