//! What holds for all of the methods: they train stages of every kind or refuse them in one line, and a saved state goes on bit for bit.

use burn::module::Module;
use ls_core::Error;
use ls_core::batch::{Batch, BatchSize};
use ls_core::figure::Figure;
use ls_core::method::{AdmmConfig, Method, MethodConfig, Separated};
use ls_core::network::Network;
use ls_core::stage::{Activation, AnyStage};

use crate::common::hidden::Hidden;
use crate::common::reference::ROUNDING_OF_BOUNDS;
use crate::common::sweeps::{Values, sweep};
use crate::common::{Shape, mixed};
use crate::{METHODS, start};

/// The usual settings, with penalties of `admm` for a few samples and not for thousands.
fn config(name: &str) -> MethodConfig {
    match name {
        "admm" => MethodConfig::Admm(AdmmConfig {
            penalty: 0.1,
            ..AdmmConfig::default()
        }),
        _ => MethodConfig::named(name).unwrap(),
    }
}

/// Samples in blocks; `None` for methods of full batches.
fn size(config: &MethodConfig) -> Option<usize> {
    let in_batches = config.check_batch_size(BatchSize::Samples(5)).is_ok();
    in_batches.then_some(5)
}

/// Networks of dense stages, and of convolutions with pooling and skip connections, with their samples.
fn tasks() -> Vec<(Network, Batch)> {
    let images = mixed::moderate(Activation::Relu, 5).map(|shape| shape.problem());
    let dense = Shape::moderate(Activation::Tanh, 14).problem();
    let problems = images.into_iter().chain([dense]);
    problems
        .map(|problem| (problem.network(), problem.batch()))
        .collect()
}

fn swept(
    method: &mut dyn Method,
    model: &mut Separated,
    split: &Batch,
    size: Option<usize>,
    sweeps: usize,
) {
    for _ in 0..sweeps {
        sweep(method, model, split, size);
    }
}

#[test]
fn a_restored_method_goes_on_bit_for_bit_and_moves_stages_of_every_kind() {
    for name in METHODS {
        let config = config(name);
        let size = size(&config);
        for (kind, (network, split)) in tasks().into_iter().enumerate() {
            let (mut model, mut method) = start(&config, &network, &split).unwrap();
            swept(&mut *method, &mut model, &split, size, 3);
            let mut other = model.clone();
            let (_, mut restored) = start(&config, &network, &split).unwrap();
            restored.restore(method.save().unwrap()).unwrap();
            swept(&mut *method, &mut model, &split, size, 2);
            swept(&mut *restored, &mut other, &split, size, 2);
            let (found, start) = (Values::read(&model), Values::read(&network));
            assert!(found == Values::read(&other), "{name}, {kind}: another run");
            assert!(found.are_finite(), "{name}, {kind}");
            for (before, after) in start.0.iter().zip(&found.0) {
                assert_ne!(before, after, "{name}, {kind}: a parameter stays");
            }
            // In its reports the bounds hold at its variables.
            let measured = method.measure(&mut model, &split).unwrap();
            let separated = measured.separated.unwrap();
            let (bound, certificate) = (
                separated.separated_loss_mean,
                separated.certificate_mean.unwrap(),
            );
            // The rounding of f32 sums of logits.
            assert!(measured.original_loss_mean <= certificate * (1.0 + 1e-5) + 1e-6);
            assert!(
                certificate <= bound * (1.0 + ROUNDING_OF_BOUNDS),
                "{name}, {kind}"
            );
        }
    }
}

#[test]
fn figures_that_a_sweep_records_are_those_that_are_listed() {
    let (network, split) = tasks().remove(2);
    for name in METHODS {
        let config = config(name);
        let (mut model, mut method) = start(&config, &network, &split).unwrap();
        let found = method.sweep(&mut model, &split).unwrap();
        let found: Vec<_> = found.iter().map(|(figure, _)| figure.key()).collect();
        let listed: Vec<_> = method.figures().iter().map(Figure::key).collect();
        assert_eq!(found, listed, "{name}");
    }
}

#[test]
fn stages_without_the_affine_view_train_or_are_refused_by_number() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let split = problem.batch();
    let plain = |l: usize| problem.layers[l].stage();
    let hidden = Hidden {
        inner: plain(1).downcast_ref().cloned().unwrap(),
    };
    let stages = vec![plain(0), AnyStage::custom(hidden), plain(2)];
    let network = Network::new(stages).unwrap();
    for name in METHODS {
        let config = config(name);
        let started = start(&config, &network, &split);
        if matches!(name, "bcd" | "admm") {
            let refused = started.err().unwrap();
            assert!(
                matches!(refused, Error::Unsupported { stage: 2, .. }),
                "{refused}"
            );
            continue;
        }
        let (mut model, mut method) = started.unwrap();
        swept(&mut *method, &mut model, &split, Some(8), 2);
        let (before, after) = (Values::read(&network), Values::read(&model));
        assert!(after.are_finite() && before.0[2] != after.0[2], "{name}");
        // No Lipschitz constant is known: reports have fixed weights, and no certificate.
        let measured = method.measure(&mut model, &split).unwrap();
        assert_eq!(measured.separated.unwrap().certificate_mean, None, "{name}");
    }
}

#[test]
fn frozen_stages_keep_their_weights() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let split = problem.batch();
    let stages = (0..3).map(|l| match l {
        1 => problem.layers[l].stage().no_grad(),
        _ => problem.layers[l].stage(),
    });
    let network = Network::new(stages.collect()).unwrap();
    for name in METHODS {
        let config = config(name);
        let (mut model, mut method) = start(&config, &network, &split).unwrap();
        swept(&mut *method, &mut model, &split, size(&config), 2);
        let (before, after) = (Values::read(&network), Values::read(&model));
        for (i, (before, after)) in before.0.iter().zip(&after.0).enumerate() {
            assert_eq!(before == after, i / 2 == 1, "{name}, parameter {i}");
        }
    }
}

#[test]
fn methods_of_full_batches_refuse_others_and_say_so() {
    for name in ["bcd", "admm"] {
        let config = config(name);
        let refused = config.check_batch_size(BatchSize::Samples(5)).unwrap_err();
        assert!(
            refused.to_string().contains("leave out the batch size"),
            "{refused}"
        );
        let (network, split) = tasks().remove(2);
        let (mut model, mut method) = start(&config, &network, &split).unwrap();
        let batch = split.pick(0, &[1, 2, 3]);
        assert!(method.sweep(&mut model, &batch).is_err(), "{name}");
    }
}

#[test]
fn a_network_without_hidden_stages_trains() {
    let problem = Shape::moderate(Activation::Tanh, 14).problem();
    let mut head = problem.layers[0].clone();
    head.activation = Activation::Identity;
    let network = Network::new(vec![head.stage()]).unwrap();
    let labels: Vec<usize> = problem.labels.clone();
    let split = Batch::full(
        problem.batch().inputs,
        ls_core::batch::index_tensor(&labels, &crate::common::device()),
    );
    for name in METHODS {
        let config = config(name);
        let (mut model, mut method) = start(&config, &network, &split).unwrap();
        let before = method
            .measure(&mut model, &split)
            .unwrap()
            .original_loss_mean;
        swept(&mut *method, &mut model, &split, size(&config), 5);
        let after = method
            .measure(&mut model, &split)
            .unwrap()
            .original_loss_mean;
        assert!(
            after.is_finite() && after != before,
            "{name}: {before} {after}"
        );
    }
}
