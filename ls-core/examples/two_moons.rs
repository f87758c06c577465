//! The smallest use: two half moons in the plane, told apart by a network that method `exact` trains, without a learning rate.
//!
//! Every sweep prints the loss `F` of the network, which never rises, and the certificate `C ≥ F`, which is computed from the
//! separated layers alone. It is loose as long as a sweep still moves the layers far apart.
//!
//! ```text
//! cargo run --release -p ls-core --example two_moons
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::f64::consts::PI;

use burn::tensor::{Device, Distribution, Int, Tensor};
use ls_core::batch::Batch;
use ls_core::method::{Exact, ExactConfig, Method, Separated};
use ls_core::model::MlpConfig;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::Activation;

/// `2 · half` noisy points, one moon after the other.
fn moons(half: usize, device: &Device) -> Batch {
    let angle = || Tensor::<1>::random([half], Distribution::Uniform(0.0, PI), device);
    let (upper, lower) = (angle(), angle());
    let upper = Tensor::stack::<2>(vec![upper.clone().cos(), upper.sin()], 1);
    let lower = Tensor::stack::<2>(vec![1.0 - lower.clone().cos(), 0.5 - lower.sin()], 1);
    let points = Tensor::cat(vec![upper, lower], 0);
    let noise = points.random_like(Distribution::Normal(0.0, 0.15));
    let labels = Tensor::<1, Int>::arange(0..2 * half as i64, device).div_scalar(half as i64);
    Batch::full(points + noise, labels)
}

fn main() -> ls_core::Result<()> {
    let device = Device::flex();
    device.seed(1);
    let (train, test) = (moons(500, &device), moons(500, &device));

    let mlp = MlpConfig::new(vec![32, 32], Activation::Tanh);
    let network = mlp.init(FeatureShape::Flat(2), 2, 1, &device)?;
    let mut method = Exact::new(ExactConfig::default(), &network)?;
    let mut model = Separated::feasible(network, &train);

    println!("sweep  loss F   certificate C  training accuracy");
    for sweep in 0..=10 {
        if sweep > 0 {
            method.sweep(&mut model, &train)?;
        }
        let measured = method.measure(&mut model, &train)?;
        let certificate = measured.separated.and_then(|s| s.certificate_mean);
        println!(
            "{sweep:>5}  {:.5}  {:>13.5}  {:>16.1} %",
            measured.original_loss_mean,
            certificate.unwrap_or(f64::NAN),
            100.0 * measured.accuracy
        );
    }
    let unseen = measure(&model.network, None, &test)?;
    println!(
        "\n{:.1} % of {} new points are classified rightly",
        100.0 * unseen.accuracy,
        unseen.samples
    );
    Ok(())
}
