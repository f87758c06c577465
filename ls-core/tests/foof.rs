//! Method `foof`.

mod common;

use burn::tensor::Tensor;
use common::report::Report;
use common::{Random, device, tensor};
use ls_core::batch::{Batch, index_tensor};
use ls_core::figure::Figures;
use ls_core::linalg::Affine;
use ls_core::method::{Foof, FoofConfig, Method, STEP, Separated};
use ls_core::model::MlpConfig;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Init};

const CLASSES: usize = 3;
const SAMPLES: usize = 240;
const FEATURES: usize = 6;
const BATCH: usize = 40;

/// Three noisy clusters.
fn split() -> Batch {
    let mut random = Random::new(5);
    let centres = random.matrix([CLASSES, FEATURES], 1.0);
    let labels: Vec<usize> = (0..SAMPLES).map(|n| n % CLASSES).collect();
    let inputs: Vec<Vec<f64>> = labels
        .iter()
        .map(|&y| {
            centres[y]
                .iter()
                .map(|c| c + 0.5 * random.normal())
                .collect()
        })
        .collect();
    Batch::full(tensor(&inputs), index_tensor(&labels, &device()))
}

/// A network of `hidden` stages of 16 with its method.
fn start(
    hidden: usize,
    activation: Activation,
    config: FoofConfig,
    total_steps: Option<usize>,
    split: &Batch,
) -> (Separated, Foof) {
    let mlp = MlpConfig {
        init: Init::suited_to(hidden, activation),
        ..MlpConfig::new(vec![16; hidden], activation)
    };
    let network = mlp.init(FeatureShape::Flat(FEATURES), CLASSES, 1, &device());
    let network = network.expect("a network");
    let method = Foof::new(config, &network, total_steps).expect("settings");
    (Separated::feasible(network, split), method)
}

/// One pass over the split, block by block.
fn sweep(method: &mut Foof, model: &mut Separated, split: &Batch) -> Figures {
    let indices: Vec<usize> = (0..SAMPLES).collect();
    let blocks = indices.chunks(BATCH).enumerate();
    blocks.fold(Figures::default(), |report, (block, members)| {
        let batch = split.pick(block, members);
        report.followed_by(method.sweep(model, &batch).expect("a step"))
    })
}

fn original_loss(model: &Separated, split: &Batch) -> f64 {
    let measured = measure(&model.network, None, split).expect("a measurement");
    measured.original_loss_mean
}

fn is_finite(model: &Separated) -> bool {
    let finite = |tensor: Tensor<1>| tensor.abs().sum().into_scalar::<f32>().is_finite();
    model.network.stages().iter().all(|stage| {
        let coefficients = stage.affine().expect("an affine stage").coefficients();
        finite(coefficients.bias) && finite(coefficients.kernel.flatten(0, 1))
    })
}

/// Three clusters half a unit wide are easy; what this asks is that no depth or activation of the usual kinds breaks the
/// defaults: in 150 steps the loss falls to half of chance, `ln 3`, and mostly far below.
#[test]
fn the_defaults_train_two_to_thirty_stages() {
    let split = split();
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        for hidden in [2, 10, 30] {
            let sweeps = 25;
            let steps = Some(sweeps * SAMPLES / BATCH);
            let config = FoofConfig::default();
            let (mut model, mut method) = start(hidden, activation, config, steps, &split);
            let members: Vec<usize> = (0..BATCH).collect();
            let report = method.sweep(&mut model, &split.pick(0, &members));
            report.expect("a step");
            let first = original_loss(&model, &split);
            for _ in 0..sweeps {
                sweep(&mut method, &mut model, &split);
            }
            let loss = original_loss(&model, &split);
            // The first batch begins with a sweep of `exact`; the steps must gain on it.
            assert!(
                loss < 0.7 * first,
                "{activation:?}, {hidden}: {first} to {loss}"
            );
            assert!(
                loss < 0.5 * 3.0_f64.ln(),
                "{activation:?}, {hidden} stages: {loss}"
            );
        }
    }
}

#[test]
fn a_run_that_names_no_end_keeps_a_quarter_of_its_step() {
    let split = split();
    let first_step = |total_steps| {
        let config = FoofConfig::default();
        let (mut model, mut foof) = start(2, Activation::Relu, config, total_steps, &split);
        let figures = foof.sweep(&mut model, &split).expect("a step");
        figures.number(&STEP).expect("its length")
    };
    let usual = first_step(Some(2000));
    assert_eq!(first_step(None), usual);
    // Four roundings of f64.
    let is_share =
        |steps, share: f64| (first_step(Some(steps)) / usual / share - 1.0).abs() < 1e-15;
    assert!(is_share(8000, 0.5) && is_share(32_000, 0.25) && is_share(1_000_000_000, 0.25));
    assert!(is_share(500, 2.0) && is_share(1, 2.5));
}

#[test]
fn steps_that_blow_up_are_refused_counted_and_halved() {
    let split = split();
    for step in [1e4, 1e30] {
        let config = FoofConfig {
            step,
            ..FoofConfig::default()
        };
        let (mut model, mut method) = start(2, Activation::Relu, config, None, &split);
        let (mut refused, mut last) = (0, f64::INFINITY);
        for _ in 0..40 {
            let report = sweep(&mut method, &mut model, &split);
            refused += report.rejected();
            assert_eq!(report.accepted() + report.rejected(), SAMPLES / BATCH);
            let length = report.number(&STEP).expect("a step");
            assert!(length <= last, "steps only get shorter");
            last = length;
            assert!(is_finite(&model), "after steps of {length}");
        }
        assert!(refused > 0);
        // So many halvings as were refused.
        let halved = step / 2.0_f64.powi(refused as i32);
        assert!(
            (halved..=2.0 * halved).contains(&last),
            "{last} after {refused}"
        );
        let loss = original_loss(&model, &split);
        // Half of chance, ln 3.
        assert!(loss < 0.55, "it recovers: {loss}");
    }
}

#[test]
fn after_refused_first_steps_there_are_weights_to_return_to_nevertheless() {
    let split = split();
    // The first step would keep weights, and later ones would not in this run.
    let config = FoofConfig {
        refresh: 1000,
        ..FoofConfig::default()
    };
    let (mut model, mut method) = start(2, Activation::Relu, config, None, &split);
    let good = model.network.stages()[0].affine().unwrap().coefficients();
    let set_kernel = |model: &mut Separated, factor: f32| {
        let stage = model.network.stage_mut(0).affine_mut().unwrap();
        stage.set_coefficients(Affine {
            kernel: good.kernel.clone() * factor,
            bias: good.bias.clone(),
        });
    };
    let steps = SAMPLES / BATCH;
    set_kernel(&mut model, f32::INFINITY);
    assert_eq!(sweep(&mut method, &mut model, &split).rejected(), steps);
    set_kernel(&mut model, 1.0);
    assert_eq!(sweep(&mut method, &mut model, &split).rejected(), 0);
    let before = original_loss(&model, &split);
    set_kernel(&mut model, 1e6);
    assert_eq!(sweep(&mut method, &mut model, &split).rejected(), 1);
    let after = original_loss(&model, &split);
    // The weights kept are those of the sweep before, which short steps have moved little.
    assert!(after < 1.1 * before, "{after} after {before}");
}
