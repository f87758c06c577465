//! Networks of units that jump: they train without derivatives, and `exact` keeps its law for the network as it is.

mod common;

use burn::tensor::{Int, Tensor, TensorData};
use common::{Random, device, tensor};
use ls_core::batch::Batch;
use ls_core::method::{
    Backprop, BackpropConfig, Exact, ExactConfig, Foof, FoofConfig, Method, Separated,
};
use ls_core::model::MlpConfig;
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::Activation;

const FEATURES: usize = 6;

/// Both of two inputs and an exclusive or of two others: no single layer separates these classes.
fn batch(samples: usize) -> Batch {
    let mut random = Random::new(11);
    let inputs = random.matrix([samples, FEATURES], 1.0);
    let class = |x: &Vec<f64>| i64::from(x[0] * x[1] > 0.0) + 2 * i64::from(x[2] + x[3] > 0.0);
    let labels: Vec<i64> = inputs.iter().map(class).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples]), &device());
    Batch::full(tensor(&inputs), labels)
}

fn network(activation: Activation, depth: usize) -> Network {
    let mlp = MlpConfig::new(vec![24; depth], activation);
    let input = FeatureShape::Flat(FEATURES);
    mlp.init(input, 4, 3, &device()).unwrap()
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

#[test]
fn exact_never_lets_the_loss_of_a_network_of_jumps_rise() {
    let batch = batch(300);
    for activation in [Activation::Sign, Activation::Step] {
        for depth in [1, 3] {
            let network = network(activation, depth);
            let mut exact = Exact::new(ExactConfig::default(), &network).unwrap();
            let found = losses(&mut exact, &network, &batch, 15);
            // Only decreases by more than 1e-5 of the loss are taken.
            for pair in found.windows(2) {
                assert!(pair[1] <= pair[0], "{activation}, {depth}: {found:?}");
            }
            assert!(
                found[15] < 0.7 * found[0],
                "{activation}, {depth}: {found:?}"
            );
        }
    }
}

#[test]
fn batches_train_a_network_of_jumps_with_and_without_the_straight_through_estimator() {
    let batch = batch(300);
    let network = network(Activation::Sign, 2);
    let backprop = BackpropConfig {
        learning_rate: Some(1e-2),
        ..BackpropConfig::default()
    };
    let mut methods: Vec<Box<dyn Method>> = vec![
        Box::new(Foof::new(FoofConfig::default(), &network, Some(60)).unwrap()),
        Box::new(Backprop::new(&backprop, &network, Some(60)).unwrap()),
    ];
    for method in &mut methods {
        let found = losses(&mut **method, &network, &batch, 60);
        assert!(found[60] < 0.6 * found[0], "{}: {found:?}", method.name());
    }
}

#[test]
fn jumps_have_no_certificate() {
    let missing = network(Activation::Sign, 2).without_bound();
    let stages: Vec<_> = missing.iter().map(|missing| missing.stage).collect();
    assert_eq!(stages, [1, 2]);
}
