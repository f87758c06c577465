//! Weight decay in method `exact`: what sweeps lower is `P = F + λ/2 Σ ‖W_l‖²`.

mod common;

use burn::tensor::Tensor;
use common::{Random, device, image, tensor};
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::{Affine, scalar_f64};
use ls_core::method::{
    Exact, ExactConfig, Foof, FoofConfig, Method, Objective, PENALIZED_LOSS, Separated,
};
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::stage::{Activation, ConvolutionConfig, DenseConfig, Init, StageConfig};

const DECAY: f64 = 0.01;
const SAMPLES: usize = 40;
const SHAPE: [usize; 3] = [1, 6, 6];

/// Random images with labels that only chance connects to them: without a penalty the weights would grow for ever.
fn split() -> Batch {
    let mut random = Random::new(3);
    let features: usize = SHAPE.iter().product();
    let inputs = random.matrix([SAMPLES, features], 1.0);
    let labels: Vec<usize> = (0..SAMPLES).map(|_| random.below(3)).collect();
    Batch::full(tensor(&inputs), index_tensor(&labels, &device()))
}

/// A convolution of 16 positions, a dense stage and the head.
fn network() -> Network {
    let activation = Activation::Tanh;
    let convolution = ConvolutionConfig::new(3, 3, activation);
    let stages = [
        StageConfig::Convolution(convolution),
        StageConfig::Dense(DenseConfig::new(8, activation)),
    ];
    Network::init(&stages, Init::Kaiming, image(SHAPE), 3, 1, &device()).unwrap()
}

fn coefficients(network: &Network, l: usize) -> Affine {
    network.stages()[l].affine().unwrap().coefficients()
}

fn square(kernel: Tensor<2>) -> f64 {
    scalar_f64((kernel.clone() * kernel).sum()).unwrap()
}

fn original_loss(network: &Network, split: &Batch) -> f64 {
    measure(network, None, split).unwrap().original_loss_mean
}

fn penalized_loss(network: &Network, split: &Batch) -> f64 {
    let squares = (0..=network.hidden()).map(|l| square(coefficients(network, l).kernel));
    original_loss(network, split) + 0.5 * DECAY * squares.sum::<f64>()
}

fn trained(decay: f64, sweeps: usize, mut check: impl FnMut(&Network)) -> Network {
    let split = split();
    let network = network();
    let config = ExactConfig {
        weight_decay: decay,
        ..ExactConfig::default()
    };
    let mut method = Exact::new(config, &network).unwrap();
    let mut model = Separated::feasible(network, &split);
    for _ in 0..sweeps {
        method.sweep(&mut model, &split).unwrap();
        check(&model.network);
    }
    model.network
}

#[test]
fn the_penalized_loss_never_rises_and_ends_where_its_derivatives_vanish() {
    let split = split();
    let mut before = penalized_loss(&network(), &split);
    let network = trained(DECAY, 300, |network| {
        let after = penalized_loss(network, &split);
        // The acceptance sums in f64 what this sums in f64 too; kernels are squared in f32.
        assert!(after <= before * (1.0 + 1e-6), "{before} to {after}");
        before = after;
    });
    // The error of the difference is t², that of f32 losses 1e-7/t; the rest is what 300 sweeps leave.
    assert_stationary(&network, &split, 0.02);
}

/// Along `W_l` itself, `d/dt F((1 + t) W_l) + λ ‖W_l‖² = 0`, by a central difference, up to a share of the second term.
fn assert_stationary(network: &Network, split: &Batch, tolerance: f64) {
    for l in 0..=network.hidden() {
        let own = coefficients(network, l);
        let moved = |t: f64| {
            let mut moved = network.clone();
            let kernel = own.kernel.clone() * (1.0 + t);
            let bias = own.bias.clone();
            let stage = moved.stage_mut(l).affine_mut().unwrap();
            stage.set_coefficients(Affine { kernel, bias });
            original_loss(&moved, split)
        };
        let t = 1e-2;
        let slope = (moved(t) - moved(-t)) / (2.0 * t);
        let pull = DECAY * square(own.kernel.clone());
        assert!(
            (slope + pull).abs() < tolerance * pull,
            "stage {}: slope {slope}, pull {pull}",
            l + 1
        );
    }
}

#[test]
fn without_it_weights_grow_and_the_promise_is_about_the_original_loss() {
    let promise = |weight_decay| {
        let config = ExactConfig {
            weight_decay,
            ..ExactConfig::default()
        };
        Exact::new(config, &network()).unwrap().objective()
    };
    assert_eq!(promise(0.0), Objective::ORIGINAL.descending());
    assert_eq!(
        promise(DECAY),
        Objective::reported(PENALIZED_LOSS).descending()
    );
    let size = |network: &Network| -> f64 {
        let squares = (0..=network.hidden()).map(|l| square(coefficients(network, l).kernel));
        squares.sum()
    };
    let (with, without) = (trained(DECAY, 60, |_| ()), trained(0.0, 60, |_| ()));
    assert!(2.0 * size(&with) < size(&without));
}

#[test]
fn batches_settle_where_the_derivatives_vanish_too() {
    let (split, network) = (split(), network());
    let sweeps = 400;
    let config = FoofConfig {
        weight_decay: Some(DECAY),
        ..FoofConfig::default()
    };
    let method = Foof::new(config, &network, Some(2 * sweeps)).unwrap();
    let mut method = method.with_last_decay(DECAY);
    let mut model = Separated::new(network);
    let indices: Vec<usize> = (0..SAMPLES).collect();
    for _ in 0..sweeps {
        for (block, members) in indices.chunks(SAMPLES / 2).enumerate() {
            let batch = split.pick(block, members);
            method.sweep(&mut model, &batch).unwrap();
        }
    }
    // Steps that fall to zero still carry the noise of two batches. A decay off by the 16 positions of the convolution, or by the
    // samples of a batch, would leave a slope of many pulls.
    assert_stationary(&model.network, &split, 0.2);
}
