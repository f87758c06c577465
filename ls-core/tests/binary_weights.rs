//! Weights of one bit: the network is the one of its binary kernels, and methods keep their laws for it.

mod common;

use burn::nn::LinearConfig;
use burn::tensor::{Int, Tensor, TensorData};
use common::{Random, device, tensor};
use ls_core::batch::Batch;
use ls_core::linalg::{Norm, binarized, to_f64};
use ls_core::method::{
    Alternating, AlternatingConfig, Backprop, BackpropConfig, Exact, ExactConfig, Foof, FoofConfig,
    LocoProp, LocoPropConfig, Method, MethodConfig, Separated, Task,
};
use ls_core::model::MlpConfig;
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{
    Activation, AnyStage, ConvolutionConfig, Dense, DenseConfig, Init, Stage, StageConfig,
};

const IMAGE: FeatureShape = FeatureShape::Image {
    channels: 2,
    height: 3,
    width: 3,
};
const FEATURES: usize = 18;

/// An exclusive or, twice: no single layer separates these classes.
fn batch(samples: usize) -> Batch {
    let mut random = Random::new(11);
    let inputs = random.matrix([samples, FEATURES], 1.0);
    let class = |x: &Vec<f64>| i64::from(x[0] * x[1] > 0.0) + 2 * i64::from(x[2] + x[3] > 0.0);
    let labels: Vec<i64> = inputs.iter().map(class).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples]), &device());
    Batch::full(tensor(&inputs), labels)
}

fn convolution() -> StageConfig {
    ConvolutionConfig {
        padding: 1,
        binary_weights: true,
        ..ConvolutionConfig::new(6, 3, Activation::Tanh)
    }
    .into()
}

fn dense(activation: Activation) -> StageConfig {
    DenseConfig {
        binary_weights: true,
        ..DenseConfig::new(24, activation)
    }
    .into()
}

fn build(stages: &[StageConfig]) -> Network {
    Network::init(stages, Init::Kaiming, IMAGE, 4, 3, &device()).unwrap()
}

fn networks() -> [Network; 3] {
    [
        build(&[dense(Activation::Relu), dense(Activation::Tanh)]),
        build(&[dense(Activation::Sign)]),
        build(&[convolution(), dense(Activation::Gelu)]),
    ]
}

/// `F` at the start and after each sweep.
fn losses(method: &mut dyn Method, network: &Network, batch: &Batch, sweeps: usize) -> Vec<f64> {
    let loss = |network: &Network| measure(network, None, batch).unwrap().original_loss_mean;
    let mut losses = vec![loss(network)];
    let mut model = Separated::new(network.clone());
    for _ in 0..sweeps {
        method.sweep(&mut model, batch).unwrap();
        losses.push(loss(&model.network));
    }
    losses
}

fn difference(a: Tensor<2>, b: Tensor<2>) -> f64 {
    to_f64((a - b).abs().max()).unwrap()[0]
}

#[test]
fn a_stage_gives_the_outputs_of_a_plain_stage_with_its_binary_kernel() {
    for network in networks() {
        let mut h = batch(20).inputs;
        for stage in network.stages() {
            let mut plain = stage.clone();
            let view = stage.affine().unwrap();
            if !view.has_binary_weights() {
                continue;
            }
            let mut coefficients = view.coefficients();
            coefficients.kernel = binarized(coefficients.kernel);
            plain.affine_mut().unwrap().set_coefficients(coefficients);
            // A binary kernel has itself as its binary kernel, up to the rounding of the mean of equal numbers.
            assert!(difference(stage.forward(h.clone()), plain.forward(h.clone())) < 1e-5);
            h = stage.forward(h);
        }
    }
    // And the plain stage of Burn's layer says so without any of it.
    let linear = LinearConfig::new(5, 4).init(&device());
    let stage = Dense::from_linear(&linear, Activation::Relu).with_binary_weights(true);
    let plain = Dense::from_linear(&stage.to_linear(), Activation::Relu);
    let inputs = batch(9).inputs.narrow(1, 0, 5);
    assert_eq!(
        difference(stage.forward(inputs.clone()), plain.forward(inputs)),
        0.0
    );
}

#[test]
fn cotangents_are_those_that_autodiff_finds_for_the_inputs() {
    for network in networks() {
        let mut h = batch(7).inputs;
        for stage in network.stages() {
            if stage.lipschitz().is_none() {
                // The cotangents of jumps are no derivatives.
                break;
            }
            let (output, pull_back) = stage.linearize(h.clone());
            let cotangent = output.clone() * 0.5 + 1.0;
            let found = pull_back(cotangent.clone());
            let leaf = h.clone().autodiff().require_grad();
            let product = stage.forward(leaf.clone()) * cotangent;
            let expected = leaf.grad(&product.sum().backward()).unwrap();
            // Sums of some dozens of numbers of size one in f32.
            assert!(difference(found, expected) < 1e-5);
            h = output;
        }
    }
}

#[test]
fn exact_never_lets_the_loss_of_the_binary_network_rise() {
    let batch = batch(300);
    for network in networks() {
        let mut exact = Exact::new(ExactConfig::default(), &network).unwrap();
        let found = losses(&mut exact, &network, &batch, 15);
        // Only decreases by more than 1e-5 of the loss are taken.
        for pair in found.windows(2) {
            assert!(pair[1] <= pair[0], "{found:?}");
        }
        assert!(found[15] < 0.7 * found[0], "{found:?}");
    }
}

#[test]
fn batches_train_binary_weights() {
    let batch = batch(300);
    let network = build(&[dense(Activation::Tanh), dense(Activation::Tanh)]);
    let backprop = BackpropConfig {
        learning_rate: Some(1e-2),
        ..BackpropConfig::default()
    };
    let locoprop = LocoPropConfig {
        learning_rate: 1e-4,
        ..LocoPropConfig::default()
    };
    // The share of the loss that may be left. LocoProp's momentum of 0.999 has hardly begun after 60 sweeps.
    let methods: [(Box<dyn Method>, f64); 3] = [
        (
            Box::new(Foof::new(FoofConfig::default(), &network, Some(60)).unwrap()),
            0.6,
        ),
        (
            Box::new(Backprop::new(&backprop, &network, Some(60)).unwrap()),
            0.6,
        ),
        (
            Box::new(LocoProp::new(locoprop, &network, Some(60)).unwrap()),
            0.9,
        ),
    ];
    for (mut method, left) in methods {
        let found = losses(&mut *method, &network, &batch, 60);
        assert!(found[60] < left * found[0], "{}: {found:?}", method.name());
    }
}

#[test]
fn alternating_never_lets_the_separated_loss_of_the_binary_network_rise() {
    let batch = batch(100);
    let network = build(&[convolution(), dense(Activation::Tanh)]);
    let mut method = Alternating::new(AlternatingConfig::default(), &network, &batch).unwrap();
    let mut model = Separated::feasible(network, &batch);
    let objective = |method: &Alternating, model: &mut Separated| {
        let found = method.measure(model, &batch).unwrap();
        found.separated.unwrap().separated_loss_mean
    };
    let mut before = objective(&method, &mut model);
    for _ in 0..5 {
        method.sweep(&mut model, &batch).unwrap();
        let after = objective(&method, &mut model);
        // The same loss from f32 misfits, summed in f64.
        assert!(after <= before * (1.0 + 1e-6), "{before}, {after}");
        before = after;
    }
}

#[test]
fn constants_bound_what_binary_stages_do_to_distances() {
    let mut random = Random::new(2);
    for network in networks() {
        let stage: &AnyStage = &network.stages()[0];
        let Some(constant) = stage.lipschitz() else {
            continue;
        };
        let constant = constant.value(Norm::Spectral).unwrap();
        let mut inputs = || tensor(&random.matrix([50, FEATURES], 1.0));
        let (a, b) = (inputs(), inputs());
        let norms = |d: Tensor<2>| to_f64((d.clone() * d).sum_dim(1).sqrt()).unwrap();
        let outputs = norms(stage.forward(a.clone()) - stage.forward(b.clone()));
        for (output, input) in outputs.iter().zip(norms(a - b)) {
            // f32 sums.
            assert!(*output <= constant * input * (1.0 + 1e-5));
        }
    }
}

#[test]
fn closed_forms_of_other_methods_refuse_binary_weights_by_the_number_of_their_stage() {
    let mlp = MlpConfig {
        binary_weights: true,
        ..MlpConfig::new(vec![8], Activation::Relu)
    };
    let network = mlp
        .init(FeatureShape::Flat(FEATURES), 4, 1, &device())
        .unwrap();
    for name in ["bcd", "admm"] {
        let config = MethodConfig::named(name).unwrap();
        let split = batch(10);
        let task = Task {
            network: &network,
            split: &split,
            total_steps: None,
            seed: 1,
        };
        let refused = config.init(&task).err();
        let text = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            text.contains("stage 1") && text.contains("one bit"),
            "{name}: {text}"
        );
    }
}
