//! A run by the learner on an application's own data and its own network.
//!
//! Two spirals come from a data set that implements Burn's `Dataset`; the network starts with a stage that the library does not
//! have, `sin(a W + b)`. The run leaves a folder with configuration, history, checkpoints and weights, of which the last lines
//! load the weights again.
//!
//! ```sh
//! cargo run --release -p ls-train --example own_data [RUN_FOLDER]
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::PathBuf;

use burn::data::dataset::{Dataset, DatasetError};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ls_core::linalg::Affine;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AffineStage, AnyStage, Dense, Init, Lipschitz, Stage};
use ls_train::config::RunConfig;
use ls_train::data::{SampleKind, Splits};
use ls_train::{Session, Start, Trained, Training};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

/// Points on two spirals, computed when they are asked for.
struct Spirals {
    points: usize,
}

/// One of them.
struct Point {
    x: f32,
    y: f32,
    spiral: usize,
}

impl Dataset<Point> for Spirals {
    fn get(&self, index: usize) -> Result<Point, DatasetError> {
        let spiral = index % 2;
        let turn = 1.5 * index as f32 / self.points as f32;
        let angle = core::f32::consts::TAU * turn + core::f32::consts::PI * spiral as f32;
        let radius = 0.2 + turn;
        Ok(Point {
            x: radius * angle.cos(),
            y: radius * angle.sin(),
            spiral,
        })
    }

    fn len(&self) -> usize {
        self.points
    }
}

/// `f(a) = sin(a W + b)`. The affine map is a stage of the library.
#[derive(Module, Debug)]
struct Sine {
    affine: Dense,
}

impl Stage for Sine {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.affine.forward(input).sin()
    }

    fn input_shape(&self) -> FeatureShape {
        self.affine.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.affine.output_shape()
    }

    /// That of the affine map, since the slope of the sine is at most 1. Without it there would be no certificate.
    fn lipschitz(&self) -> Option<Lipschitz> {
        self.affine.lipschitz()
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

/// What `exact` solves for: the coefficients of the affine map, and what comes after it.
impl AffineStage for Sine {
    fn coefficients(&self) -> Affine {
        self.affine.coefficients()
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        self.affine.set_coefficients(coefficients);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        u.sin()
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2> {
        self.affine.pull_to_input(u_cotangent, output_cotangent)
    }
}

/// Sine, tanh, and a head for two classes.
fn network(device: &Device) -> ls_core::Result<Network> {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut dense =
        |size, activation| Dense::init(size, activation, Init::Kaiming, &mut random, device);
    Network::new(vec![
        AnyStage::custom(Sine {
            affine: dense([2, 32], Activation::Identity),
        }),
        dense([32, 32], Activation::Tanh).into(),
        dense([32, 2], Activation::Identity).into(),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let run = std::env::args().nth(1);
    let run = PathBuf::from(run.unwrap_or_else(|| "runs/own-data".into()));
    let device = Device::flex();
    let plan = RunConfig {
        sweeps: 30,
        ..RunConfig::default()
    }
    .check()?;
    let kind = SampleKind {
        name: "two spirals".into(),
        shape: FeatureShape::Flat(2),
        classes: vec!["first".into(), "second".into()],
    };
    let (train, test) = (Spirals { points: 1000 }, Spirals { points: 333 });
    let splits = Splits::from_datasets(
        &plan,
        &kind,
        [&train, &test],
        |point| (vec![point.x, point.y], point.spiral),
        &device,
    )?;
    let session = Session {
        start: Start::Overwrite,
        ..Session::new(device.clone(), &run).with_lines(std::io::stdout())
    };
    let outcome = Training::new(&plan, splits)
        .network("sine net", network(&device)?)
        .run(session)?;
    println!(
        "\n{:.2} % of the test points are right; the run is in {}",
        100.0 * outcome.summary.test_accuracy(),
        run.display()
    );

    let trained = Trained::load_into(network(&device)?, &run)?;
    let point = Tensor::from_floats([[0.5, 0.5]], &device);
    let class = trained
        .network
        .forward(point)
        .argmax(1)
        .into_scalar::<i64>();
    let class = usize::try_from(class)?;
    println!(
        "the point (0.5, 0.5) belongs to the {} spiral",
        trained.preprocessing.classes[class]
    );
    Ok(())
}
