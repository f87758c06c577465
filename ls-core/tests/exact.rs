//! Method `exact`: the original loss never rises, whatever the network, its weights and the settings.
//!
//! Losses are those that the method reports and those that the f64 reference finds at the weights that it left.
//! `LAYERSEP_PROPTEST_CASES` sets the number of random networks.

mod common;

use common::differences::{pre_activation_gradient, slope_at};
use common::mixed::{MixedShape, any_stage, moderate, random_layer};
use common::reference::{EPSILON, Layer, Matrix, Problem, difference, dot, norm, reach};
use common::{Random, Shape, cases, image, rows, tensor};
use ls_core::Error;
use ls_core::batch::Batch;
use ls_core::linalg::Norm;
use ls_core::method::{
    Candidate, Exact, ExactConfig, Form, Guarantee, Method, Scaling, Separated, Storage,
    SweepReport,
};
use ls_core::objective::Weighting;
use ls_core::stage::{Activation, AnyStage, ConvolutionConfig, Pooling, StageConfig};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The weighting of the reports.
const WEIGHTING: Weighting = Weighting::SelfAdaptive {
    norm: Norm::Spectral,
    eta: 1.0,
};

/// A few units in the last place of the sums that a report is made of.
const DIGITS: f64 = 16.0 * EPSILON;

/// A problem with the method that trains it.
struct Run {
    problem: Problem,
    model: Separated,
    batch: Batch,
    method: Exact,
}

impl Run {
    fn new(problem: Problem, config: ExactConfig) -> Self {
        let (model, batch) = (problem.model(), problem.batch());
        let method = Exact::new(config, &model.network).unwrap();
        Self {
            problem,
            model,
            batch,
            method,
        }
    }

    fn sweep(&mut self) -> SweepReport {
        self.method.sweep(&mut self.model, &self.batch).unwrap()
    }

    fn problem(&self) -> Problem {
        self.problem.at(&self.model)
    }

    fn state(&self) -> State {
        let found = self.method.measure(&self.model, &self.batch).unwrap();
        let certificate = found.separated.unwrap().certificate_mean.unwrap();
        let problem = self.problem();
        State {
            reported: found.original_loss_mean,
            exact: problem.original_mean(),
            certificate,
            roundings: roundings(&problem),
            problem,
        }
    }
}

/// A network between two sweeps.
struct State {
    problem: Problem,
    /// `F` as the method reports it, and in f64.
    reported: f64,
    exact: f64,
    certificate: f64,
    roundings: [f64; 2],
}

/// How far f32 evaluations of `F`, and of `C`, may lie from the exact ones: the rounding of a stage is one more residual, so
/// the growth factors say how far it carries.
fn roundings(problem: &Problem) -> [f64; 2] {
    let growth = problem.library_weights(WEIGHTING).growth.unwrap();
    let spread = |ce: f64, d: f64, by: f64| reach(ce, d + by) - reach(ce, d - by) + DIGITS * ce;
    let samples: Vec<[f64; 2]> = (0..problem.inputs.len())
        .map(|n| {
            let [forward, separated] = problem.distance_roundings(n, &growth);
            let d = problem.distance(n, &growth);
            let head = problem.head_loss(n);
            let digits = DIGITS * reach(head, d);
            [
                spread(problem.original(n), 0.0, forward),
                spread(head, d, separated) + digits,
            ]
        })
        .collect();
    [0, 1].map(|i| problem.mean(|n| samples[n][i]))
}

/// Whether two networks agree in all bits.
fn same(a: &Problem, b: &Problem) -> bool {
    let bits = |problem: &Problem| -> Vec<u64> {
        let layers = problem.layers.iter().flat_map(Layer::bordered);
        let auxiliary = problem.auxiliary.iter().flatten().cloned();
        layers
            .chain(auxiliary)
            .flatten()
            .map(f64::to_bits)
            .collect()
    };
    bits(a) == bits(b)
}

/// What a comparison of losses may be off by.
#[derive(Clone, Copy, PartialEq)]
enum Allowance {
    /// Nothing: only decreases by more than 1e-5 of the loss are accepted, and networks with moderate weights round by 1e-6.
    Nothing,
    /// The roundings of both values.
    Rounding,
}

/// Sweeps, checks the law after each, and returns `F` before and after all of them.
#[track_caller]
fn assert_law(problem: Problem, config: ExactConfig, allowance: Allowance, what: &str) -> [f64; 2] {
    let mut run = Run::new(problem, config);
    let mut before = run.state();
    let first = before.reported;
    for sweep in 0..12 {
        let report = run.sweep();
        let after = run.state();
        let what = format!("{what}, sweep {sweep}: {report:?}");
        let rounding = match allowance {
            Allowance::Nothing => 0.0,
            Allowance::Rounding => before.roundings[0] + after.roundings[0],
        };
        for [old, new] in [
            [before.reported, after.reported],
            [before.exact, after.exact],
        ] {
            assert!(new <= old + rounding, "{what}: {old} to {new}");
        }
        let error = (after.reported - after.exact).abs();
        assert!(
            error <= after.roundings[0],
            "{what}: F reported with an error of {error}"
        );
        let bound = after.certificate + after.roundings[0] + after.roundings[1];
        assert!(
            after.reported <= bound,
            "{what}: {} above {bound}",
            after.reported
        );
        assert_eq!(report.candidate.is_some(), report.accepted == 1, "{what}");
        assert!(report.accepted <= 1 && report.accepted + report.rejected >= 1);
        if report.accepted == 0 {
            assert!(same(&before.problem, &after.problem), "{what}: moved");
        } else if allowance == Allowance::Nothing {
            assert!(after.reported < before.reported, "{what}: nothing gained");
        }
        before = after;
    }
    [first, before.reported]
}

#[test]
fn twelve_sweeps_over_dense_networks_of_any_depth_never_raise_the_original_loss() {
    for hidden in 0..=6 {
        for (seed, activation) in (60..).zip(Activation::ALL) {
            let what = format!("{hidden} hidden stages, {activation}");
            let mut shape = Shape::moderate(activation, seed);
            let scale = shape.weight_scales[0];
            shape.samples = 12;
            shape.widths = [vec![5], vec![6; hidden], vec![4]].concat();
            shape.activations = vec![activation; hidden];
            shape.weight_scales = vec![scale; hidden + 1];
            let (problem, config) = (shape.problem(), ExactConfig::default());
            let method = Exact::new(config, &problem.network()).unwrap();
            assert_eq!(method.guarantee(), Guarantee::OriginalLossNeverRises);
            let [first, last] = assert_law(problem, config, Allowance::Nothing, &what);
            assert!(last < 0.5 * first, "{what}: no progress, {first} to {last}");
        }
    }
}

#[test]
fn twelve_sweeps_over_mixed_networks_never_raise_the_original_loss() {
    for activation in Activation::ALL {
        for (k, shape) in moderate(activation, 31).into_iter().enumerate() {
            let what = format!("{activation}, network {k}");
            let (problem, config) = (shape.problem(), ExactConfig::default());
            let [first, last] = assert_law(problem, config, Allowance::Nothing, &what);
            assert!(
                last < 0.01 * first,
                "{what}: no progress, {first} to {last}"
            );
        }
    }
}

#[test]
fn a_few_patches_in_the_gram_matrices_keep_the_law() {
    for (activation, k) in [(Activation::Tanh, 0), (Activation::Relu, 1)] {
        let what = format!("{activation}, network {k}");
        let mut shape = moderate(activation, 32)[k].clone();
        shape.samples = 8;
        // Fewer patches than a kernel has entries: without its ridge such a Gram matrix could not be inverted.
        let config = |gram_rows| ExactConfig {
            gram_rows,
            chunk: Some(5),
            ..ExactConfig::default()
        };
        assert_law(shape.problem(), config(5), Allowance::Nothing, &what);
        let after = |gram_rows| {
            let mut run = Run::new(shape.problem(), config(gram_rows));
            run.sweep();
            run.problem()
        };
        assert!(!same(&after(5), &after(1 << 14)), "{what}: all were taken");
        // 8 samples of at most 56 positions.
        assert!(same(&after(8 * 56), &after(1 << 14)), "{what}");
    }
}

/// From 1e-3 to 30.
fn scales() -> impl Strategy<Value = f64> {
    (-3.0..30_f64.log10()).prop_map(|exponent| 10_f64.powf(exponent))
}

fn shapes() -> impl Strategy<Value = MixedShape> {
    let sizes = (any::<u64>(), 1..=5_usize, 2..=5_usize);
    let input = [1..=2_usize, 2..=6_usize, 2..=6_usize];
    let hidden = vec((any_stage(), scales()), 0..=6);
    (sizes, input, hidden, [scales(), scales()]).prop_map(
        |((seed, samples, classes), input, stages, [head_scale, input_scale])| MixedShape {
            seed,
            samples,
            input,
            stages,
            classes,
            head_scale,
            input_scale,
            auxiliary_scale: 0.1,
        },
    )
}

fn configs() -> impl Strategy<Value = ExactConfig> {
    let scalings: Vec<_> = Scaling::ALL.into_iter().map(Some).chain([None]).collect();
    let storages = vec![Storage::Stored, Storage::Recomputed];
    let (chunks, gram_rows) = (vec![None, Some(1), Some(2)], vec![3, 1 << 14]);
    let dampings = vec![None, None, Some(1e-9), Some(1e6)];
    let choices = (select(scalings), select(storages), select(chunks));
    (choices, select(gram_rows), select(dampings)).prop_map(
        |((scaling, storage, chunk), gram_rows, damping)| ExactConfig {
            scaling,
            storage,
            chunk,
            gram_rows,
            damping,
            ..ExactConfig::default()
        },
    )
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn no_network_however_badly_scaled_sees_its_original_loss_rise(
        shape in shapes(),
        config in configs(),
    ) {
        assert_law(shape.problem(), config, Allowance::Rounding, "random network");
    }
}

/// Dense, convolutions with pooling, skips: one network of each kind.
fn kinds() -> [(&'static str, Problem); 3] {
    let [first, second] = moderate(Activation::Tanh, 33);
    [
        ("dense", Shape::moderate(Activation::Silu, 34).problem()),
        ("max pooling, residual convolution", first.problem()),
        ("stride, average pooling, residual", second.problem()),
    ]
}

/// Settings that leave no choice, so that rounding cannot tip the balance between two candidates.
fn fixed(scaling: Scaling) -> ExactConfig {
    ExactConfig {
        step: Some(0.3),
        damping: Some(0.1),
        scaling: Some(scaling),
        ..ExactConfig::default()
    }
}

/// Largest difference of the weights, relative to the largest of each stage, and of `ln F`, over five sweeps.
fn distance(problem: &Problem, one: ExactConfig, other: ExactConfig) -> f64 {
    let mut runs = [one, other].map(|config| Run::new(problem.clone(), config));
    let mut largest = 0.0_f64;
    for _ in 0..5 {
        let reports = runs.each_mut().map(Run::sweep);
        assert_eq!(reports[0].accepted, 1, "nothing would be compared");
        assert_eq!(reports[0].candidate, reports[1].candidate);
        let [one, other] = runs.each_ref().map(Run::problem);
        for (one, other) in one.layers.iter().zip(&other.layers) {
            let [one, other] = [one, other].map(|layer| layer.bordered().concat());
            let size = one.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
            let apart = difference(&one, &other).into_iter().map(f64::abs);
            largest = apart.fold(largest, |largest, v| largest.max(v / size));
        }
        let losses = runs.each_ref().map(|run| run.state().reported);
        largest = largest.max((losses[0] / losses[1]).ln().abs());
    }
    largest
}

#[test]
fn recomputing_gives_what_storing_gives() {
    for (name, problem) in kinds() {
        for scaling in Scaling::ALL {
            for chunk in [None, Some(5)] {
                let config = |storage| ExactConfig {
                    storage,
                    chunk,
                    ..fixed(scaling)
                };
                let [stored, recomputed] = [Storage::Stored, Storage::Recomputed].map(config);
                let error = distance(&problem, stored, recomputed);
                // The same operations in the same order; where a compiler reorders them, a few roundings.
                assert!(error < 1e-5, "{name}, {scaling:?}, {chunk:?}: {error}");
            }
        }
    }
}

#[test]
fn the_size_of_the_chunks_does_not_matter() {
    for (name, problem) in kinds() {
        for storage in [Storage::Stored, Storage::Recomputed] {
            for chunk in [1, 5, problem.inputs.len()] {
                let config = |chunk| ExactConfig {
                    storage,
                    chunk,
                    ..fixed(Scaling::Rms)
                };
                let error = distance(&problem, config(None), config(Some(chunk)));
                // Sums over other chunks round otherwise, by 1e-7; the fits' ridge of 0.1 lets that grow to some 1e-6.
                assert!(error < 2e-5, "{name}, chunk {chunk}: {error}");
            }
        }
    }
}

/// `post(u - τ c_l ∂ce/∂u_l)` of the hidden stages, by the formula.
fn targets(problem: &Problem, candidate: &Candidate) -> Vec<Matrix> {
    let samples = 0..problem.inputs.len();
    let gradients = |l: usize| -> Matrix {
        samples
            .clone()
            .map(|n| pre_activation_gradient(problem, l, n))
            .collect()
    };
    let size = |l: usize| {
        let entries = gradients(l).concat();
        // A row has an entry for each output channel.
        let rows = entries.len() / problem.layers[l].bias.len();
        match candidate.scaling {
            Scaling::None => 1.0,
            Scaling::Rms => norm(&entries) / (entries.len() as f64).sqrt(),
            Scaling::Norm => norm(&entries) / (rows as f64).sqrt(),
        }
    };
    let head = size(problem.hidden());
    let stage = |l: usize| -> Matrix {
        let factor = head / size(l);
        let target = |(n, gradient): (usize, Vec<f64>)| {
            let outputs = problem.forward(n);
            let input = if l == 0 {
                &problem.inputs[n]
            } else {
                &outputs[l - 1]
            };
            let u = problem.layers[l].pre(input);
            let moved = u.iter().zip(gradient);
            let moved: Vec<f64> = moved
                .map(|(u, g)| u - candidate.step * factor * g)
                .collect();
            problem.layers[l].post(&moved, input)
        };
        gradients(l).into_iter().enumerate().map(target).collect()
    };
    (0..problem.hidden()).map(stage).collect()
}

#[test]
fn auxiliary_variables_are_the_targets_of_the_accepted_step() {
    let mut convolutions = moderate(Activation::Tanh, 35)[1].clone();
    convolutions.stages.truncate(2);
    let problems = [
        Shape::moderate(Activation::Tanh, 36).problem(),
        convolutions.problem(),
    ];
    for problem in problems {
        for scaling in Scaling::ALL {
            let config = ExactConfig {
                scaling: Some(scaling),
                chunk: Some(7),
                ..ExactConfig::default()
            };
            let mut run = Run::new(problem.clone(), config);
            for sweep in 0..3 {
                let before = run.problem();
                let candidate = run.sweep().candidate.expect("far from a minimum");
                assert_eq!(candidate.scaling, scaling);
                let found = run.problem().auxiliary;
                let expected = targets(&before, &candidate);
                for (l, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let apart = norm(&difference(&found.concat(), &expected.concat()));
                    let size = norm(&expected.concat());
                    // f32 displacements and activations: a few 1e-7.
                    assert!(
                        apart < 2e-6 * size,
                        "{scaling:?}, sweep {sweep}, stage {l}: off by {apart} of {size}"
                    );
                }
            }
        }
    }
}

/// Every kind of stage, with what strides leave over at the end of an image and windows leave over of the positions.
fn single_stages() -> Vec<StageConfig> {
    let mut stages = Vec::new();
    let mut activations = Activation::ALL.into_iter().cycle();
    let mut next = || activations.next().expect("a cycle");
    for kernel in 1..=4 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                let pooling = match stages.len() % 3 {
                    0 => None,
                    1 => Some(Pooling::Max { size: 2 }),
                    _ => Some(Pooling::Average { size: 2 }),
                };
                stages.push(StageConfig::Convolution(ConvolutionConfig {
                    channels: 2,
                    kernel,
                    stride,
                    padding,
                    activation: next(),
                    pooling,
                }));
            }
        }
    }
    for activation in Activation::ALL {
        stages.push(StageConfig::Dense {
            width: 5,
            activation,
        });
        stages.push(StageConfig::ResidualDense { activation });
        stages.push(StageConfig::ResidualConvolution {
            kernel: 3,
            activation,
        });
    }
    stages
}

/// `x -> post(V rows(x))` pulled back in the two steps of a sweep.
fn pulled_back(stage: &AnyStage, inputs: &Matrix, cotangents: &Matrix) -> Matrix {
    let view = stage.affine().expect("all stages here are affine");
    let (x, cotangent) = (tensor(inputs), tensor(cotangents));
    let u = view.coefficients().apply(view.rows(x.clone()));
    let (_, to_pre_activations) = view.linearize_post(u, &x);
    rows(view.pull_to_input(to_pre_activations(cotangent.clone()), cotangent))
}

/// Differences with a step of 1e-5 in f64 are exact to about 1e-9 away from kinks, and fixed seeds stay away from them.
#[test]
fn two_step_pull_backs_to_the_input_are_what_differences_find() {
    // Sides that no stride above 1 divides.
    let input = [2, 6, 5];
    let mut zero = 0;
    for (seed, config) in (0..).zip(single_stages()) {
        let mut random = Random::new(5000 + seed);
        let layer: Layer = random_layer(&config, image(input), 0.5, &mut random);
        let stage = layer.stage();
        let inputs = random.matrix([2, image(input).features()], 1.0);
        let cotangents = random.matrix([2, stage.output_shape().features()], 1.0);
        let found = pulled_back(&stage, &inputs, &cotangents);
        for (n, x) in inputs.iter().enumerate() {
            let value = |x: &Vec<f64>| dot(&cotangents[n], &layer.forward(x));
            let expected: Vec<f64> = (0..x.len())
                .map(|i| slope_at(x, value, |x| &mut x[i]))
                .collect();
            let error = norm(&difference(&found[n], &expected));
            // f32 sums of some dozen terms: a few 1e-7 of the whole, and 1e-7 of the cotangents for the slopes of the
            // activations where these are small.
            let scale = norm(&expected);
            assert!(
                error <= 2e-6 * scale.max(0.1),
                "{config:?}: off by {error} of {scale}"
            );
            zero += usize::from(scale == 0.0);
        }
    }
    assert!(zero < 6, "{zero} of 114 pull-backs vanish");
}

fn zero(matrix: &mut Matrix) {
    matrix.iter_mut().flatten().for_each(|v| *v = 0.0);
}

#[track_caller]
fn assert_nothing_moves(problem: &Problem, config: ExactConfig, sweeps: usize, what: &str) {
    let mut run = Run::new(problem.clone(), config);
    for sweep in 0..sweeps {
        let report = run.sweep();
        assert_eq!(report.accepted, 0, "{what}, sweep {sweep}: {report:?}");
        assert!(report.rejected > 0 && report.candidate.is_none(), "{what}");
    }
    assert!(same(problem, &run.problem()), "{what}: moved");
}

/// With equal inputs, no head and balanced classes the gradient vanishes at all stages: for two and four classes in f32,
/// too, for three up to rounding.
#[test]
fn a_stationary_point_is_left_alone() {
    for (activation, classes) in Activation::ALL.into_iter().zip((2..=4).cycle()) {
        let mut shape = Shape::moderate(activation, 37);
        shape.samples = 12;
        shape.widths[3] = classes;
        let mut problem = shape.problem();
        zero(&mut problem.inputs);
        zero(&mut problem.layers[2].kernel);
        problem.layers[2].bias.fill(0.0);
        problem.labels = (0..12).map(|n| n % classes).collect();
        let what = format!("{activation}, {classes} classes");
        assert_nothing_moves(&problem, ExactConfig::default(), 2, &what);
        // Each sweep without a decrease shrinks `τ` by many orders of magnitude: down to nothing here.
        let config = ExactConfig {
            scaling: Some(Scaling::Rms),
            ..ExactConfig::default()
        };
        let sweeps = if classes == 3 { 30 } else { 2 };
        assert_nothing_moves(&problem, config, sweeps, &what);
    }
}

/// Behind a head of zeros no gradient reaches the hidden stages: they stand still for a sweep, whatever the scaling, and
/// follow once the head has moved.
#[test]
fn a_network_with_a_zero_head_trains() {
    for (activation, scaling) in Activation::ALL
        .into_iter()
        .flat_map(|activation| Scaling::ALL.map(|scaling| (activation, scaling)))
    {
        let what = format!("{activation}, {scaling:?}");
        let mut problem = Shape::moderate(activation, 42).problem();
        zero(&mut problem.layers[2].kernel);
        let config = ExactConfig {
            scaling: Some(scaling),
            ..ExactConfig::default()
        };
        let mut run = Run::new(problem.clone(), config);
        for sweep in 0..2 {
            assert_eq!(run.sweep().accepted, 1, "{what}, sweep {sweep}");
            let hidden = &run.problem().layers[0].kernel;
            let still = *hidden == problem.layers[0].kernel;
            assert_eq!(still, sweep == 0, "{what}, sweep {sweep}");
        }
    }
}

/// Margins of 200 leave cross-entropies of `e^{-200}`, which f32 holds as 0: nothing is lower.
#[test]
fn a_loss_of_zero_is_left_alone() {
    let mut problem = Shape::moderate(Activation::Tanh, 38).problem();
    zero(&mut problem.layers[2].kernel);
    problem.layers[2].bias = vec![200.0, 0.0, 0.0, 0.0];
    problem.labels = vec![0; 24];
    assert_nothing_moves(&problem, ExactConfig::default(), 3, "certain of the truth");
}

/// Steps a million times too long: the leading form gives up after 6 trials and the other after 2, so that an accepted step
/// after more was found by the last resort.
#[test]
fn where_all_long_steps_fail_a_short_one_of_the_descent_form_is_found() {
    for (activation, scaling) in Activation::ALL
        .into_iter()
        .zip(Scaling::ALL.into_iter().cycle())
    {
        let config = ExactConfig {
            step: Some(1e6),
            scaling: Some(scaling),
            ..ExactConfig::default()
        };
        let mut run = Run::new(Shape::moderate(activation, 41).problem(), config);
        let before = run.state();
        let report = run.sweep();
        let after = run.state();
        assert!(report.rejected >= 8, "{activation}: {report:?}");
        let candidate = report.candidate.expect("an accepted step");
        assert_eq!(candidate.form, Form::Descent, "{activation}");
        // 1e-5 is what counts as a decrease.
        let fall = 1.0 - after.exact / before.exact;
        assert!(fall > 0.9e-5, "{activation}: {report:?} lowers F by {fall}");
    }
}

#[test]
fn what_is_not_finite_is_never_accepted() {
    let bad = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        3e38,
        -3e38,
        1e30,
    ];
    for activation in Activation::ALL {
        for value in bad {
            let spoilt: [fn(&mut Problem) -> &mut f64; 4] = [
                |problem| &mut problem.inputs[3][1],
                |problem| &mut problem.layers[0].kernel[0][0],
                |problem| &mut problem.layers[1].bias[2],
                |problem| &mut problem.layers[2].kernel[1][1],
            ];
            for (place, spoil) in spoilt.into_iter().enumerate() {
                for storage in [Storage::Stored, Storage::Recomputed] {
                    let what = format!("{activation}, {value} at {place}");
                    let mut problem = Shape::moderate(activation, 39).problem();
                    *spoil(&mut problem) = value;
                    let config = ExactConfig {
                        storage,
                        ..ExactConfig::default()
                    };
                    let mut run = Run::new(problem, config);
                    for _ in 0..3 {
                        let before = run.problem();
                        let report = run.sweep();
                        let after = run.problem();
                        if report.accepted == 0 {
                            assert!(same(&before, &after), "{what}: moved");
                        }
                        let weights = |problem: &Problem| -> Vec<f64> {
                            let layers = problem.layers.iter().flat_map(Layer::bordered);
                            layers.flatten().collect()
                        };
                        for (old, new) in weights(&before).into_iter().zip(weights(&after)) {
                            assert!(!old.is_finite() || new.is_finite(), "{what}: {report:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn impossible_settings_are_refused_by_name_and_value() {
    let network = Shape::moderate(Activation::Tanh, 40).problem().network();
    let base = ExactConfig::default;
    let step = |step| {
        (
            "step",
            step,
            ExactConfig {
                step: Some(step),
                ..base()
            },
        )
    };
    let damping = |damping| {
        let config = ExactConfig {
            damping: Some(damping),
            ..base()
        };
        ("damping", damping, config)
    };
    let chunk = ExactConfig {
        chunk: Some(0),
        ..base()
    };
    let gram_rows = ExactConfig {
        gram_rows: 0,
        ..base()
    };
    let eta = ExactConfig {
        weighting: Weighting::SelfAdaptive {
            norm: Norm::Frobenius,
            eta: 0.0,
        },
        ..base()
    };
    let impossible = [
        step(0.0),
        step(-1.0),
        step(f64::NAN),
        step(1e9),
        step(f64::INFINITY),
        damping(0.0),
        damping(-0.1),
        damping(9e-10),
        damping(2e6),
        damping(f64::NAN),
        ("chunk", 0.0, chunk),
        ("gram-rows", 0.0, gram_rows),
        ("eta", 0.0, eta),
    ];
    for (name, given, config) in impossible {
        match Exact::new(config, &network).map(|_| "accepted") {
            Err(Error::InvalidConfig { field, value, .. }) => {
                assert_eq!(field, name);
                assert_eq!(value.to_bits(), given.to_bits(), "{name}");
            }
            other => panic!("{name} = {given}: {other:?}"),
        }
    }
    for (_, _, config) in [step(1e8), step(1e-300), damping(1e-9), damping(1e6)] {
        assert!(Exact::new(config, &network).is_ok(), "{config:?}");
    }
}
