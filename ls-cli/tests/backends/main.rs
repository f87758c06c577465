//! Runs on every backend that is compiled in, compared with those on flex.
//!
//! Without a feature there is nothing to compare: `cargo test --workspace --features wgpu,ndarray --test backends`. A backend without
//! a device on this machine is skipped, with a line that says so; `LAYERSEP_REQUIRE_DEVICES=wgpu,ndarray` makes that a failure.

use std::io::Write;

use burn::tensor::Device;
use ls_core::linalg::{Norm, to_f64};
use ls_core::model::{MlpConfig, ModelConfig, StagesConfig};
use ls_core::network::Network;
use ls_core::objective::Weighting;
use ls_core::shards::Shards;
use ls_core::stage::{
    Activation, ConvolutionConfig, DenseConfig, Init, Pooling, ResidualConvolutionConfig,
    ResidualDenseConfig, StageConfig,
};
use ls_train::config::{
    AlternatingConfig, BackpropConfig, BatchSize, ExactConfig, FoofConfig, MethodConfig,
    OptimizerName, RunConfig,
};
use ls_train::data::Splits;
use ls_train::run_dir::SplitFigures;
use ls_train::{Error, Session, train};

/// Difference of a loss from that on flex, relative. Backends sum in other orders: single stages differ by some f32 `ε`, 1e-7, and the
/// sweeps let that grow. Seen on ndarray and on Vulkan in software: at most 8e-6.
const LOSS: f64 = 1e-4;

/// Difference of a weight from that on flex, relative to the largest weight. Seen: at most 2e-5, after Adam, which divides small gradients
/// by themselves.
const WEIGHT: f64 = 3e-4;

/// The device of a backend; `None` where this machine has none.
type Found = (&'static str, Option<Device>);

/// The backends that are compiled in beside flex.
fn devices() -> Vec<Found> {
    let devices: Vec<Found> = vec![
        #[cfg(feature = "ndarray")]
        ("ndarray", ndarray()),
        #[cfg(feature = "wgpu")]
        ("wgpu", wgpu()),
        #[cfg(feature = "cuda")]
        ("cuda", cuda()),
    ];
    let required = std::env::var("LAYERSEP_REQUIRE_DEVICES").unwrap_or_default();
    for name in required.split(',').filter(|name| !name.is_empty()) {
        let mut found = devices.iter().filter(|(_, device)| device.is_some());
        assert!(
            found.any(|(own, _)| *own == name),
            "no device of {name}, which LAYERSEP_REQUIRE_DEVICES asks for"
        );
    }
    devices
}

#[cfg(feature = "ndarray")]
#[allow(deprecated, reason = "supported while Burn has it")]
fn ndarray() -> Option<Device> {
    Some(Device::ndarray())
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Option<Device> {
    use burn::tensor::{DeviceKind, DeviceType};

    let is_there = !Device::enumerate(DeviceType::Wgpu).is_empty();
    is_there.then(|| Device::wgpu(DeviceKind::DefaultDevice))
}

#[cfg(feature = "cuda")]
fn cuda() -> Option<Device> {
    // Without a driver, asking for its cards panics.
    let cards = || Device::enumerate(burn::tensor::DeviceType::Cuda);
    std::panic::catch_unwind(cards).ok()?.first().cloned()
}

/// The results of a run.
struct Figures {
    /// Losses by name.
    losses: Vec<(&'static str, f64)>,
    weights: Vec<f64>,
}

fn run(config: &RunConfig, device: &Device) -> Figures {
    run_on(config, device, None)
}

/// A run with its samples on the devices of shards beside the first device.
fn run_on(config: &RunConfig, device: &Device, shards: Option<&Shards>) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let plan = config.clone().check().unwrap();
    let splits = Splits::load(&plan, device).unwrap();
    let splits = match shards {
        Some(shards) => splits.sharded(shards),
        None => splits,
    };
    let session = Session::new(device.clone(), folder.path());
    let outcome = train(&plan, splits, session).unwrap();
    let summary = &outcome.summary;
    let of_train = |key| summary.train.get(key);
    let losses = [
        ("original loss", of_train("original_loss")),
        ("separated loss", of_train("separated_loss")),
        ("certificate", of_train("certificate")),
        (
            "test loss",
            summary.test.as_ref().map(SplitFigures::original_loss),
        ),
    ];
    let losses = losses.into_iter();
    Figures {
        losses: losses
            .filter_map(|(name, loss)| Some((name, loss?)))
            .collect(),
        weights: weights(&outcome.network),
    }
}

fn weights(network: &Network) -> Vec<f64> {
    let affine = network
        .stages()
        .iter()
        .map(|stage| stage.affine().unwrap().coefficients());
    affine
        .flat_map(|own| [to_f64(own.kernel).unwrap(), to_f64(own.bias).unwrap()])
        .flatten()
        .collect()
}

fn models() -> [(&'static str, ModelConfig); 3] {
    let stages = |stages| {
        ModelConfig::Stages(StagesConfig {
            init: Init::Kaiming,
            stages,
        })
    };
    let convolution = StageConfig::Convolution(ConvolutionConfig {
        padding: 1,
        pooling: Some(Pooling::Average { size: 2 }),
        ..ConvolutionConfig::new(4, 3, Activation::Gelu)
    });
    let pooled = StageConfig::Convolution(ConvolutionConfig {
        pooling: Some(Pooling::Max { size: 2 }),
        ..ConvolutionConfig::new(6, 3, Activation::Relu)
    });
    let dense = StageConfig::Dense(DenseConfig::new(12, Activation::Sigmoid));
    let residual = StageConfig::ResidualDense(ResidualDenseConfig {
        activation: Activation::Silu,
    });
    [
        (
            "dense",
            ModelConfig::Mlp(MlpConfig::new(vec![20, 16], Activation::Tanh)),
        ),
        (
            "convolution",
            stages(vec![convolution.clone(), pooled, dense.clone()]),
        ),
        (
            "residual",
            stages(vec![
                convolution,
                StageConfig::ResidualConvolution(ResidualConvolutionConfig {
                    kernel: 3,
                    activation: Activation::Tanh,
                }),
                dense,
                residual,
            ]),
        ),
    ]
}

/// Trains every network on every device, and compares the results with those on flex.
fn compare(case: &str, method: &MethodConfig, batch_size: BatchSize, sweeps: usize) {
    compare_with(case, method, batch_size, sweeps, run);
}

/// The same by another way to run on a device.
fn compare_with(
    case: &str,
    method: &MethodConfig,
    batch_size: BatchSize,
    sweeps: usize,
    run_there: fn(&RunConfig, &Device) -> Figures,
) {
    for (backend, device) in devices() {
        let Some(device) = device else {
            // Past the test harness, which hides the output of tests that pass.
            let line = format!("skipped: {case} on {backend}: no device here\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            continue;
        };
        for (name, model) in models() {
            let mut config = RunConfig {
                sweeps,
                batch_size,
                method: method.clone().into(),
                model: model.into(),
                ..RunConfig::default()
            };
            config.data.limit = Some(96);
            let (expected, found) = (run(&config, &Device::flex()), run_there(&config, &device));
            let mut worst = 0.0_f64;
            for ((figure, a), (_, b)) in expected.losses.iter().zip(&found.losses) {
                let off = (a - b).abs() / a.abs();
                worst = worst.max(off);
                assert!(
                    off <= LOSS,
                    "{case}, {name} on {backend}: {figure} is {b}, on flex {a}, {off:e} apart"
                );
            }
            let largest = expected
                .weights
                .iter()
                .fold(0.0_f64, |most, w| most.max(w.abs()));
            let pairs = expected.weights.iter().zip(&found.weights);
            let off = pairs.fold(0.0_f64, |most, (a, b)| most.max((a - b).abs())) / largest;
            #[allow(
                clippy::print_stdout,
                reason = "the figures that the tolerances rest on, with --nocapture"
            )]
            {
                println!("{case}, {name} on {backend}: losses {worst:.1e}, weights {off:.1e}");
            }
            assert!(
                off <= WEIGHT,
                "{case}, {name} on {backend}: weights are {off:e} of the largest apart"
            );
        }
    }
}

fn backprop(optimizer: OptimizerName) -> MethodConfig {
    MethodConfig::Backprop(BackpropConfig {
        optimizer: optimizer.into(),
        ..BackpropConfig::default()
    })
}

#[test]
fn exact_in_full_batch() {
    let method = MethodConfig::Exact(ExactConfig::default());
    compare("exact", &method, BatchSize::Full, 3);
}

/// Half of the samples on flex, and half on the other device.
#[test]
fn exact_with_samples_on_two_devices() {
    let method = MethodConfig::Exact(ExactConfig {
        chunk: Some(30),
        ..ExactConfig::default()
    });
    compare_with(
        "exact on both",
        &method,
        BatchSize::Full,
        3,
        |config, device| {
            let shards = Shards::new(vec![Device::flex(), device.clone()], vec![1, 1]);
            run_on(config, &Device::flex(), Some(&shards.unwrap()))
        },
    );
}

/// Settings of `foof` whose steps backends agree in.
fn foof() -> MethodConfig {
    // A decay moves weights along inputs that do not vary as well. Which eigenvectors span them is chance, and steps that divide by the size
    // of each entry then differ: with it the losses agree to 1e-5, and the weights of the convolution to a percent.
    MethodConfig::Foof(FoofConfig {
        weight_decay: Some(0.0),
        ..FoofConfig::default()
    })
}

#[test]
fn foof_in_batches() {
    // The first steps of Adam divide gradients by their own size: those that are near to rounding move weights by parts of a step, and
    // after three sweeps the paths are 3.2e-4 apart.
    compare("foof", &foof(), BatchSize::Samples(32), 1);
}

/// Half of each batch on flex, and half on the other device.
#[test]
fn foof_with_samples_on_two_devices() {
    compare_with(
        "foof on both",
        &foof(),
        BatchSize::Samples(32),
        1,
        |config, device| {
            let shards = Shards::new(vec![Device::flex(), device.clone()], vec![1, 1]);
            run_on(config, &Device::flex(), Some(&shards.unwrap()))
        },
    );
}

#[test]
fn alternating_by_line_searches() {
    let method = MethodConfig::Alternating(AlternatingConfig::default());
    // Every sample accepts or refuses steps of its own. After one sweep some are so near to the border that rounding decides.
    compare("alternating", &method, BatchSize::Full, 1);
}

#[test]
fn alternating_by_an_optimizer() {
    let method = MethodConfig::Alternating(AlternatingConfig {
        // The bound that takes Fourier transforms of the kernels.
        weighting: Weighting::SelfAdaptive {
            norm: Norm::Frequency,
            eta: 1.0,
        },
        optimizer: Some(OptimizerName::Adam.into()),
        ..AlternatingConfig::default()
    });
    compare("alternating with adam", &method, BatchSize::Samples(32), 3);
}

#[test]
fn backprop_by_adam() {
    let method = backprop(OptimizerName::Adam);
    compare("adam", &method, BatchSize::Samples(32), 3);
}

#[test]
fn backprop_by_sgd() {
    let method = backprop(OptimizerName::Sgd);
    compare("sgd", &method, BatchSize::Full, 3);
}

#[test]
fn samples_on_another_device_are_refused_and_the_folder_names_the_backend() {
    for (backend, device) in devices() {
        let Some(device) = device else { continue };
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let mut config = RunConfig {
            sweeps: 1,
            ..RunConfig::default()
        };
        config.data.limit = Some(40);
        let plan = config.check().unwrap();
        let on = |samples: &Device| {
            let splits = Splits::load(&plan, samples).unwrap();
            train(&plan, splits, Session::new(device.clone(), &run))
        };
        let refused = on(&Device::flex()).err().unwrap();
        assert!(
            matches!(
                &refused,
                Error::OtherDevice {
                    what: "the training split",
                    ..
                }
            ),
            "{refused}"
        );
        assert!(!run.exists());
        // The plan says flex.
        assert_eq!(on(&device).unwrap().summary.facts.device, backend);
    }
}
