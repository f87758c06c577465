//! Frozen stages and stages without parameters keep their weights under every method, and cost no work.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Int, Tensor};
use common::differences::line_search;
use common::report::Report;
use common::sweeps::{Values, sweep};
use common::{Random, device, tensor};
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::Affine;
use ls_core::method::{
    Alternating, AlternatingConfig, Backprop, BackpropConfig, Exact, ExactConfig, Foof, FoofConfig,
    Method, OptimizerName, Separated, Storage,
};
use ls_core::network::Network;
use ls_core::objective::{Weighting, measure};
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Dense, PullBack, Stage};

const CLASSES: usize = 3;
const FEATURES: usize = 6;
const SAMPLES: usize = 60;
const BATCH: usize = 20;

/// Means of neighbours: no parameters.
#[derive(Module, Debug)]
struct Halve {
    #[module(skip)]
    width: usize,
}

impl Stage for Halve {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let samples = input.dims()[0];
        let pairs = input.reshape([samples, self.width / 2, 2]);
        pairs.mean_dim(2).squeeze_dim(2)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.width)
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.width / 2)
    }
}

/// A dense stage that shows its forward pass alone, and counts the calls of its derivative.
#[derive(Module, Debug)]
struct Hidden {
    inner: Dense,
    #[module(skip)]
    linearized: Arc<AtomicUsize>,
}

impl Hidden {
    fn new(inner: Dense) -> Self {
        let linearized = Arc::default();
        Self { inner, linearized }
    }
}

impl Stage for Hidden {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.inner.output_shape()
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        self.linearized.fetch_add(1, Ordering::Relaxed);
        self.inner.linearize(input)
    }
}

/// Each feature is a word: no derivative in the input.
#[derive(Module, Debug)]
struct Words {
    inner: Embedding,
}

impl Stage for Words {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let words: Tensor<2, Int> = input.sign().add_scalar(1.0).int();
        let [samples, features] = words.dims();
        let width = self.inner.weight.dims()[1];
        self.inner
            .forward(words)
            .reshape([samples, features * width])
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(FEATURES)
    }

    fn output_shape(&self) -> FeatureShape {
        FeatureShape::Flat(FEATURES * self.inner.weight.dims()[1])
    }
}

fn words() -> Words {
    device().seed(3);
    Words {
        inner: EmbeddingConfig::new(3, 2).init(&device()),
    }
}

fn dense(random: &mut Random, size: [usize; 2], activation: Activation) -> Dense {
    let coefficients = Affine {
        kernel: tensor(&random.matrix(size, (1.0 / size[0] as f64).sqrt())),
        bias: Tensor::zeros([size[1]], &device()),
    };
    Dense::from_coefficients(coefficients, activation)
}

/// Networks by name, with their frozen stages, counted from 0.
fn networks() -> Vec<(&'static str, Network, &'static [usize])> {
    let mut random = Random::new(3);
    let r = &mut random;
    let tanh = Activation::Tanh;
    let mut dense = |d_in, d_out| dense(r, [d_in, d_out], tanh);
    let halve = |width| AnyStage::custom(Halve { width });
    let named: [(_, Vec<AnyStage>, &[usize]); 7] = [
        (
            "pooled first",
            vec![halve(6), dense(3, 8).into(), dense(8, 3).into()],
            &[0],
        ),
        (
            "pooled between",
            vec![dense(6, 16).into(), halve(16), dense(8, 3).into()],
            &[1],
        ),
        (
            "pooled logits, beside a stage that moves by gradients",
            vec![
                AnyStage::custom(Hidden::new(dense(6, 8))),
                dense(8, 6).into(),
                halve(6),
            ],
            &[2],
        ),
        (
            "frozen dense",
            vec![
                dense(6, 8).no_grad().into(),
                dense(8, 8).into(),
                dense(8, 8).no_grad().into(),
                dense(8, 3).into(),
            ],
            &[0, 2],
        ),
        (
            "frozen module",
            vec![
                AnyStage::custom(Hidden::new(dense(6, 8)).no_grad()),
                dense(8, 8).into(),
                dense(8, 3).into(),
            ],
            &[0],
        ),
        (
            "frozen words, before a stage that moves by gradients",
            vec![
                AnyStage::custom(words().no_grad()),
                AnyStage::custom(Hidden::new(dense(12, 8))),
                dense(8, 3).into(),
            ],
            &[0],
        ),
        (
            "words behind a stage that moves",
            vec![
                dense(6, 6).into(),
                AnyStage::custom(words().no_grad()),
                dense(12, 3).into(),
            ],
            &[1],
        ),
    ];
    named
        .map(|(name, stages, frozen)| (name, Network::new(stages).unwrap(), frozen))
        .into()
}

fn split() -> Batch {
    let mut random = Random::new(7);
    let inputs = random.matrix([SAMPLES, FEATURES], 1.0);
    let class = |x: &Vec<f64>| usize::from(x[0] + x[1] > 0.0) + usize::from(x[2] > x[3]);
    let labels: Vec<usize> = inputs.iter().map(class).collect();
    assert!(labels.iter().all(|&label| label < CLASSES));
    Batch::full(tensor(&inputs), index_tensor(&labels, &device()))
}

type Start = dyn Fn(&Network) -> Box<dyn Method>;

/// Every way to train, with the size of its batches.
fn ways() -> Vec<(&'static str, Box<Start>, Option<usize>)> {
    fn exact(storage: Storage) -> Box<Start> {
        Box::new(move |network| {
            let config = ExactConfig {
                storage,
                ..ExactConfig::default()
            };
            Box::new(Exact::new(config, network).unwrap())
        })
    }
    fn alternating(config: AlternatingConfig) -> Box<Start> {
        Box::new(move |network| {
            Box::new(Alternating::new(config.clone(), network, &split()).unwrap())
        })
    }
    const WEIGHTING: Weighting = Weighting::Fixed { omega: 0.7 };
    let optimizers = AlternatingConfig {
        weighting: WEIGHTING,
        learning_rate: Some(1e-2),
        auxiliary_learning_rate: Some(1e-1),
        ..AlternatingConfig::default().with_optimizer(OptimizerName::Adam)
    };
    let foof = |network: &Network| -> Box<dyn Method> {
        Box::new(Foof::new(FoofConfig::default(), network, None).unwrap())
    };
    let backprop = |network: &Network| -> Box<dyn Method> {
        let config = BackpropConfig {
            learning_rate: Some(1e-2),
            ..BackpropConfig::default()
        };
        Box::new(Backprop::new(&config, network, None).unwrap())
    };
    vec![
        ("exact", exact(Storage::Stored), None),
        ("exact, recomputed", exact(Storage::Recomputed), None),
        ("foof", Box::new(foof), Some(BATCH)),
        (
            "line search",
            alternating(line_search(WEIGHTING, 1, true)),
            None,
        ),
        ("optimizers", alternating(optimizers), None),
        ("backprop", Box::new(backprop), Some(BATCH)),
    ]
}

fn original_loss(network: &Network) -> f64 {
    measure(network, None, &split()).unwrap().original_loss_mean
}

#[test]
fn frozen_stages_keep_their_weights_and_the_others_move() {
    for (way, start, size) in ways() {
        for (name, network, frozen) in networks() {
            let mut method = start(&network);
            let mut model = Separated::feasible(network.clone(), &split());
            for _ in 0..8 {
                sweep(&mut *method, &mut model, &split(), size);
            }
            let what = format!("{way}, {name}");
            let (first, last) = (original_loss(&network), original_loss(&model.network));
            assert!(last < first, "{what}: {first} to {last}");
            let pairs = network.stages().iter().zip(model.network.stages());
            for (l, (old, new)) in pairs.enumerate() {
                let (old, new) = (Values::read(old), Values::read(new));
                // Integers pass no derivative on to the stage before them, except through auxiliary variables.
                let is_cut_off = name == "words behind a stage that moves" && l == 0;
                if frozen.contains(&l) {
                    assert_eq!(old, new, "{what}, stage {l}");
                } else if !is_cut_off {
                    assert_ne!(old, new, "{what}, stage {l}");
                }
            }
        }
    }
}

/// Whether a stage of the network moves by gradients: `Hidden`, where it is not frozen.
fn steps(name: &str) -> bool {
    name.contains("moves by gradients")
}

#[test]
fn frozen_stages_cost_no_trials_and_no_optimizers() {
    for (way, start, size) in ways() {
        for (name, network, frozen) in networks() {
            let what = format!("{way}, {name}");
            let mut method = start(&network);
            let mut model = Separated::feasible(network.clone(), &split());
            let moving = network.stages().len() - frozen.len();
            for _ in 0..3 {
                let report = sweep(&mut *method, &mut model, &split(), size);
                match way {
                    "line search" | "optimizers" => {
                        assert_eq!(report.accepted() + report.rejected(), moving, "{what}");
                    }
                    "exact" | "exact, recomputed" => {
                        assert!(report.accepted() <= 1 + usize::from(steps(name)), "{what}");
                    }
                    _ => {}
                }
            }
            if way.starts_with("exact") || way == "foof" {
                let state = method.save().unwrap();
                assert_eq!(!state.optimizers.is_empty(), steps(name), "{what}");
            }
        }
    }
}

#[test]
fn no_derivative_is_computed_before_the_first_stage_that_moves() {
    for (way, start, size) in ways() {
        let mut random = Random::new(5);
        let front = Hidden::new(dense(&mut random, [6, 8], Activation::Tanh));
        let count = front.linearized.clone();
        let network = Network::new(vec![
            AnyStage::custom(front.no_grad()),
            dense(&mut random, [8, 8], Activation::Tanh).into(),
            dense(&mut random, [8, 3], Activation::Identity).into(),
        ])
        .unwrap();
        let mut method = start(&network);
        let mut model = Separated::feasible(network, &split());
        for _ in 0..3 {
            sweep(&mut *method, &mut model, &split(), size);
        }
        assert_eq!(count.load(Ordering::Relaxed), 0, "{way}");
    }
}

/// Frozen layers in front act as other inputs.
#[test]
fn a_frozen_front_trains_as_its_outputs_for_inputs_do() {
    let mut random = Random::new(9);
    let front = dense(&mut random, [6, 8], Activation::Tanh);
    let rest: Vec<AnyStage> = vec![
        dense(&mut random, [8, 8], Activation::Tanh).into(),
        dense(&mut random, [8, 3], Activation::Identity).into(),
    ];
    let inner = Batch::full(front.forward(split().inputs), split().labels);
    let whole = Network::new([vec![front.no_grad().into()], rest.clone()].concat()).unwrap();
    let trained = |network: Network, batch: &Batch, storage| {
        let config = ExactConfig {
            storage,
            ..ExactConfig::default()
        };
        let mut method = Exact::new(config, &network).unwrap();
        let mut model = Separated::new(network);
        for _ in 0..3 {
            method.sweep(&mut model, batch).unwrap();
        }
        measure(&model.network, None, batch)
            .unwrap()
            .original_loss_mean
    };
    for storage in [Storage::Stored, Storage::Recomputed] {
        let alone = trained(Network::new(rest.clone()).unwrap(), &inner, storage);
        let whole = trained(whole.clone(), &split(), storage);
        // Fits in f32 on the same numbers, three times over.
        assert!((whole / alone - 1.0).abs() < 1e-4, "{whole} and {alone}");
    }
}

/// The fit of an affine stage would move the frozen kernel as well; a gradient step moves the bias only.
#[test]
fn an_affine_stage_with_a_frozen_kernel_moves_its_bias() {
    let mut random = Random::new(11);
    let mut first = dense(&mut random, [6, 8], Activation::Tanh);
    first.weight = first.weight.set_require_grad(false);
    let network = Network::new(vec![
        first.into(),
        dense(&mut random, [8, 3], Activation::Identity).into(),
    ])
    .unwrap();
    for (way, start, size) in ways() {
        let mut method = start(&network);
        let mut model = Separated::feasible(network.clone(), &split());
        for _ in 0..3 {
            sweep(&mut *method, &mut model, &split(), size);
        }
        let parameters = |network: &Network| Values::read(&network.stages()[0]).0;
        let (old, new) = (parameters(&network), parameters(&model.network));
        assert_eq!(old[0], new[0], "{way}");
        assert_ne!(old[1], new[1], "{way}");
    }
}

#[test]
fn a_network_that_is_frozen_as_a_whole_keeps_its_weights() {
    let (_, network, _) = networks().swap_remove(3);
    let network = network.no_grad();
    for (way, start, size) in ways() {
        let mut method = start(&network);
        let mut model = Separated::feasible(network.clone(), &split());
        sweep(&mut *method, &mut model, &split(), size);
        assert_eq!(
            Values::read(&network),
            Values::read(&model.network),
            "{way}"
        );
    }
}

/// Samples may come from a computation that the caller differentiates.
#[test]
fn batches_leave_a_tape_behind() {
    let plain = split();
    let tracked = plain.inputs.clone().autodiff().require_grad() * 1.0;
    assert!(tracked.is_tracked());
    let batch = Batch::full(tracked, plain.labels.clone());
    assert!(!batch.inputs.is_autodiff());
    let mut random = Random::new(13);
    let network = Network::new(vec![
        AnyStage::custom(Hidden::new(dense(&mut random, [6, 8], Activation::Tanh))),
        dense(&mut random, [8, 3], Activation::Identity).into(),
    ])
    .unwrap();
    for (way, start, _) in ways() {
        let mut ends = Vec::new();
        for batch in [&plain, &batch] {
            let mut method = start(&network);
            let mut model = Separated::feasible(network.clone(), &plain);
            method.sweep(&mut model, batch).unwrap();
            ends.push(original_loss(&model.network));
        }
        assert!(ends.iter().all(|&end| end == ends[0]), "{way}: {ends:?}");
    }
}
