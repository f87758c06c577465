//! An application with a stage of its own: points in the plane are told apart by their distance from the origin.

#![allow(clippy::print_stdout, reason = "an application talks to its user")]

use std::process::ExitCode;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use ls_core::batch::Batch;
use ls_core::method::{Exact, ExactConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Dense, Stage};

/// `sin(a W + b)`.
#[derive(Module, Debug)]
struct Sine {
    linear: Linear,
}

impl Stage for Sine {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.linear.forward(input).sin()
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.linear.weight.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.linear.weight.val().dims()[1])
    }
}

fn main() -> ls_core::Result<ExitCode> {
    let device = Device::flex();
    device.seed(1);
    let network = Network::new(vec![
        AnyStage::custom(Sine {
            linear: LinearConfig::new(2, 16).init(&device),
        }),
        Dense::from_linear(
            &LinearConfig::new(16, 2).init(&device),
            Activation::Identity,
        )
        .into(),
    ])?;

    let angle = Tensor::<1, Int>::arange(0..400, &device).float();
    let radius = (angle.clone() * 0.7).sin().abs();
    let points = Tensor::stack(
        vec![
            radius.clone() * angle.clone().cos(),
            radius.clone() * angle.sin(),
        ],
        1,
    );
    let split = Batch::full(points, radius.greater_elem(0.7).int());

    let mut method = Exact::new(ExactConfig::default(), &network)?;
    let mut model = Separated::new(network);
    let before = measure(&model.network, None, &split)?;
    for _ in 0..10 {
        method.sweep(&mut model, &split)?;
    }
    let after = measure(&model.network, None, &split)?;
    println!(
        "loss {:.4} before and {:.4} after ten sweeps, {:.1} % correct",
        before.original_loss_mean,
        after.original_loss_mean,
        100.0 * after.accuracy
    );
    let fell = after.original_loss_mean < 0.5 * before.original_loss_mean;
    Ok(if fell {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
