//! The full-batch sweep seen from inside.

use super::fits::Aim;
use super::inputs::KEPT_FACTORS;
use super::*;
use crate::batch::index_tensor;
use crate::method::sweeps::control::{Candidate, Form};
use crate::method::sweeps::{FullBatchSweeps, SweepSettings};
use crate::method::{ACCEPTED, Scaling, Separated};
use crate::shape::FeatureShape;
use crate::stage::{
    Activation, AnyStage, Convolution, ConvolutionConfig, Dense, DenseConfig, Init, Pooling,
    ResidualConvolutionConfig, ResidualDenseConfig, StageConfig,
};
use burn::tensor::{Device, TensorData};
use faer::Mat;
use faer::linalg::solvers::Solve;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;
use strum::VariantArray;

const CLASSES: usize = 4;

/// Fully connected, and one with every other kind of stage, on images `1×7×6`.
fn networks() -> [Network; 2] {
    let activation = Activation::Tanh;
    let dense = |width| StageConfig::Dense(DenseConfig::new(width, activation));
    let convolution = ConvolutionConfig {
        stride: 2,
        padding: 1,
        ..ConvolutionConfig::new(2, 3, activation)
    };
    let pooled = ConvolutionConfig {
        stride: 1,
        pooling: Some(Pooling::Average { size: 2 }),
        ..convolution
    };
    let mixed = vec![
        StageConfig::Convolution(convolution),
        StageConfig::ResidualConvolution(ResidualConvolutionConfig {
            kernel: 3,
            activation: Activation::Silu,
        }),
        StageConfig::Convolution(pooled),
        StageConfig::ResidualDense(ResidualDenseConfig {
            activation: Activation::Sigmoid,
        }),
    ];
    let input = FeatureShape::Image {
        channels: 1,
        height: 7,
        width: 6,
    };
    [vec![dense(6), dense(5)], mixed].map(|stages| {
        Network::init(&stages, Init::Kaiming, input, CLASSES, 3, &Device::flex()).unwrap()
    })
}

fn batch() -> Batch {
    let (samples, features) = (10, 42);
    let mut random = ChaCha12Rng::seed_from_u64(8);
    let values: Vec<f32> = (0..samples * features)
        .map(|_| StandardNormal.sample(&mut random))
        .collect();
    let labels: Vec<usize> = (0..samples).map(|n| n % CLASSES).collect();
    let inputs = TensorData::new(values, [samples, features]);
    Batch::full(
        Tensor::from_data(inputs, &Device::flex()),
        index_tensor(&labels, &Device::flex()),
    )
}

fn settings(storage: Storage, chunk: usize, ridge: Ridge) -> FullBatchSettings {
    FullBatchSettings {
        storage,
        chunk,
        gram_rows: 1 << 14,
        ridge,
        weight_decay: 0.0,
        output_curvature: true,
    }
}

/// `[W; b]` as a matrix.
fn matrix(affine: &Affine) -> Mat<f64> {
    let [d, columns] = affine.kernel.dims();
    let kernel = to_f64(affine.kernel.clone()).unwrap();
    let bias = to_f64(affine.bias.clone()).unwrap();
    let entries = [kernel, bias].concat();
    Mat::from_fn(d + 1, columns, |i, j| entries[i * columns + j])
}

/// The coefficients of stage `l` at a iterate, all of whose stages have the affine view.
fn at(iterate: &Iterate, l: usize) -> Mat<f64> {
    matrix(iterate.coefficients[l].as_ref().unwrap())
}

/// What the proposition on the descent form speaks of, for one stage.
struct Slope {
    /// `∇F`.
    gradient: Mat<f64>,
    /// `P ∇F`.
    preconditioned: Mat<f64>,
    /// Root mean square of `∂ce_n/∂u_n`.
    rms: f64,
    /// Root mean square of the norms of its rows.
    row_norm: f64,
    /// Rows of one sample.
    positions: f64,
}

/// Gradients by autodiff through the whole network, with its coefficients and shifts of its pre-activations as leaves;
/// preconditioners by a factorization in f64.
fn slopes(
    network: &Network,
    batch: &Batch,
    damping: f64,
    output_damping: Option<f64>,
    ridge: Ridge,
) -> Vec<Slope> {
    let mut h = batch.inputs.clone().autodiff();
    let mut leaves = Vec::new();
    for stage in network.stages() {
        let stage = stage.affine().unwrap();
        let coefficients = stage.coefficients();
        let leaf = Affine {
            kernel: coefficients.kernel.autodiff().require_grad(),
            bias: coefficients.bias.autodiff().require_grad(),
        };
        let rows = stage.rows(h.clone());
        let u = leaf.apply(rows.clone());
        let shift = u.clone().inner().zeros_like().autodiff().require_grad();
        h = stage.post(u + shift.clone(), &h);
        leaves.push((leaf, shift, rows.inner()));
    }
    let cotangent = cross_entropy::gradient(h.clone().inner(), &batch.labels);
    let samples = batch.len() as f64;
    let gradients = (h * (cotangent / samples)).sum().backward();
    let head = leaves.len() - 1;
    let slope = |(l, (leaf, shift, rows)): (usize, (Affine, Tensor<2>, Tensor<2>))| {
        let gradient = matrix(&Affine {
            kernel: leaf.kernel.grad(&gradients).unwrap(),
            bias: leaf.bias.grad(&gradients).unwrap(),
        });
        let own = to_f64(shift.grad(&gradients).unwrap()).unwrap();
        let [m, d] = rows.dims();
        let columns = own.len() / m;
        let own = Mat::from_fn(m, columns, |n, j| samples * own[n * columns + j]);
        let metric = output_metric(&own, output_damping.filter(|_| l < head));
        let squares = (&own * &metric).squared_norm_l2();
        let rows = to_f64(rows).unwrap();
        let bordered = Mat::from_fn(m, d + 1, |n, i| match i < d {
            true => rows[n * d + i],
            false => 1.0,
        });
        let mut gram = bordered.transpose() * &bordered;
        match ridge {
            Ridge::SecondMoment => {
                let trace: f64 = (0..=d).map(|i| gram[(i, i)]).sum();
                for i in 0..=d {
                    gram[(i, i)] += damping * trace / (d + 1) as f64;
                }
            }
            Ridge::Variance => {
                let mean = |i: usize| (0..m).map(|n| bordered[(n, i)]).sum::<f64>() / m as f64;
                let scatter = |i: usize| -> f64 {
                    let deviations = (0..m).map(|n| bordered[(n, i)] - mean(i));
                    deviations.map(|deviation| deviation * deviation).sum()
                };
                let scatter: f64 = (0..d).map(scatter).sum();
                for i in 0..d {
                    gram[(i, i)] += damping * scatter / d as f64;
                }
            }
        }
        Slope {
            preconditioned: gram.partial_piv_lu().solve(&gradient) * metric * m as f64,
            gradient,
            rms: (squares / (m * columns) as f64).sqrt(),
            row_norm: (squares / m as f64).sqrt(),
            positions: m as f64 / samples,
        }
    };
    leaves.into_iter().enumerate().map(slope).collect()
}

/// `M = (1 + ν) (G/t + ν I)⁻¹` with `G = gᵀg/m`, the identity without `ν`.
fn output_metric(g: &Mat<f64>, damping: Option<f64>) -> Mat<f64> {
    let identity = Mat::<f64>::identity(g.ncols(), g.ncols());
    let Some(damping) = damping else {
        return identity;
    };
    let moment = g.transpose() * g;
    let trace: f64 = (0..g.ncols()).map(|j| moment[(j, j)]).sum();
    let damped = moment * (g.ncols() as f64 / trace) + &identity * damping;
    damped.partial_piv_lu().solve(&identity) * (1.0 + damping)
}

fn norm(matrix: &Mat<f64>) -> f64 {
    matrix.norm_l2()
}

/// `ΔV_l = -τ c_l/p_l P_l ∇F M_l` to first order in `τ`, for `p_l` rows per sample, and so
/// `F(V + ΔV) = F - τ Σ_l c_l/p_l ⟨∇F, P_l ∇F M_l⟩ + O(τ²)`.
#[test]
fn a_short_step_of_the_descent_form_is_a_preconditioned_gradient_step() {
    let batch = batch();
    // Three scalings, two ridges and four metrics, by turns.
    let mut ridges = [Ridge::Variance, Ridge::SecondMoment].into_iter().cycle();
    let mut metrics = [Some(0.5), None, Some(0.1), None, Some(2.0)]
        .into_iter()
        .cycle();
    for (k, network) in networks().iter().enumerate() {
        for storage in [Storage::Stored, Storage::Recomputed] {
            for &scaling in Scaling::VARIANTS {
                let ridge = ridges.next().expect("a cycle");
                let output_damping = metrics.next().expect("a cycle");
                let samples = FullBatch::new(
                    network,
                    &StageRole::all(network),
                    &batch,
                    settings(storage, 4, ridge),
                );
                let iterate = samples.forward().unwrap();
                let gradients = samples.backward(&iterate, SumsOf::FirstStage).unwrap();
                let candidate = |form| Candidate {
                    form,
                    scaling,
                    step: 1.0 / 512.0,
                    damping: 0.1,
                    output_damping,
                };
                let trial = |form| {
                    let mut first = FirstStage::default();
                    let fitted = samples.trial(&iterate, &gradients, &candidate(form), &mut first);
                    fitted.unwrap().unwrap()
                };
                let (descent, corrected) = (trial(Form::Descent), trial(Form::Corrected));
                let slopes = slopes(network, &batch, 0.1, output_damping, ridge);
                let head = &slopes[slopes.len() - 1];
                let (mut decrease, mut correction) = (0.0, 0.0_f64);
                for (l, slope) in slopes.iter().enumerate() {
                    let what = format!(
                        "network {k}, {storage:?}, {scaling:?}, {output_damping:?}, stage {l}"
                    );
                    let factor = match scaling {
                        Scaling::None => 1.0,
                        Scaling::Rms => head.rms / slope.rms,
                        Scaling::Norm => head.row_norm / slope.row_norm,
                    };
                    let factor = factor / slope.positions / 512.0;
                    let expected = &slope.preconditioned * -factor;
                    let moved = |to: &Iterate| at(to, l) - at(&iterate, l);
                    let error = norm(&(moved(&descent) - &expected)) / norm(&expected);
                    // f32 weights round steps of 1e-3 by 1e-4 of themselves, and the second order in `τ` is
                    // some percent of the first.
                    assert!(error < 0.03, "{what}: off by {error}");
                    let other = norm(&(moved(&corrected) - &expected)) / norm(&expected);
                    // Nothing moves before the first stage.
                    assert!(l > 0 || other == error, "{what}: {other}");
                    correction = correction.max(other);
                    for i in 0..slope.gradient.nrows() {
                        for j in 0..slope.gradient.ncols() {
                            let product = slope.gradient[(i, j)] * slope.preconditioned[(i, j)];
                            decrease += factor * product;
                        }
                    }
                }
                // The correction is of first order, too, so the forms differ at any length of the step.
                assert!(correction > 0.3, "{correction}");
                let ratio = (iterate.loss - descent.loss) / decrease;
                assert!(
                    (ratio - 1.0).abs() < 0.05,
                    "network {k}, {storage:?}, {scaling:?}: {ratio}"
                );
            }
        }
    }
}

/// All numbers of a nested array, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// A kernel `[d_in, d_out]`, or `[c_out, c_in, k, k]`, and a bias.
fn affine(record: &Value) -> Affine {
    let tensor = |rows: &Value| {
        let (count, values) = (rows.as_array().unwrap().len(), flat(rows));
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        let size = [count, values.len() / count];
        Tensor::<2>::from_data(TensorData::new(values, size), &Device::flex())
    };
    let kernel = tensor(&record["weight"]);
    Affine {
        kernel: match record["weight"][0][0].is_number() {
            true => kernel,
            false => kernel.transpose(),
        },
        bias: tensor(&record["bias"]).squeeze_dim(1),
    }
}

/// Dense, or a convolution of `1×8×8` images with 2×2 max pooling.
fn stage(record: &Value) -> AnyStage {
    let activation = serde_json::from_value(record["activation"].clone());
    let activation = activation.unwrap_or(Activation::Identity);
    if record["kind"] == "dense" {
        return AnyStage::Dense(Dense::from_coefficients(affine(record), activation));
    }
    let config = ConvolutionConfig {
        pooling: Some(Pooling::Max { size: 2 }),
        ..ConvolutionConfig::new(3, 3, activation)
    };
    let input = FeatureShape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };
    let stage = Convolution::from_coefficients(config, input, affine(record));
    AnyStage::Convolution(stage.unwrap())
}

/// Every record of an independent program in f64, whichever step the controller would take.
#[test]
fn trials_of_the_corrected_form_match_the_fixtures() {
    for text in [
        include_str!("../../../tests/fixtures/dense-relu.json"),
        include_str!("../../../tests/fixtures/dense-tanh.json"),
        include_str!("../../../tests/fixtures/dense-sigmoid.json"),
        include_str!("../../../tests/fixtures/conv-relu.json"),
    ] {
        let fixture: Value = serde_json::from_str(text).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let stages = list(&fixture["stages"]).iter().map(stage).collect();
        let network = Network::new(stages).unwrap();
        let inputs = flat(&fixture["inputs"]);
        let labels: Vec<usize> = list(&fixture["labels"])
            .iter()
            .map(|label| label.as_u64().unwrap() as usize)
            .collect();
        let size = [labels.len(), inputs.len() / labels.len()];
        let inputs: Vec<f32> = inputs.into_iter().map(|v| v as f32).collect();
        let batch = Batch::full(
            Tensor::from_data(TensorData::new(inputs, size), &Device::flex()),
            index_tensor(&labels, &Device::flex()),
        );
        for record in list(&fixture["exact_sweep"]) {
            let candidate = Candidate {
                form: Form::Corrected,
                scaling: serde_json::from_value(record["scaling"].clone()).unwrap(),
                step: record["tau"].as_f64().unwrap(),
                damping: record["mu"].as_f64().unwrap(),
                output_damping: None,
            };
            for (storage, chunk) in [(Storage::Stored, 7), (Storage::Recomputed, 100)] {
                let settings = settings(storage, chunk, Ridge::SecondMoment);
                let samples = FullBatch::new(&network, &StageRole::all(&network), &batch, settings);
                let iterate = samples.forward().unwrap();
                let gradients = samples.backward(&iterate, SumsOf::FirstStage).unwrap();
                let mut first = FirstStage::default();
                let fitted = samples.trial(&iterate, &gradients, &candidate, &mut first);
                let fitted = fitted.unwrap().unwrap();
                // Three stages in f32, each a few 1e-7 off; the ridge of 0.1 lets that grow to some 1e-6.
                let loss = record["original_loss"].as_f64().unwrap();
                assert!((fitted.loss / loss - 1.0).abs() < 1e-4, "{}", fitted.loss);
                for (l, expected) in list(&record["stages"]).iter().enumerate() {
                    let expected = matrix(&affine(expected));
                    let error = norm(&(at(&fitted, l) - &expected));
                    let moved = norm(&(at(&iterate, l) - &expected));
                    // Relative to the step, which is smaller than the weights.
                    assert!(error < 1e-4 * moved, "stage {l}: off by {error} of {moved}");
                }
            }
        }
    }
}

#[test]
fn kept_factors_of_the_first_stage_give_what_fresh_ones_give() {
    let batch = batch();
    for network in networks() {
        let settings = settings(Storage::Stored, 4, Ridge::Variance);
        let samples = FullBatch::new(&network, &StageRole::all(&network), &batch, settings);
        let iterate = samples.forward().unwrap();
        let gradients = samples.backward(&iterate, SumsOf::FirstStage).unwrap();
        let update = |damping: f64, first: &mut FirstStage| {
            let candidate = Candidate {
                form: Form::Corrected,
                scaling: Scaling::Rms,
                step: 1.0,
                damping,
                output_damping: Some(0.5),
            };
            let aim = Aim {
                iterate: &iterate,
                gradients: &gradients,
                form: candidate.form,
                damping,
                displacements: gradients.displacements(&candidate).unwrap(),
            };
            let none = Chunks::new();
            let fitted = samples.fit(0, &aim, &iterate, &none, first);
            matrix(&fitted.unwrap().unwrap().0)
        };
        let mut kept = FirstStage::default();
        // More dampings than are kept, some of them again while they are, some afterwards.
        for damping in [0.1, 0.2, 0.1, 0.4, 0.8, 1.6, 0.1, 0.2, 1.6] {
            let fresh = update(damping, &mut FirstStage::default());
            assert_eq!(update(damping, &mut kept), fresh, "{damping}");
            assert!(kept.factors.len() <= KEPT_FACTORS);
        }
    }
}

#[test]
fn the_kept_point_is_that_of_the_network_after_success_and_failure() {
    let batch = batch();
    for network in networks() {
        for storage in [Storage::Stored, Storage::Recomputed] {
            let chunk = Some(4);
            let free = SweepSettings {
                storage,
                chunk,
                output_curvature: true,
                history: 20,
                ..SweepSettings::plain_fits(0.0)
            };
            // Too short to be noticed.
            let short = SweepSettings {
                step: Some(1e-4),
                damping: Some(1e4),
                history: 0,
                ..free
            };
            for (config, accepted) in [(free, 1), (short, 0)] {
                let mut model = Separated::feasible(network.clone(), &batch);
                let mut sweeps = FullBatchSweeps::new(&config, &network);
                for _ in 0..3 {
                    let report = sweeps.sweep(&mut model, &batch).unwrap();
                    assert_eq!(report.number(&ACCEPTED), Some(f64::from(accepted)));
                    let settings = settings(storage, 4, Ridge::Variance);
                    let roles = StageRole::all(&model.network);
                    let samples = FullBatch::new(&model.network, &roles, &batch, settings);
                    let fresh = samples.forward().unwrap();
                    let kept = sweeps.iterate.as_ref().unwrap();
                    for l in 0..fresh.coefficients.len() {
                        let [kept, fresh] = [kept, &fresh].map(|iterate| at(iterate, l));
                        assert_eq!(kept, fresh);
                    }
                    // Kernels in another memory layout may be summed in another order.
                    assert!((kept.loss / fresh.loss - 1.0).abs() < 1e-6);
                    let values = |iterate: &Iterate| -> Vec<f64> {
                        let chunks = iterate.responses.iter().flatten();
                        chunks.flat_map(|u| to_f64(u.clone()).unwrap()).collect()
                    };
                    // Sums of at most 28 f32 products, in another order: 28 ε of the largest of them.
                    let largest = values(&fresh).iter().fold(1.0, |m: f64, u| m.max(u.abs()));
                    for (kept, fresh) in values(kept).iter().zip(values(&fresh)) {
                        assert!((kept - fresh).abs() < 1e-5 * largest);
                    }
                    let stored = storage == Storage::Stored;
                    assert_eq!(values(kept).is_empty(), !stored);
                }
            }
        }
    }
}
