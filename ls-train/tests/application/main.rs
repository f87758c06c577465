//! Runs of an application: a network with a stage of its own, and samples of its own.

mod folder;
mod refusals;
mod resume;
mod samples;
mod stages;

use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor};
use ls_core::batch::index_tensor;
use ls_core::fit::StopSignal;
use ls_core::linalg::to_f64;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Dense, Init};
use ls_train::config::{ExactConfig, MethodConfig, RunConfig};
use ls_train::data::{SampleKind, Splits};
use ls_train::observe::CheckpointRule;
use ls_train::{Outcome, Result, Session, Start, Training};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use stages::{Scale, Swish};

const NAME: &str = "swish net";

fn network(seed: u64) -> Network {
    let (mut random, device) = (ChaCha12Rng::seed_from_u64(seed), Device::flex());
    let mut dense =
        |size, activation| Dense::init(size, activation, Init::Kaiming, &mut random, &device);
    let stages = vec![
        dense([2, 16], Activation::Tanh).into(),
        AnyStage::custom(Swish {
            affine: dense([16, 12], Activation::Identity),
        }),
        AnyStage::custom(Scale {
            exponents: Param::from_tensor(Tensor::zeros([12], &device)),
        }),
        dense([12, 3], Activation::Identity).into(),
    ];
    Network::new(stages).unwrap()
}

fn kind() -> SampleKind {
    SampleKind {
        name: "three rings".into(),
        shape: FeatureShape::Flat(2),
        classes: ["inner", "middle", "outer"].map(String::from).to_vec(),
    }
}

/// A point on one of three rings.
#[derive(Clone, Debug)]
struct Point {
    position: [f32; 2],
    ring: usize,
}

fn points(count: usize, shift: f32) -> Vec<Point> {
    let point = |i: usize| {
        let (ring, angle) = (i % 3, 2.4 * i as f32 + shift);
        let radius = 0.6 + ring as f32 + 0.2 * (7.1 * i as f32).sin();
        Point {
            position: [radius * angle.cos(), radius * angle.sin()],
            ring,
        }
    };
    (0..count).map(point).collect()
}

fn tensors(points: &[Point]) -> (Tensor<2>, Tensor<1, Int>) {
    let device = Device::flex();
    let values: Vec<f32> = points.iter().flat_map(|point| point.position).collect();
    let labels: Vec<usize> = points.iter().map(|point| point.ring).collect();
    let values = Tensor::<1>::from_floats(values.as_slice(), &device);
    (
        values.reshape([points.len(), 2]),
        index_tensor(&labels, &device),
    )
}

fn splits(config: &RunConfig) -> Result<Splits> {
    let plan = config.clone().check()?;
    let (train, test) = (tensors(&points(150, 0.0)), tensors(&points(60, 0.5)));
    Splits::from_tensors(&plan, &kind(), train, test)
}

fn config(method: MethodConfig) -> RunConfig {
    RunConfig {
        sweeps: 6,
        method: method.into(),
        ..RunConfig::default()
    }
}

fn exact() -> MethodConfig {
    MethodConfig::Exact(ExactConfig::default())
}

/// Trains the network of a seed; a run that is interrupted from the start stops after one sweep.
fn go(
    config: &RunConfig,
    seed: u64,
    run: &Path,
    start: Start,
    interrupted: bool,
) -> Result<Outcome> {
    let signal = StopSignal::new();
    if interrupted {
        signal.stop();
    }
    let session = Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        metric_logs: false,
        signal,
        ..Session::new(Device::flex(), run)
    };
    let plan = config.clone().check()?;
    Training::new(&plan, splits(config)?)
        .network(NAME, network(seed))
        .run(session)
}

/// Logits of the test points: equal where all weights are.
fn logits(network: &Network) -> Vec<f64> {
    let (inputs, _) = tensors(&points(60, 0.5));
    to_f64(network.forward(inputs)).unwrap()
}
