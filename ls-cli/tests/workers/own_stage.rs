//! A stage of one's own on workers: its gradients come by autodiff, whose operations are messages.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::remote::RemoteHost;
use burn::tensor::{Device, Tensor, TensorData};
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::to_f64;
use ls_core::method::{Exact, ExactConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::shards::Shards;
use ls_core::stage::{Activation, AnyStage, Dense, Init, Stage};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use crate::worker::Worker;

const WIDTH: usize = 7;
const CLASSES: usize = 3;
const SAMPLES: usize = 60;

/// `h + tanh(W h + b)`.
#[derive(Module, Debug)]
struct Residual {
    linear: Linear,
}

impl Stage for Residual {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.clone() + self.linear.forward(input).tanh()
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(WIDTH)
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(WIDTH)
    }
}

fn network() -> Network {
    let device = Device::flex();
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut dense =
        |size, activation| Dense::init(size, activation, Init::Kaiming, &mut random, &device);
    let first = dense([WIDTH, WIDTH], Activation::Silu).into();
    let head = dense([WIDTH, CLASSES], Activation::Identity).into();
    // Burn draws the weights of its own layers from the device.
    device.seed(2);
    let linear = LinearConfig::new(WIDTH, WIDTH).init(&device);
    Network::new(vec![first, AnyStage::custom(Residual { linear }), head]).unwrap()
}

fn split() -> Batch {
    let device = Device::flex();
    let mut random = ChaCha12Rng::seed_from_u64(3);
    let values: Vec<f32> = (0..SAMPLES * WIDTH)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    let labels: Vec<usize> = values
        .chunks(WIDTH)
        .map(|row| usize::from(row[0] > 0.0) + usize::from(row[1] > 0.2))
        .collect();
    let inputs = TensorData::new(values, [SAMPLES, WIDTH]);
    Batch::full(
        Tensor::from_data(inputs, &device),
        index_tensor(&labels, &device),
    )
}

/// The logits of some samples and the losses of all sweeps.
fn trained(network: Network, split: &Batch) -> (Vec<f64>, Vec<f64>) {
    let config = ExactConfig {
        chunk: Some(13),
        ..ExactConfig::default()
    };
    let mut method = Exact::new(config, &network).unwrap();
    let mut model = Separated::for_method(&method, network, split);
    let losses = (0..5).map(|_| {
        method.sweep(&mut model, split).unwrap();
        let found = method.measure(&mut model, split).unwrap();
        found.original_loss_mean
    });
    let losses = losses.collect();
    let logits = model.network.forward(split.inputs.clone());
    (to_f64(logits).unwrap(), losses)
}

#[test]
fn a_stage_without_a_derivative_of_its_own_trains_on_workers_to_the_same_bits() {
    let workers = Worker::several(2);
    let devices = workers.iter().map(|worker| {
        let host = RemoteHost::websocket(worker.name.trim_start_matches("remote:"));
        Device::remote_options(&host).init().unwrap()
    });
    let shards = Shards::new(devices.collect(), vec![1, 1]).unwrap();
    let network = network();
    let local = trained(network.clone(), &split());
    let shared = trained(network.clone(), &split().sharded(shards));
    assert!(local.1[4] < 0.5 * local.1[0], "{:?}", local.1);
    assert_eq!(local, shared);
}
