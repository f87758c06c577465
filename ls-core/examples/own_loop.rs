//! A training loop of one's own: mini-batches in random order, an evaluation after each sweep, weights saved and loaded as a
//! record of Burn's, and the trained stages as plain Burn layers.
//!
//! Three spiral arms in the plane are told apart by the mini-batch form of method `exact`. Any other method takes its place by
//! one line.
//!
//! ```text
//! cargo run --release -p ls-core --example own_loop
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use burn::module::Module;
use burn::nn::Linear;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Distribution, Int, Tensor};
use ls_core::batch::Batch;
use ls_core::method::{Foof, FoofConfig, Method, Separated};
use ls_core::model::MlpConfig;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Dense};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;

const ARMS: usize = 3;
const BATCH: usize = 100;
const SWEEPS: usize = 10;

/// Noisy points of three spiral arms, one arm after the other.
fn spirals(samples_per_arm: usize, device: &Device) -> Batch {
    let arm = |arm: usize| {
        let uniform = Distribution::Uniform(0.2, 1.0);
        let radius = Tensor::<1>::random([samples_per_arm], uniform, device);
        let turn = std::f64::consts::TAU * arm as f64 / ARMS as f64;
        let angle = radius.clone() * 5.0 + turn;
        let (x, y) = (radius.clone() * angle.clone().cos(), radius * angle.sin());
        Tensor::stack::<2>(vec![x, y], 1)
    };
    let points = Tensor::cat((0..ARMS).map(arm).collect(), 0);
    let noise = points.random_like(Distribution::Normal(0.0, 0.04));
    let samples = (ARMS * samples_per_arm) as i64;
    let labels = Tensor::<1, Int>::arange(0..samples, device).div_scalar(samples_per_arm as i64);
    Batch::full(points + noise, labels)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    device.seed(1);
    let (train, test) = (spirals(1000, &device), spirals(500, &device));

    let mlp = MlpConfig::new(vec![32, 32], Activation::Tanh);
    let start = |seed| mlp.init(FeatureShape::Flat(2), ARMS, seed, &device);
    let network = start(1)?;

    // A block of samples always has the same members, since a method may remember something of each; only their order changes.
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut samples: Vec<usize> = (0..train.len()).collect();
    samples.shuffle(&mut random);
    let mut blocks: Vec<Batch> = samples
        .chunks(BATCH)
        .enumerate()
        .map(|(block, members)| train.pick(block, members))
        .collect();

    let total_steps = SWEEPS * blocks.len();
    let mut method = Foof::new(FoofConfig::default(), &network, Some(total_steps))?;
    // No auxiliary variables: between the steps of this method nothing of them is needed.
    let mut model = Separated::new(network);

    println!("sweep  training loss  test loss  test accuracy");
    for sweep in 1..=SWEEPS {
        blocks.shuffle(&mut random);
        for batch in &blocks {
            method.sweep(&mut model, batch)?;
        }
        method.end_sweep(&mut model)?;
        let seen = measure(&model.network, None, &train)?;
        let unseen = measure(&model.network, None, &test)?;
        println!(
            "{sweep:>5}  {:>13.4}  {:>9.4}  {:>11.1} %",
            seen.original_loss_mean,
            unseen.original_loss_mean,
            100.0 * unseen.accuracy
        );
    }

    // A network is a Burn module, so its weights are a record of Burn's.
    let path = std::env::temp_dir().join("layersep-own-loop.bpk");
    model.network.clone().into_record().save(&path)?;
    let loaded = start(2)?.try_load_record(ModuleRecord::load(&path)?)?;
    let logits = model.network.forward(test.inputs.clone());
    let difference =
        |other: Tensor<2>| -> f32 { (logits.clone() - other).abs().max().into_scalar() };
    println!(
        "\nafter saving and loading, logits differ by {}",
        difference(loaded.forward(test.inputs.clone()))
    );

    // And its dense stages are linear layers of Burn's, to go on without this library.
    let stages = loaded.stages().iter();
    let layers: Vec<Linear> = stages
        .filter_map(|stage| stage.downcast_ref().map(Dense::to_linear))
        .collect();
    let mut hidden = test.inputs.clone();
    for (l, layer) in layers.iter().enumerate() {
        hidden = layer.forward(hidden);
        if l + 1 < layers.len() {
            hidden = hidden.tanh();
        }
    }
    println!(
        "as {} layers of `burn::nn::Linear`, by {:.1e} at most",
        layers.len(),
        difference(hidden)
    );
    // Not before: Burn reads weights from the file when they are used.
    std::fs::remove_file(&path)?;
    Ok(())
}
