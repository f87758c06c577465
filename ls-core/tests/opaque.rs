//! Stages without the affine view train under every method, and no guarantee is lost.

mod common;

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::Tensor;
use common::differences::LINE_SEARCH;
use common::sweeps::{Values, sweep};
use common::{Random, device, image, tensor};
use ls_core::Error;
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::{Affine, to_f64};
use ls_core::method::{
    Alternating, AlternatingConfig, Exact, ExactConfig, Method, MiniBatchConfig, Separated, Storage,
};
use ls_core::network::Network;
use ls_core::objective::{Weighting, measure};
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Convolution, ConvolutionConfig, Dense, Stage};

const CLASSES: usize = 3;
const FEATURES: usize = 6;
const WIDTH: usize = 8;
const SAMPLES: usize = 90;
const BATCH: usize = 30;

/// A map that shows nothing but its forward pass.
#[derive(Module, Debug)]
struct Hidden {
    inner: Dense,
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
}

/// Layer normalization.
#[derive(Module, Debug)]
struct Norm {
    inner: LayerNorm,
}

impl Stage for Norm {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.inner.gamma.dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

/// Two layers with dropout around a skip connection.
#[derive(Module, Debug)]
struct Block {
    up: Linear,
    dropout: Dropout,
    down: Linear,
}

impl Stage for Block {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let h = self.up.forward(input.clone()).tanh();
        input + self.down.forward(self.dropout.forward(h))
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.up.weight.dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

fn dense(random: &mut Random, size: [usize; 2], activation: Activation) -> Dense {
    let scale = (1.0 / size[0] as f64).sqrt();
    let coefficients = Affine {
        kernel: tensor(&random.matrix(size, scale)),
        bias: Tensor::zeros([size[1]], &device()),
    };
    Dense::from_coefficients(coefficients, activation)
}

fn hidden(random: &mut Random, size: [usize; 2], activation: Activation) -> AnyStage {
    let inner = dense(random, size, activation);
    AnyStage::custom(Hidden { inner })
}

/// Four channels of two positions each: as wide as the others.
fn convolution(random: &mut Random) -> AnyStage {
    let config = ConvolutionConfig {
        channels: 4,
        kernel: 2,
        stride: 1,
        padding: 0,
        activation: Activation::Tanh,
        pooling: None,
    };
    let coefficients = Affine {
        kernel: tensor(&random.matrix([4, 4], 0.5)),
        bias: Tensor::zeros([4], &device()),
    };
    let stage = Convolution::from_coefficients(config, image([1, 2, 3]), coefficients);
    stage.unwrap().into()
}

fn norm() -> AnyStage {
    let inner = LayerNormConfig::new(WIDTH).init(&device());
    AnyStage::custom(Norm { inner })
}

fn block(random: &mut Random) -> AnyStage {
    let mut linear = |size: [usize; 2]| {
        let layer = LinearConfig::new(size[0], size[1]).init(&device());
        Linear {
            weight: Param::from_tensor(tensor(&random.matrix(size, 0.3))),
            bias: layer.bias.map(|bias| bias.map(|bias| bias.zeros_like())),
        }
    };
    AnyStage::custom(Block {
        up: linear([WIDTH, 12]),
        down: linear([12, WIDTH]),
        dropout: DropoutConfig::new(0.3).init(),
    })
}

/// Networks with such stages at every place, by name.
fn networks() -> Vec<(&'static str, Network)> {
    let mut random = Random::new(2);
    let r = &mut random;
    let (tanh, identity) = (Activation::Tanh, Activation::Identity);
    let (input, square, head) = ([FEATURES, WIDTH], [WIDTH, WIDTH], [WIDTH, CLASSES]);
    let named = [
        (
            "normalized",
            vec![
                dense(r, input, tanh).into(),
                norm(),
                dense(r, square, tanh).into(),
                norm(),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "block in the middle",
            vec![
                dense(r, input, tanh).into(),
                block(r),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "behind a convolution",
            vec![convolution(r), block(r), dense(r, head, identity).into()],
        ),
        (
            "first stage",
            vec![
                hidden(r, input, tanh),
                dense(r, square, tanh).into(),
                dense(r, head, identity).into(),
            ],
        ),
        (
            "head",
            vec![
                dense(r, input, tanh).into(),
                dense(r, square, tanh).into(),
                hidden(r, head, identity),
            ],
        ),
        (
            "all",
            vec![
                hidden(r, input, tanh),
                block(r),
                norm(),
                hidden(r, head, identity),
            ],
        ),
    ];
    named
        .map(|(name, stages)| (name, Network::new(stages).unwrap()))
        .into()
}

/// Labels by the signs of two products: no affine map of the inputs tells them apart.
fn split() -> Batch {
    let mut random = Random::new(7);
    let inputs = random.matrix([SAMPLES, FEATURES], 1.0);
    let class = |x: &Vec<f64>| match (x[0] * x[1] > 0.0, x[2] * x[3] > 0.0) {
        (true, true) => 0,
        (false, false) => 1,
        _ => 2,
    };
    let labels: Vec<usize> = inputs.iter().map(class).collect();
    Batch::full(tensor(&inputs), index_tensor(&labels, &device()))
}

fn is_opaque(stage: &AnyStage) -> bool {
    stage.affine().is_none()
}

fn exact(network: &Network, config: ExactConfig) -> (Separated, Exact) {
    let method = Exact::new(config, network).unwrap();
    (Separated::feasible(network.clone(), &split()), method)
}

fn alternating(network: &Network) -> (Separated, Alternating) {
    let config = AlternatingConfig {
        weighting: Weighting::Fixed { omega: 0.7 },
        auxiliary_passes: 1,
        weight_passes: 2,
        restart: true,
    };
    let method = Alternating::new(config, LINE_SEARCH, network, &split()).unwrap();
    (Separated::feasible(network.clone(), &split()), method)
}

fn original_loss(network: &Network) -> f64 {
    measure(network, None, &split()).unwrap().original_loss_mean
}

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
                let before = Values::of(&model.network);
                let report = sweep(&mut method, &mut model, &split(), None);
                let now = original_loss(&model.network);
                // Only decreases by more than 1e-5 of the loss are accepted, and these networks round by 1e-6.
                match report.accepted {
                    0 => assert!(Values::of(&model.network) == before, "{what}: moved"),
                    _ => assert!(now < last, "{what}: {last} to {now}"),
                }
                if report.candidate.is_some() {
                    let stages = network.stages().iter().zip(&report.conditions);
                    assert_eq!(report.conditions.len(), network.stages().len());
                    for (stage, condition) in stages {
                        assert_eq!(condition.is_nan(), is_opaque(stage), "{what}");
                    }
                }
                last = now;
            }
            assert!(last < 0.5 * first, "{name}: no progress, {first} to {last}");
            for (l, stage) in network.stages().iter().enumerate() {
                let (old, new) = (Values::of(stage), Values::of(&model.network.stages()[l]));
                for (old, new) in old.0.iter().zip(&new.0) {
                    assert_ne!(old, new, "{name}: a parameter of stage {l} stands still");
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
                assert!(report.candidate.is_none() && report.accepted == 1);
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
            let reported = report.penalized_loss.unwrap();
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
            let found = method.measure(model, &split()).unwrap();
            found.separated.unwrap().separated_loss_mean
        };
        let first = separated(&method, &model);
        let mut last = first;
        for k in 0..20 {
            let report = sweep(&mut method, &mut model, &split(), None);
            assert_eq!(
                report.accepted + report.rejected,
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

/// Everything passes two outputs of the first stage, whose random map sees little of what the labels depend on.
#[test]
fn what_a_moving_stage_can_reach_a_standing_one_cannot() {
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
    let trained = |first: Hidden| {
        let stages = [vec![AnyStage::custom(first)], rest.to_vec()].concat();
        let network = Network::new(stages).unwrap();
        let mut method = Exact::new(ExactConfig::default(), &network).unwrap();
        let mut model = Separated::new(network);
        for _ in 0..40 {
            method.sweep(&mut model, &batch).unwrap();
        }
        measure(&model.network, None, &batch)
            .unwrap()
            .original_loss_mean
    };
    let (moving, standing) = (trained(bottleneck.clone()), trained(bottleneck.no_grad()));
    assert!(moving < 0.3 * standing, "{moving} and {standing}");
}

fn mini_batch(step: f64) -> ExactConfig {
    ExactConfig {
        mini_batch: MiniBatchConfig {
            step,
            ..MiniBatchConfig::default()
        },
        ..ExactConfig::default()
    }
}

#[test]
fn mini_batches_of_exact_learn() {
    let step = MiniBatchConfig::default().step;
    for (name, network) in networks() {
        let (mut model, mut method) = exact(&network, mini_batch(step));
        let first = original_loss(&network);
        for _ in 0..60 {
            let report = sweep(&mut method, &mut model, &split(), Some(BATCH));
            assert_eq!(report.accepted, SAMPLES / BATCH, "{name}");
        }
        let last = original_loss(&model.network);
        assert!(last < 0.8 * first, "{name}: {first} to {last}");
        let stages = network.stages().iter().zip(model.network.stages());
        for (old, new) in stages.filter(|(old, _)| is_opaque(old)) {
            assert_ne!(Values::of(old), Values::of(new), "{name}");
        }
    }
}

#[test]
fn weights_of_all_stages_return_when_a_mini_batch_run_blows_up() {
    for (name, network) in networks() {
        if is_opaque(&network.stages()[network.hidden()]) {
            // Behind bounded activations only a head that takes such steps makes the loss so large.
            continue;
        }
        let (mut model, mut method) = exact(&network, mini_batch(1e4));
        let (split, members) = (split(), (0..SAMPLES).collect::<Vec<_>>());
        let (mut seen, mut refused, mut unseen) = (Vec::new(), 0, 0);
        for step in 0..90 {
            let members = &members[step % 3 * BATCH..][..BATCH];
            let report = method.sweep(&mut model, &split.pick(step % 3, members));
            let now = Values::of(&model.network);
            assert!(now.are_finite(), "{name}, step {step}");
            if report.unwrap().rejected > 0 {
                refused += 1;
                unseen += usize::from(!seen.contains(&now));
            }
            seen.push(now);
        }
        assert!(refused > 1, "{name}");
        // All but the weights of the sweep that starts the run have been seen.
        assert!(
            unseen <= 1,
            "{name}: {unseen} of {refused} returns led elsewhere"
        );
    }
}

/// Whether gradients of training are random.
fn draws(network: &Network) -> bool {
    let mut stages = network.stages().iter();
    stages.any(|stage| stage.downcast_ref::<Block>().is_some())
}

type Start = dyn Fn(&Network) -> (Separated, Box<dyn Method>);

/// Every way to train, with the size of its batches.
fn ways() -> [(&'static str, Box<Start>, Option<usize>); 4] {
    fn boxed<M: Method + 'static>((model, method): (Separated, M)) -> (Separated, Box<dyn Method>) {
        (model, Box::new(method))
    }
    let full = |network: &Network| boxed(exact(network, ExactConfig::default()));
    [
        ("exact", Box::new(full), None),
        ("exact, mini-batches", Box::new(full), Some(BATCH)),
        (
            "alternating",
            Box::new(|network| boxed(alternating(network))),
            None,
        ),
        (
            "alternating, mini-batches",
            Box::new(|network| boxed(alternating(network))),
            Some(BATCH),
        ),
    ]
}

/// Also behind dropout, which the gradients of guaranteed steps leave out: only mini-batches of `exact` draw.
#[test]
fn a_restored_method_goes_on_bit_for_bit() {
    for (way, start, size) in ways() {
        for (name, network) in networks() {
            if way == "exact, mini-batches" && draws(&network) {
                continue;
            }
            let (mut model, mut method) = start(&network);
            for _ in 0..4 {
                sweep(&mut *method, &mut model, &split(), size);
            }
            let mut other = model.clone();
            let (_, mut restored) = start(&network);
            restored.restore(method.save().unwrap()).unwrap();
            for _ in 0..3 {
                sweep(&mut *method, &mut model, &split(), size);
                sweep(&mut *restored, &mut other, &split(), size);
            }
            assert!(
                Values::of(&model) == Values::of(&other),
                "{way}, {name}: another run"
            );
        }
    }
}

#[test]
fn a_state_without_gradient_steps_is_for_affine_networks_alone() {
    let mut random = Random::new(1);
    let affine = Network::new(vec![
        dense(&mut random, [FEATURES, WIDTH], Activation::Tanh).into(),
        dense(&mut random, [WIDTH, CLASSES], Activation::Identity).into(),
    ])
    .unwrap();
    let opaque = Network::new(vec![
        hidden(&mut random, [FEATURES, WIDTH], Activation::Tanh),
        dense(&mut random, [WIDTH, CLASSES], Activation::Identity).into(),
    ])
    .unwrap();
    let state = || {
        let (mut model, mut method) = exact(&affine, ExactConfig::default());
        sweep(&mut method, &mut model, &split(), None);
        method.save().unwrap()
    };
    // Files of runs from before there were such steps have no more than this.
    assert_eq!(state().values.keys().collect::<Vec<_>>(), ["controller"]);
    assert!(state().optimizers.is_empty() && state().arrays.is_empty());
    exact(&affine, ExactConfig::default())
        .1
        .restore(state())
        .unwrap();
    let refused = exact(&opaque, ExactConfig::default()).1.restore(state());
    assert!(matches!(refused, Err(Error::MethodState(_))), "{refused:?}");
}
