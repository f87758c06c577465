//! Seconds of passes, of a sweep of every method, and of a report: `cargo bench --workspace --bench sweeps`.
//!
//! Samples are Gaussian around a mean for each class, so that nothing but this file is needed. Every sweep starts from the same
//! point, the network after one sweep, since later ones may need more or fewer trials. Passes are named as in `layersep bench`; they take all
//! samples at once, where that command deals them to the threads.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use divan::Bencher;
use ls_core::auxiliary::AuxiliaryStore;
use ls_core::batch::Batch;
use ls_core::linalg::{Gram, Ridge};
use ls_core::method::{
    Alternating, AlternatingConfig, Backprop, BackpropConfig, Exact, ExactConfig, Method,
    Separated, gradients,
};
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig};
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Init};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

const SAMPLES: usize = 4096;
const CLASSES: usize = 10;

/// Networks to sweep over.
const MODELS: [&str; 3] = ["64-128x2 relu", "64-64x10 tanh", "cnn 12x12"];

fn main() {
    divan::main();
}

fn architecture(name: &str) -> (ModelConfig, FeatureShape) {
    let mlp = |hidden: Vec<usize>, activation| {
        let init = Init::Kaiming;
        ModelConfig::Mlp(MlpConfig {
            init,
            ..MlpConfig::new(hidden, activation)
        })
    };
    match name {
        "64-128x2 relu" => (mlp(vec![128; 2], Activation::Relu), FeatureShape::Flat(64)),
        "64-64x10 tanh" => (mlp(vec![64; 10], Activation::Tanh), FeatureShape::Flat(64)),
        _ => {
            let config = CnnConfig::new(Activation::Relu);
            let shape = FeatureShape::Image {
                channels: 1,
                height: 12,
                width: 12,
            };
            (ModelConfig::Cnn(config), shape)
        }
    }
}

/// A network, and samples of its shape.
fn problem(name: &str) -> (Separated, Batch) {
    let device = Device::flex();
    let (model, shape) = architecture(name);
    let features = shape.features();
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut normal = |count: usize| -> Vec<f32> {
        let draws = (0..count).map(|_| StandardNormal.sample(&mut random));
        draws.collect()
    };
    let (means, noise) = (normal(CLASSES * features), normal(SAMPLES * features));
    let labels: Vec<i64> = (0..SAMPLES)
        .map(|_| random.random_range(0..CLASSES as i64))
        .collect();
    let mean = |i: usize| means[labels[i / features] as usize * features + i % features];
    let inputs: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(i, e)| mean(i) + 3.0 * e)
        .collect();
    let split = Batch::full(
        Tensor::from_data(TensorData::new(inputs, [SAMPLES, features]), &device),
        Tensor::<1, Int>::from_data(TensorData::new(labels, [SAMPLES]), &device),
    );
    let network = model
        .init(shape, CLASSES, 1, &device)
        .expect("a valid network");
    let auxiliary = AuxiliaryStore::feasible(&network, &split, SAMPLES);
    (Separated { network, auxiliary }, split)
}

/// Times the sweep after the first.
fn sweep(
    bencher: Bencher<'_, '_>,
    name: &str,
    start: impl Fn(&Separated, &Batch) -> Box<dyn Method> + Sync,
) {
    let (fresh, split) = problem(name);
    bencher
        .with_inputs(|| {
            let (mut model, mut method) = (fresh.clone(), start(&fresh, &split));
            method.sweep(&mut model, &split).expect("a first sweep");
            (model, method)
        })
        .bench_local_values(|(mut model, mut method)| {
            method.sweep(&mut model, &split).expect("a sweep");
            model
        });
}

#[divan::bench(args = MODELS, sample_count = 10)]
fn forward(bencher: Bencher<'_, '_>, name: &str) {
    let (model, split) = problem(name);
    bencher.bench_local(|| model.network.forward(split.inputs.clone()));
}

/// By autodiff, as in `backprop`.
#[divan::bench(args = MODELS, sample_count = 10)]
fn forward_backward(bencher: Bencher<'_, '_>, name: &str) {
    let (model, split) = problem(name);
    let tracked = model.network.train();
    bencher.bench_local(|| gradients(&tracked, &split));
}

/// Returns the rows that the kernels of a network's stages multiply.
fn rows(model: &Separated, split: &Batch) -> Vec<Tensor<2>> {
    let mut inputs = vec![split.inputs.clone()];
    inputs.extend(model.network.activations(split.inputs.clone()));
    let pairs = model.network.stages().iter().zip(inputs);
    let rows = pairs.filter_map(|(stage, input)| Some(stage.affine()?.rows(input)));
    rows.collect()
}

/// Of rows that are at hand, and of all patches of a convolution.
#[divan::bench(args = MODELS, sample_count = 10)]
fn gram(bencher: Bencher<'_, '_>, name: &str) {
    let (model, split) = problem(name);
    let rows = rows(&model, &split);
    bencher.bench_local(|| {
        rows.iter()
            .cloned()
            .map(Gram::from_rows)
            .collect::<Vec<_>>()
    });
}

#[divan::bench(args = MODELS, sample_count = 10)]
fn factor(bencher: Bencher<'_, '_>, name: &str) {
    let (model, split) = problem(name);
    let rows = rows(&model, &split);
    let grams: Vec<Gram> = rows.into_iter().map(Gram::from_rows).collect();
    bencher.bench_local(|| {
        let factors = grams.iter().map(|gram| {
            let factor = gram.clone().factor(0.1, Ridge::default());
            factor.expect("positive definite")
        });
        factors.collect::<Vec<_>>()
    });
}

#[divan::bench(args = MODELS, sample_count = 10)]
fn exact(bencher: Bencher<'_, '_>, name: &str) {
    sweep(bencher, name, |model, _| {
        Box::new(Exact::new(ExactConfig::default(), &model.network).expect("valid settings"))
    });
}

#[divan::bench(args = MODELS, sample_count = 10)]
fn alternating(bencher: Bencher<'_, '_>, name: &str) {
    sweep(bencher, name, |model, split| {
        let config = AlternatingConfig::default();
        Box::new(Alternating::new(config, &model.network, split).expect("valid settings"))
    });
}

/// One step of Adam on all samples: what a sweep of the others is to be compared with.
#[divan::bench(args = MODELS, sample_count = 10)]
fn adam_full_batch(bencher: Bencher<'_, '_>, name: &str) {
    sweep(bencher, name, |model, _| {
        Box::new(
            Backprop::new(&BackpropConfig::default(), &model.network, None)
                .expect("valid settings"),
        )
    });
}

#[divan::bench(args = MODELS, sample_count = 10)]
fn report(bencher: Bencher<'_, '_>, name: &str) {
    let (model, split) = problem(name);
    bencher.bench_local(|| measure(&model.network, None, &split).expect("finite figures"));
}
