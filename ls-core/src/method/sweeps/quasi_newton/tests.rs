//! The step of L-BFGS seen from inside.

use burn::tensor::{Device, Int, TensorData};
use faer::Mat;

use super::super::full_batch::FullBatchSettings;
use super::*;
use crate::batch::Batch;
use crate::linalg::{Ridge, to_f64};
use crate::method::Scaling;
use crate::method::stage_role::{StageRole, set_coefficients};
use crate::method::sweeps::Storage;
use crate::method::sweeps::control::Form;
use crate::model::MlpConfig;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::Activation;

const SAMPLES: usize = 40;
const WIDTHS: [usize; 4] = [5, 7, 6, 3];

const CANDIDATE: Candidate = Candidate {
    form: Form::Descent,
    scaling: Scaling::Rms,
    step: 1.0,
    damping: 0.1,
    output_damping: Some(0.5),
};

fn wave(count: usize, phase: f64) -> Vec<f32> {
    let value = |i: usize| ((i as f64 + phase) * 1.7 * (1.0 + 0.01 * i as f64)).sin() as f32;
    (0..count).map(value).collect()
}

fn network(device: &Device) -> Network {
    let mlp = MlpConfig::new(vec![WIDTHS[1], WIDTHS[2]], Activation::Tanh);
    mlp.init(FeatureShape::Flat(WIDTHS[0]), WIDTHS[3], 1, device)
        .unwrap()
}

fn batch(device: &Device) -> Batch {
    let inputs = TensorData::new(wave(SAMPLES * WIDTHS[0], 0.3), [SAMPLES, WIDTHS[0]]);
    // The largest of the first three inputs: a rule that can be learnt.
    let largest = |row: &[f32]| (0..3).max_by(|&i, &j| row[i].total_cmp(&row[j]));
    let rows = wave(SAMPLES * WIDTHS[0], 0.3);
    let labels = rows.chunks(WIDTHS[0]).map(largest);
    let labels: Vec<i64> = labels.flatten().map(|class| class as i64).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [SAMPLES]), device);
    Batch::full(Tensor::from_data(inputs, device), labels)
}

fn settings(weight_decay: f64) -> FullBatchSettings {
    FullBatchSettings {
        storage: Storage::Stored,
        chunk: 16,
        gram_rows: 1 << 14,
        ridge: Ridge::default(),
        weight_decay,
        output_curvature: true,
    }
}

fn vector(count: usize, phase: f64, device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(wave(count, phase), [count]), device)
}

fn parameters() -> usize {
    WIDTHS.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
}

/// Runs a test on the metric of the network at its initial weights.
fn with_metric(test: impl FnOnce(&FullBatch<'_>, &LayerMetric, &Device)) {
    let device = Device::flex();
    let (network, batch) = (network(&device), batch(&device));
    let roles = StageRole::all(&network);
    let samples = FullBatch::new(&network, &roles, &batch, settings(0.0));
    let iterate = samples.forward().unwrap();
    let gradients = samples.backward(&iterate, SumsOf::AllStages).unwrap();
    let mut first = FirstStage::default();
    let metric = LayerMetric::new(&samples, &iterate, &gradients, &CANDIDATE, &mut first);
    test(&samples, &metric.unwrap(), &device);
}

#[test]
fn the_metric_is_symmetric_and_positive_definite() {
    with_metric(|_, metric, device| {
        for phase in [0.1, 2.0, 5.0] {
            let a = vector(parameters(), phase, device);
            let b = vector(parameters(), phase + 0.7, device);
            let [ab, ba] = [(&a, &b), (&b, &a)].map(|(a, b)| inner(a, &metric.apply(b)).unwrap());
            let size = inner(&a, &metric.apply(&a)).unwrap();
            assert!(size > 0.0, "{size}");
            // f32 sums of some hundred terms.
            assert!((ab - ba).abs() < 1e-4 * size, "{ab} {ba} {size}");
        }
    });
}

/// The inverse Hessian of BFGS after the pairs, `(I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ`, from `γ H_0`, in f64.
fn dense(pairs: &[(Mat<f64>, Mat<f64>)], initial: &Mat<f64>) -> Mat<f64> {
    let n = initial.nrows();
    let product = |a: &Mat<f64>, b: &Mat<f64>| (a.transpose() * b)[(0, 0)];
    let (s, y) = &pairs[pairs.len() - 1];
    let scale = product(s, y) / product(y, &(initial * y));
    let mut inverse = initial * faer::Scale(scale);
    for (s, y) in pairs {
        let rho = 1.0 / product(s, y);
        let left = Mat::<f64>::identity(n, n) - s * y.transpose() * faer::Scale(rho);
        inverse = &left * inverse * left.transpose() + s * s.transpose() * faer::Scale(rho);
    }
    inverse
}

fn column(vector: &Tensor<1>) -> Mat<f64> {
    let values = to_f64(vector.clone()).unwrap();
    Mat::from_fn(values.len(), 1, |i, _| values[i])
}

#[test]
fn two_loops_apply_the_inverse_hessian_of_bfgs() {
    with_metric(|_, metric, device| {
        let n = parameters();
        let unit = |j: usize| {
            let values: Vec<f32> = (0..n).map(|i| f32::from(i == j)).collect();
            column(&metric.apply(&Tensor::from_data(TensorData::new(values, [n]), device)))
        };
        let columns: Vec<_> = (0..n).map(unit).collect();
        let initial = Mat::from_fn(n, n, |i, j| columns[j][(i, 0)]);
        let mut pairs = Pairs::new(3);
        let mut kept = Vec::new();
        // One more than is kept: the oldest leaves.
        for k in 0..4 {
            let s = vector(n, f64::from(k), device);
            // Positive curvature, different along every entry.
            let y = s.clone() * (vector(n, 9.0 + f64::from(k), device) + 1.5);
            let pair = Pair::new(s.clone(), y.clone(), s.clone()).unwrap();
            assert!(pair.is_some(), "pair {k}");
            pairs.push(pair);
            kept.push((column(&s), column(&y)));
        }
        let gradient = vector(n, 0.5, device);
        let expected = dense(&kept[1..], &initial) * column(&gradient);
        let found = column(&pairs.direction(gradient, metric).unwrap());
        let error = (&found + &expected).norm_l2() / expected.norm_l2();
        // f32 vectors and products of matrices with a condition of some hundred.
        assert!(error < 1e-4, "{error}");
    });
}

#[test]
fn a_pair_keeps_a_fifth_of_the_expected_curvature() {
    let device = Device::flex();
    let s = vector(9, 0.0, &device);
    let expected = inner(&s, &s).unwrap();
    // f32 sums of nine terms are off by a few 1e-7.
    for factor in [-3.0, 0.0, 0.1] {
        let pair = Pair::new(s.clone(), s.clone() * factor, s.clone()).unwrap();
        let product = pair.unwrap().product;
        assert!(
            (product / expected - 0.2).abs() < 1e-6,
            "{factor}: {product}"
        );
    }
    let pair = Pair::new(s.clone(), s.clone() * 0.3, s.clone()).unwrap();
    assert!((pair.unwrap().product / expected - 0.3).abs() < 1e-6);
    for (y, model) in [(f32::NAN, 1.0), (1.0, f32::NAN), (1.0, 0.0), (1.0, -1.0)] {
        let pair = Pair::new(s.clone(), s.clone() * y, s.clone() * model).unwrap();
        assert!(pair.is_none(), "{y} {model}");
    }
}

/// Finite differences of the loss along random directions agree with the gradient of the coefficients.
#[test]
fn coefficient_gradients_are_the_slopes_of_the_loss() {
    let device = Device::flex();
    let (network, batch) = (network(&device), batch(&device));
    let roles = StageRole::all(&network);
    for weight_decay in [0.0, 0.1] {
        let samples = FullBatch::new(&network, &roles, &batch, settings(weight_decay));
        let iterate = samples.forward().unwrap();
        let gradients = samples.backward(&iterate, SumsOf::AllStages).unwrap();
        let gradient = flat(&samples.coefficient_gradients(&iterate, &gradients));
        for phase in [0.2, 1.0, 3.0] {
            let direction = vector(parameters(), phase, &device);
            let slope = inner(&direction, &gradient).unwrap();
            let at = |t: f64| {
                let moved = moved(&iterate.coefficients, &direction, t);
                samples.evaluate(moved, &[], Vec::new()).unwrap().loss
            };
            let h = 1e-3;
            let measured = (at(h) - at(-h)) / (2.0 * h);
            // f32 losses of about 1, divided by 2h.
            assert!((slope - measured).abs() < 1e-3, "{slope} {measured}");
        }
    }
}

#[test]
fn steps_lower_the_loss_and_soon_faster_than_the_metric_alone() {
    let device = Device::flex();
    let (network, batch) = (network(&device), batch(&device));
    let roles = StageRole::all(&network);
    let samples = FullBatch::new(&network, &roles, &batch, settings(0.0));
    let reached = |history: usize| {
        let mut memory = QuasiNewton::new(history);
        let mut first = FirstStage::default();
        let mut iterate = samples.forward().unwrap();
        let mut gradients = samples.backward(&iterate, SumsOf::AllStages).unwrap();
        let mut network = network.clone();
        for _ in 0..25 {
            let samples = samples.with(&network);
            let mut moved = network.clone();
            let step = memory.step(
                &mut moved, &samples, &iterate, &gradients, &CANDIDATE, &mut first,
            );
            let Some(step) = step.unwrap() else { break };
            network = moved;
            assert!(step.iterate.loss < iterate.loss);
            (iterate, gradients) = (step.iterate, step.gradients);
        }
        iterate.loss
    };
    assert!(
        reached(20) < 0.5 * reached(0),
        "{} {}",
        reached(20),
        reached(0)
    );
}

/// A run that resumes makes the forward pass and the backward pass anew: they must be those that a step leaves.
#[test]
fn a_step_leaves_the_passes_of_its_weights_bit_for_bit() {
    let device = Device::flex();
    let mlp = MlpConfig::new(vec![70, 90], Activation::Relu);
    let mut network = mlp.init(FeatureShape::Flat(64), 10, 1, &device).unwrap();
    let inputs = TensorData::new(wave(300 * 64, 0.3), [300, 64]);
    let labels: Vec<i64> = (0..300).map(|n| n % 10).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [300]), &device);
    let batch = Batch::full(Tensor::from_data(inputs, &device), labels);
    let roles = StageRole::all(&network);
    let settings = FullBatchSettings {
        chunk: 128,
        ..settings(0.0)
    };
    let mut memory = QuasiNewton::new(5);
    let mut first = FirstStage::default();
    for _ in 0..3 {
        let before = network.clone();
        let samples = FullBatch::new(&before, &roles, &batch, settings);
        let iterate = samples.forward().unwrap();
        let gradients = samples.backward(&iterate, SumsOf::AllStages).unwrap();
        let step = memory.step(
            &mut network,
            &samples,
            &iterate,
            &gradients,
            &CANDIDATE,
            &mut first,
        );
        let step = step.unwrap().unwrap();
        for (l, coefficients) in step.iterate.coefficients.iter().enumerate() {
            let coefficients = coefficients.clone().unwrap();
            // As from a file: row by row.
            let read = |t: Tensor<1>| Tensor::<1>::from_data(t.into_data(), &device);
            let dims = coefficients.kernel.dims();
            let kernel = read(coefficients.kernel.reshape([dims[0] * dims[1]])).reshape(dims);
            let bias = read(coefficients.bias);
            set_coefficients(&mut network, l, Affine { kernel, bias }).unwrap();
        }
        let samples = FullBatch::new(&network, &roles, &batch, settings);
        let fresh = samples.forward().unwrap();
        assert_eq!(fresh.loss.to_bits(), step.iterate.loss.to_bits());
        let again = samples.backward(&fresh, SumsOf::AllStages).unwrap();
        let values = |iterate: &Iterate, gradients: &Gradients| {
            to_f64(flat(&samples.coefficient_gradients(iterate, gradients))).unwrap()
        };
        assert_eq!(
            values(&fresh, &again),
            values(&step.iterate, &step.gradients)
        );
    }
}
