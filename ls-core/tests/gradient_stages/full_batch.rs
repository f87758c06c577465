//! Full batches: losses never rise, and every stage moves.

use burn::module::Module;
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::to_f64;
use ls_core::method::{Alternating, Exact, ExactConfig, Method, Separated, Storage};
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::stage::{Activation, AnyStage};

use crate::common::hidden::Hidden;
use crate::common::report::Report;
use crate::common::sweeps::{Values, sweep};
use crate::common::{Random, device, tensor};
use crate::networks::{CLASSES, FEATURES, SAMPLES, WIDTH, dense, networks, split};
use crate::{alternating, exact, moves_by_gradients, original_loss};

const STORAGES: [(Storage, Option<usize>); 2] =
    [(Storage::Stored, Some(17)), (Storage::Recomputed, None)];

#[test]
fn full_batch_sweeps_of_exact_never_raise_the_original_loss() {
    for (name, network) in networks() {
        for (storage, chunk) in STORAGES {
            let (mut model, mut method) = exact(
                &network,
                ExactConfig {
                    storage,
                    chunk,
                    ..ExactConfig::default()
                },
            );
            let first = original_loss(&network);
            let mut last = first;
            for k in 0..25 {
                let what = format!("{name}, {storage:?}, sweep {k}");
                let before = Values::read(&model.network);
                let report = sweep(&mut method, &mut model, &split(), None);
                let now = original_loss(&model.network);
                // Only decreases by more than 1e-5 of the loss are accepted, and these networks round by 1e-6.
                match report.accepted() {
                    0 => assert!(Values::read(&model.network) == before, "{what}: moved"),
                    _ => assert!(now < last, "{what}: {last} to {now}"),
                }
                if report.candidate().is_some() {
                    for (l, stage) in network.stages().iter().enumerate() {
                        let condition = report.condition(l + 1);
                        assert_eq!(condition.is_none(), moves_by_gradients(stage), "{what}");
                    }
                }
                last = now;
            }
            assert!(last < 0.5 * first, "{name}: no progress, {first} to {last}");
            for (l, stage) in network.stages().iter().enumerate() {
                let (old, new) = (
                    Values::read(stage),
                    Values::read(&model.network.stages()[l]),
                );
                for (old, new) in old.0.iter().zip(&new.0) {
                    assert_ne!(old, new, "{name}: a parameter of stage {l} did not move");
                }
            }
        }
    }
}

#[test]
fn stages_move_also_where_no_fit_is_accepted() {
    for (name, network) in networks() {
        for (storage, chunk) in STORAGES {
            let (mut model, mut method) = exact(
                &network,
                ExactConfig {
                    storage,
                    chunk,
                    // Too short to be noticed.
                    step: Some(1e-4),
                    damping: Some(1e4),
                    ..ExactConfig::default()
                },
            );
            let mut last = original_loss(&network);
            for k in 0..4 {
                let report = sweep(&mut method, &mut model, &split(), None);
                assert!(report.candidate().is_none() && report.accepted() == 1);
                let now = original_loss(&model.network);
                assert!(
                    now < last,
                    "{name}, {storage:?}, sweep {k}: {last} to {now}"
                );
                last = now;
            }
        }
    }
}

#[test]
fn both_storages_and_any_chunks_lead_to_the_same_weights() {
    for (name, network) in networks() {
        let [stored, recomputed] = STORAGES.map(|(storage, chunk)| {
            let (mut model, mut method) = exact(
                &network,
                ExactConfig {
                    storage,
                    chunk,
                    ..ExactConfig::default()
                },
            );
            for _ in 0..3 {
                sweep(&mut method, &mut model, &split(), None);
            }
            original_loss(&model.network)
        });
        // Sums of some hundred f32 numbers in another order differ by 1e-6; three sweeps of fits let that grow a hundredfold.
        let error = (stored / recomputed - 1.0).abs();
        assert!(error < 1e-4, "{name}: {stored} and {recomputed}");
    }
}

#[test]
fn with_weight_decay_the_penalized_loss_never_rises_and_the_penalty_is_on_affine_kernels() {
    const DECAY: f64 = 0.01;
    for (name, network) in networks() {
        let (mut model, mut method) = exact(
            &network,
            ExactConfig {
                weight_decay: DECAY,
                ..ExactConfig::default()
            },
        );
        let mut last = f64::INFINITY;
        for k in 0..12 {
            let report = sweep(&mut method, &mut model, &split(), None);
            let stages = model.network.stages().iter();
            let kernels = stages.filter_map(|stage| Some(stage.affine()?.coefficients().kernel));
            let squares: f64 = kernels
                .map(|kernel| to_f64(kernel).unwrap().iter().map(|w| w * w).sum::<f64>())
                .sum();
            let penalized = original_loss(&model.network) + 0.5 * DECAY * squares;
            let reported = report.penalized_loss().unwrap();
            // Sums in f32 in another order.
            assert!(
                (reported / penalized - 1.0).abs() < 1e-5,
                "{name}: {reported}"
            );
            assert!(
                penalized <= last,
                "{name}, sweep {k}: {last} to {penalized}"
            );
            last = penalized;
        }
    }
}

#[test]
fn sweeps_of_alternating_never_raise_the_separated_loss() {
    for (name, network) in networks() {
        let (mut model, mut method) = alternating(&network);
        let separated = |method: &Alternating, model: &Separated| {
            let found = method.measure(&mut model.clone(), &split()).unwrap();
            found.separated.unwrap().separated_loss_mean
        };
        let first = separated(&method, &model);
        let mut last = first;
        for k in 0..20 {
            let report = sweep(&mut method, &mut model, &split(), None);
            assert_eq!(
                report.accepted() + report.rejected(),
                2 * network.stages().len()
            );
            let now = separated(&method, &model);
            // The errors of 90 samples in f32 average out: below 1e-6 of S.
            assert!(
                now <= last * (1.0 + 1e-6),
                "{name}, sweep {k}: {last} to {now}"
            );
            last = now;
        }
        assert!(last < 0.9 * first, "{name}: no progress, {first} to {last}");
    }
}

/// All information passes two outputs of the first stage, whose random map keeps little of the classes.
#[test]
fn a_frozen_bottleneck_cannot_reach_the_loss_of_a_trained_one() {
    let mut random = Random::new(4);
    let bottleneck = Hidden {
        inner: dense(&mut random, [FEATURES, 2], Activation::Identity),
    };
    let rest = [
        dense(&mut random, [2, WIDTH], Activation::Tanh).into(),
        dense(&mut random, [WIDTH, CLASSES], Activation::Identity).into(),
    ];
    let centres = [[1.5, 0.0], [-1.5, 0.0], [0.0, 1.5]];
    let labels: Vec<usize> = (0..SAMPLES).map(|n| n % CLASSES).collect();
    // The classes lie apart in two directions; the other four are louder.
    let inputs: Vec<Vec<f64>> = labels
        .iter()
        .map(|&y| {
            let noise = |i: usize| if i < 2 { 0.3 } else { 1.5 };
            let centre = |i: usize| centres[y].get(i).copied().unwrap_or(0.0);
            (0..FEATURES)
                .map(|i| centre(i) + noise(i) * random.normal())
                .collect()
        })
        .collect();
    let batch = Batch::full(tensor(&inputs), index_tensor(&labels, &device()));
    let loss_after_training = |first: Hidden| {
        let stages = [vec![AnyStage::custom(first)], rest.to_vec()].concat();
        let network = Network::new(stages).unwrap();
        // The curvature of the output side lets a frozen stage be fitted around, too.
        let config = ExactConfig {
            output_curvature: false,
            ..ExactConfig::default()
        };
        let mut method = Exact::new(config, &network).unwrap();
        let mut model = Separated::new(network);
        for _ in 0..40 {
            method.sweep(&mut model, &batch).unwrap();
        }
        measure(&model.network, None, &batch)
            .unwrap()
            .original_loss_mean
    };
    let (trained, frozen) = (
        loss_after_training(bottleneck.clone()),
        loss_after_training(bottleneck.no_grad()),
    );
    assert!(trained < 0.3 * frozen, "{trained} and {frozen}");
}
