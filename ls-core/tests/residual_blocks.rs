//! Residual blocks of several stages, and normalized stages: they are the maps that they claim to be, and keep the laws of all stages.

mod common;

use burn::tensor::{Int, Tensor, TensorData};
use common::reference::ROUNDING_OF_BOUNDS;
use common::{Random, cases, device, tensor};
use ls_core::auxiliary::AuxiliaryStore;
use ls_core::batch::Batch;
use ls_core::method::{
    Alternating, AlternatingConfig, Exact, ExactConfig, Foof, FoofConfig, Method, Separated,
};
use ls_core::model::{ModelConfig, ResnetConfig, StagesConfig};
use ls_core::network::Network;
use ls_core::objective::{Weighting, measure};
use ls_core::shape::FeatureShape;
use ls_core::stage::{
    Activation, ConvolutionConfig, DenseConfig, Init, Normalization, ResidualBlockConfig,
    StageConfig,
};
use proptest::prelude::*;
use proptest::sample::select;

const INPUT: FeatureShape = FeatureShape::Image {
    channels: 2,
    height: 6,
    width: 5,
};
const CLASSES: usize = 3;

fn convolution(channels: usize, normalization: Option<Normalization>) -> StageConfig {
    ConvolutionConfig {
        padding: 1,
        normalization,
        ..ConvolutionConfig::new(channels, 3, Activation::Tanh)
    }
    .into()
}

fn block(stages: Vec<StageConfig>) -> StageConfig {
    ResidualBlockConfig { stages }.into()
}

fn dense(width: usize, activation: Activation) -> StageConfig {
    let normalization = None;
    DenseConfig {
        normalization,
        ..DenseConfig::new(width, activation)
    }
    .into()
}

fn build(stages: &[StageConfig], init: Init, seed: u64) -> Network {
    Network::init(stages, init, INPUT, CLASSES, seed, &device()).unwrap()
}

fn batch(samples: usize, seed: u64) -> Batch {
    let mut random = Random::new(seed);
    let inputs = tensor(&random.matrix([samples, INPUT.features()], 1.0));
    let labels: Vec<i64> = (0..samples).map(|_| random.below(CLASSES) as i64).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples]), &device());
    Batch::full(inputs, labels)
}

fn largest(tensor: Tensor<2>) -> f32 {
    tensor.abs().max().into_scalar()
}

/// One to three stages with one connection around them, behind a convolution and before a dense stage.
fn with_block(inner: usize, normalization: Option<Normalization>) -> Vec<StageConfig> {
    let mut stages = vec![convolution(4, normalization); inner - 1];
    stages.push(convolution(2, normalization));
    vec![
        convolution(2, normalization),
        block(stages),
        dense(5, Activation::Relu),
    ]
}

#[test]
fn a_block_is_its_stages_one_after_another_and_its_input() {
    for inner in 1..=3 {
        let stages = with_block(inner, None);
        let StageConfig::ResidualBlock(inside) = &stages[1] else {
            unreachable!("that is its place")
        };
        // The same draws of weights, without the connection.
        let plain = build(
            &[vec![stages[0].clone()], inside.stages.clone()].concat(),
            Init::Kaiming,
            4,
        );
        let skipping = build(&stages, Init::Kaiming, 4);
        let x = batch(7, 1).inputs;
        let first = plain.stages()[0].forward(x.clone());
        let mut g = first.clone();
        for stage in &plain.stages()[1..=inner] {
            g = stage.forward(g);
        }
        let mut h = x;
        for stage in &skipping.stages()[..=inner] {
            h = stage.forward(h);
        }
        // One addition in either way.
        assert_eq!(largest(h - (first + g)), 0.0, "{inner} stages");
    }
}

#[test]
fn pull_backs_of_blocks_and_normalized_stages_are_what_autodiff_finds() {
    for normalization in [
        None,
        Some(Normalization::Layer),
        Some(Normalization::Group { groups: 2 }),
    ] {
        let network = build(&with_block(3, normalization), Init::Kaiming, 5);
        let mut h = batch(4, 2).inputs;
        for (l, stage) in network.stages().iter().enumerate() {
            let leaf = h.clone().autodiff().require_grad();
            let output = stage.forward(leaf.clone());
            let cotangent = output.clone().inner().cos();
            let expected = leaf
                .grad(&(output * cotangent.clone()).sum().backward())
                .unwrap();
            let (value, pull_back) = stage.linearize(h.clone());
            let whole = pull_back(cotangent.clone());
            let view = stage.affine().expect("all stages here are affine");
            let u = view.coefficients().apply(view.rows(h.clone()));
            let (post, to_u) = view.linearize_post(u, &h);
            let in_steps = view.pull_to_input(to_u(cotangent.clone()), cotangent);
            let scale = largest(expected.clone()).max(1.0);
            for (what, found) in [("at once", whole), ("in two steps", in_steps)] {
                let error = largest(found - expected.clone());
                // Sums of at most 150 products in f32.
                assert!(
                    error < 1e-5 * scale,
                    "stage {l}, {what}: {error} of {scale}"
                );
            }
            assert!(largest(post - value.clone()) < 1e-5, "stage {l}");
            h = value;
        }
    }
}

proptest! {
    #![proptest_config(cases(100))]

    /// The constants of stages under a skip connection are upper bounds, at variables anywhere.
    #[test]
    fn certificate_of_a_network_with_blocks_lies_between_both_losses(
        seed in any::<u64>(),
        inner in 1..=3_usize,
        distance in select(vec![0.0, 1e-3, 0.1, 1.0]),
        init in select(Init::ALL.to_vec()),
    ) {
        let network = build(&with_block(inner, None), init, seed);
        let batch = batch(6, seed ^ 1);
        let mut random = Random::new(seed ^ 2);
        let mut h = batch.inputs.clone();
        let mut auxiliary = Vec::new();
        for stage in &network.stages()[..network.hidden()] {
            h = stage.forward(h);
            let noise = random.matrix(h.dims(), distance);
            auxiliary.push(h.clone() + tensor(&noise));
        }
        let weighting = Weighting::default();
        let lipschitz = network.lipschitz(weighting.norm()).unwrap();
        let weights = weighting.weights(&lipschitz).unwrap();
        let store = AuxiliaryStore::from_values(auxiliary);
        let measured = measure(&network, Some((&store, &weights)), &batch).unwrap();
        let separated = measured.separated.unwrap();
        let certificate = separated.certificate_mean.unwrap();
        // Logits of size 1 and a few hundred products in f32.
        let allowance = 1e-4 * (1.0 + certificate);
        prop_assert!(measured.original_loss_mean <= certificate + allowance);
        prop_assert!(certificate <= separated.separated_loss_mean * (1.0 + ROUNDING_OF_BOUNDS));
    }
}

#[test]
fn a_normalized_network_has_no_certificate_and_says_where() {
    let network = build(&with_block(2, Some(Normalization::Layer)), Init::Kaiming, 1);
    let error = network.lipschitz(Weighting::default().norm()).unwrap();
    let missing: Vec<String> = error
        .into_iter()
        .filter_map(Result::err)
        .map(|e| e.to_string())
        .collect();
    assert_eq!(
        missing[0],
        "stage 1 (Convolution) states no Lipschitz constant"
    );
}

/// `F` after each sweep.
fn losses(method: &mut dyn Method, network: Network, batch: &Batch, sweeps: usize) -> Vec<f64> {
    let mut model = Separated::feasible(network, batch);
    let mut losses = Vec::new();
    for _ in 0..sweeps {
        method.sweep(&mut model, batch).unwrap();
        losses.push(
            measure(&model.network, None, batch)
                .unwrap()
                .original_loss_mean,
        );
    }
    losses
}

#[test]
fn exact_never_lets_the_loss_of_a_residual_network_rise() {
    let images = FeatureShape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };
    let mut random = Random::new(3);
    let inputs = tensor(&random.matrix([60, 64], 1.0));
    let labels: Vec<i64> = (0..60).map(|n| n % 3).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [60]), &device());
    let batch = Batch::full(inputs, labels);
    let model = ModelConfig::Resnet(ResnetConfig::default());
    let network = model.init(images, CLASSES, 1, &device()).unwrap();
    let mut exact = Exact::new(ExactConfig::default(), &network).unwrap();
    let found = losses(&mut exact, network.clone(), &batch, 6);
    for pair in found.windows(2) {
        // Only decreases by more than 1e-5 of the loss are taken.
        assert!(pair[1] <= pair[0], "{found:?}");
    }
    assert!(found[5] < 0.3 * 3.0_f64.ln(), "{found:?}");
}

#[test]
fn every_method_trains_a_network_with_blocks() {
    let batch = batch(60, 9);
    let network = build(&with_block(2, None), Init::Kaiming, 2);
    let first = measure(&network, None, &batch).unwrap().original_loss_mean;
    let mut methods: Vec<Box<dyn Method>> = vec![
        Box::new(Exact::new(ExactConfig::default(), &network).unwrap()),
        Box::new(Alternating::new(AlternatingConfig::default(), &network, &batch).unwrap()),
        Box::new(Foof::new(FoofConfig::default(), &network, Some(20)).unwrap()),
    ];
    for method in &mut methods {
        let found = losses(&mut **method, network.clone(), &batch, 20);
        assert!(found[19] < 0.9 * first, "{}: {found:?}", method.name());
    }
}

#[test]
fn impossible_blocks_are_refused_in_one_line() {
    let refuse = |stages: Vec<StageConfig>| {
        let stages = vec![block(stages)];
        let model = ModelConfig::Stages(StagesConfig {
            init: Init::Kaiming,
            stages,
        });
        let layout = model.layout(INPUT, CLASSES).unwrap_err().to_string();
        let init = model
            .init(INPUT, CLASSES, 1, &device())
            .unwrap_err()
            .to_string();
        assert_eq!(layout, init);
        layout
    };
    assert!(refuse(vec![]).contains("stages of a residual block = 0"));
    assert!(refuse(vec![convolution(3, None)]).contains("outputs of a residual stage"));
    let nested = refuse(vec![block(vec![convolution(2, None)])]);
    assert!(
        nested.contains("neither a dense nor a convolution stage"),
        "{nested}"
    );
    let groups = refuse(vec![convolution(
        2,
        Some(Normalization::Group { groups: 3 }),
    )]);
    assert!(groups.contains("groups = 3"), "{groups}");
}
