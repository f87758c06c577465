//! Runs of an application: a network with a stage of its own, and samples of its own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};
use burn::train::Interrupter;
use ls_core::batch::index_tensor;
use ls_core::linalg::{Affine, to_f64};
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AffineStage, AnyStage, Dense, Init, Stage};
use ls_datasets::Images;
use ls_train::config::{
    BackpropSettings, BatchSize, ExactSettings, MethodConfig, OptimizerKind, RunConfig, Schedule,
};
use ls_train::data::{SampleKind, Splits};
use ls_train::learner::Stop;
use ls_train::report::{Report, Scope};
use ls_train::run_dir::HistoryTable;
use ls_train::{
    CheckpointRule, Error, Outcome, Result, Session, Start, Trained, train, train_network,
};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

/// `u σ(u)` of an affine map: affine before its activation, and without a Lipschitz constant.
#[derive(Module, Debug)]
struct Swish {
    affine: Dense,
}

impl Stage for Swish {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.post(self.affine.forward(input.clone()), &input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.affine.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.affine.output_shape()
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl AffineStage for Swish {
    fn coefficients(&self) -> Affine {
        self.affine.coefficients()
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        self.affine.set_coefficients(coefficients);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn post(&self, u: Tensor<2>, _input: &Tensor<2>) -> Tensor<2> {
        u.clone() * sigmoid(u)
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2> {
        self.affine.pull_to_input(u_cotangent, output_cotangent)
    }
}

/// `a ⊙ exp(g)`, which is not affine in its parameters.
#[derive(Module, Debug)]
struct Scale {
    exponents: Param<Tensor<1>>,
}

impl Stage for Scale {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input * self.exponents.val().exp().unsqueeze()
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.exponents.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

/// What a run printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const NAME: &str = "swish net";

fn network(seed: u64) -> Network {
    let (mut random, device) = (ChaCha12Rng::seed_from_u64(seed), Device::flex());
    let mut dense =
        |size, activation| Dense::init(size, activation, Init::Kaiming, &mut random, &device);
    let stages = vec![
        dense([2, 16], Activation::Tanh).into(),
        AnyStage::custom(Swish {
            affine: dense([16, 12], Activation::Identity),
        }),
        AnyStage::custom(Scale {
            exponents: Param::from_tensor(Tensor::zeros([12], &device)),
        }),
        dense([12, 3], Activation::Identity).into(),
    ];
    Network::new(stages).unwrap()
}

fn kind() -> SampleKind {
    SampleKind {
        name: "three rings".into(),
        shape: FeatureShape::Flat(2),
        classes: ["inner", "middle", "outer"].map(String::from).to_vec(),
    }
}

/// A point on one of three rings.
#[derive(Clone, Debug)]
struct Point {
    position: [f32; 2],
    ring: usize,
}

fn points(count: usize, shift: f32) -> Vec<Point> {
    let point = |i: usize| {
        let (ring, angle) = (i % 3, 2.4 * i as f32 + shift);
        let radius = 0.6 + ring as f32 + 0.2 * (7.1 * i as f32).sin();
        Point {
            position: [radius * angle.cos(), radius * angle.sin()],
            ring,
        }
    };
    (0..count).map(point).collect()
}

fn tensors(points: &[Point]) -> (Tensor<2>, Tensor<1, Int>) {
    let device = Device::flex();
    let values: Vec<f32> = points.iter().flat_map(|point| point.position).collect();
    let labels: Vec<usize> = points.iter().map(|point| point.ring).collect();
    let values = Tensor::<1>::from_floats(values.as_slice(), &device);
    (
        values.reshape([points.len(), 2]),
        index_tensor(&labels, &device),
    )
}

fn splits(config: &RunConfig) -> Result<Splits> {
    let plan = config.clone().check()?;
    let (train, test) = (tensors(&points(150, 0.0)), tensors(&points(60, 0.5)));
    Splits::from_tensors(&plan, &kind(), train, test)
}

fn config(method: MethodConfig) -> RunConfig {
    RunConfig {
        sweeps: 6,
        method,
        ..RunConfig::default()
    }
}

fn exact() -> MethodConfig {
    MethodConfig::Exact(ExactSettings::default())
}

fn adam() -> MethodConfig {
    MethodConfig::Backprop(BackpropSettings {
        optimizer: OptimizerKind::Adam,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        weight_decay: None,
    })
}

/// Trains the network of a seed; a run that is interrupted from the start stops after one sweep.
fn go(
    config: &RunConfig,
    seed: u64,
    run: &Path,
    start: Start,
    interrupted: bool,
) -> Result<Outcome> {
    let interrupter = Interrupter::new();
    if interrupted {
        interrupter.stop(None);
    }
    let session = Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        metric_logs: false,
        interrupter,
        ..Session::new(Device::flex(), run)
    };
    let plan = config.clone().check()?;
    train_network(&plan, NAME, network(seed), splits(config)?, session)
}

/// Logits of the test points: equal where all weights are.
fn logits(network: &Network) -> Vec<f64> {
    let (inputs, _) = tensors(&points(60, 0.5));
    to_f64(network.forward(inputs)).unwrap()
}

#[test]
fn the_folder_names_the_network_and_the_data_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let outcome = go(&config(exact()), 1, &run, Start::New, false).unwrap();
    let summary = &outcome.summary;
    assert_eq!(
        (&*summary.model, &*summary.dataset),
        ("swish net 2-3", "three rings")
    );
    let text = fs::read_to_string(run.join("config.toml")).unwrap();
    for line in [
        "dataset = \"application\"",
        "name = \"three rings\"",
        "kind = \"application\"",
        "name = \"swish net\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    // What was written is a configuration that the application can go on with.
    RunConfig::read(&run.join("config.toml"))
        .unwrap()
        .check()
        .unwrap();
    let error = Trained::load(&run, &Device::flex()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "only the application that made the network `swish net` can make it again"
    );
    let loaded = Trained::load_into(network(2), &run).unwrap();
    assert_eq!(logits(&loaded.network), logits(&outcome.network));
    assert_eq!(loaded.preprocessing.classes, kind().classes);
    assert!(loaded.preprocessing.is_identity());
}

#[test]
fn a_certificate_that_is_missing_has_its_reason_wherever_it_would_stand() {
    const REASON: &str = "stage 2 (Swish) states no Lipschitz constant";
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let printed = Printed::default();
    let session = Session::new(Device::flex(), &run).with_lines(printed.clone());
    let config = config(exact());
    let (plan, splits) = (config.clone().check().unwrap(), splits(&config).unwrap());
    let outcome = train_network(&plan, NAME, network(1), splits, session).unwrap();
    let train = &outcome.summary.train;
    assert_eq!(train.certificate, None);
    assert!(train.separated_loss.is_some());
    assert_eq!(train.certificate_reason.as_deref(), Some(REASON));
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let line = format!("\"certificate_reason\": \"{REASON}\"");
    assert!(summary.contains(&line), "{summary}");
    let printed = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
    let label = printed.lines().next().unwrap();
    assert!(
        label.ends_with(&format!("no certificate: {REASON}")),
        "{label}"
    );
    let history = HistoryTable::read(&run).unwrap();
    assert_eq!(history.last("certificate"), None);
    assert!(history.last("separated_loss").is_some());
    drop(outcome);
    let scope = Scope {
        runs: &[run],
        data: None,
        device: &Device::flex(),
    };
    let page = Report::gather(&scope, &mut |_| {}).unwrap().html().unwrap();
    assert!(page.contains(REASON));
}

#[test]
fn a_report_shows_all_but_what_takes_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    go(&config(exact()), 1, &run, Start::New, false).unwrap();
    let scope = Scope {
        runs: &[run],
        data: None,
        device: &Device::flex(),
    };
    let report = Report::gather(&scope, &mut |_| {}).unwrap();
    let notes: Vec<String> = report.notes().collect();
    assert!(
        notes.len() == 1 && notes[0].contains("only the application that made the network"),
        "{notes:?}"
    );
    let page = report.html().unwrap();
    for text in ["exact on three rings", "swish net 2-3", "Original loss F"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_run_that_was_stopped_and_goes_on_ends_where_it_would_have_ended() {
    let batches = BatchSize::Samples(40);
    let cases = [
        ("exact", exact(), BatchSize::Full),
        ("exact, batches", exact(), batches),
        ("adam", adam(), BatchSize::Full),
        ("adam, batches", adam(), batches),
    ];
    for (what, method, batch_size) in cases {
        let mut config = config(method);
        config.batch_size = batch_size;
        config.data.validation = Some(30);
        let folder = tempfile::tempdir().unwrap();
        let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
        let expected = go(&config, 1, &whole, Start::New, false).unwrap();
        let mut outcome = go(&config, 1, &parts, Start::New, true).unwrap();
        while outcome.summary.sweeps < config.sweeps {
            assert_eq!(outcome.summary.stop, Stop::Interrupted, "{what}");
            drop(outcome);
            // Weights drawn anew: those of the checkpoint take their place.
            outcome = go(&config, 2, &parts, Start::Resume, true).unwrap();
        }
        assert_eq!(
            logits(&outcome.network),
            logits(&expected.network),
            "{what}"
        );
        assert_eq!(outcome.summary.train, expected.summary.train, "{what}");
        assert_eq!(
            outcome.summary.kept_sweep, expected.summary.kept_sweep,
            "{what}"
        );
        let start = HistoryTable::read(&whole)
            .unwrap()
            .points("sweep", "train_original_loss")[0]
            .1;
        assert!(expected.summary.train.original_loss < start, "{what}");
    }
}

#[test]
fn other_samples_or_another_name_do_not_resume_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = config(exact());
    go(&config, 1, &run, Start::New, true).unwrap();
    let resume = |name: &str, splits: Splits| {
        let session = Session {
            start: Start::Resume,
            ..Session::new(Device::flex(), &run)
        };
        let plan = config.clone().check().unwrap();
        let outcome = train_network(&plan, name, network(1), splits, session);
        outcome.err().map(|error| error.to_string())
    };
    let other = || {
        let plan = config.clone().check().unwrap();
        let (train, test) = (tensors(&points(150, 0.1)), tensors(&points(60, 0.5)));
        Splits::from_tensors(&plan, &kind(), train, test).unwrap()
    };
    let refused = resume(NAME, other()).unwrap();
    assert!(
        refused.contains("the training split has other samples"),
        "{refused}"
    );
    let refused = resume("other net", splits(&config).unwrap()).unwrap();
    assert!(
        refused.contains("model.name was \"swish net\""),
        "{refused}"
    );
    assert_eq!(resume(NAME, splits(&config).unwrap()), None);
}

#[test]
fn own_samples_train_a_network_of_the_plan_that_loads_without_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = config(exact());
    config.model = ModelConfig::Mlp(MlpConfig {
        hidden: vec![12],
        activation: Activation::Tanh,
        init: Init::Kaiming,
    });
    let plan = config.clone().check().unwrap();
    let device = Device::flex();
    let session = Session::new(device.clone(), &run);
    let outcome = train(&plan, splits(&config).unwrap(), session).unwrap();
    assert!(outcome.summary.train.certificate.is_some());
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    assert!(!summary.contains("certificate_reason"), "{summary}");
    let trained = Trained::load(&run, &device).unwrap();
    assert_eq!(logits(&trained.network), logits(&outcome.network));
    let pixels = Images {
        pixels: vec![0, 1],
        pixel_max: 1,
    };
    let refused = trained.predict(&pixels, &device).unwrap_err();
    assert!(matches!(refused, Error::NoPixels), "{refused}");
    let config = trained.config.check().unwrap();
    let refused = config.dataset().unwrap_err().to_string();
    assert_eq!(
        refused,
        "only the application that made the data `three rings` can load them again"
    );
}

#[test]
fn items_of_a_data_set_are_the_same_samples_as_their_tensors() {
    let mut config = config(exact());
    config.data.limit = Some(100);
    config.data.validation = Some(20);
    let (train, test) = (points(150, 0.0), points(60, 0.5));
    let plan = config.clone().check().unwrap();
    let items = [&train, &test].map(|points| InMemDataset::new(points.clone()));
    let read = Splits::from_datasets(
        &plan,
        &kind(),
        [&items[0], &items[1]],
        |point: Point| (point.position.to_vec(), point.ring),
        &Device::flex(),
    )
    .unwrap();
    let given = splits(&config).unwrap();
    assert_eq!(read.fingerprint, given.fingerprint);
    assert_eq!(read.fingerprint.train_samples, 100);
    let held_out = read.validation.unwrap();
    assert_eq!((read.train.len(), held_out.len()), (80, 20));
    // Every sample is in one split: the sums over both are those over the first hundred.
    let sum = |inputs: Tensor<2>| to_f64(inputs).unwrap().iter().sum::<f64>();
    let expected: f64 = train[..100]
        .iter()
        .flat_map(|point| point.position)
        .map(f64::from)
        .sum();
    let found = sum(read.train.inputs) + sum(held_out.inputs);
    // f64 sums of 200 numbers of size 3.
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

#[test]
fn samples_that_cannot_be_trained_on_are_refused() {
    let plan = RunConfig::default().check().unwrap();
    let good = points(9, 0.0);
    let with = |change: &dyn Fn(&mut Vec<Point>)| {
        let mut points = good.clone();
        change(&mut points);
        points
    };
    let refusal = |kind: &SampleKind, train: &[Point], test: &[Point]| {
        let splits = Splits::from_tensors(&plan, kind, tensors(train), tensors(test));
        splits.unwrap_err().to_string()
    };
    let cases = [
        (
            refusal(&kind(), &with(&|p| p[4].position[1] = f32::NAN), &good),
            "sample 4 of the training split: feature 1 is NaN",
        ),
        (
            refusal(&kind(), &good, &with(&|p| p[2].ring = 3)),
            "sample 2 of the test split: its label is 3, and there are 3 classes",
        ),
        (
            refusal(&kind(), &good, &[]),
            "samples = 0 is not possible: the training and the test split must have at least one",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let wide = SampleKind {
        shape: FeatureShape::Flat(3),
        ..kind()
    };
    let refused = refusal(&wide, &good, &good);
    assert_eq!(
        refused,
        "features of the training split: expected 3, found 2"
    );
    let one = SampleKind {
        classes: vec!["all".into()],
        ..kind()
    };
    assert_eq!(
        refusal(&one, &good, &good),
        "sample kind = 2 with 1 classes is not possible: there must be two classes or more"
    );
    let none = SampleKind {
        shape: FeatureShape::Flat(0),
        ..kind()
    };
    assert!(refusal(&none, &good, &good).starts_with("sample kind = 0 with 3 classes"));
    let (inputs, _) = tensors(&good);
    let (_, labels) = tensors(&good[..5]);
    let refused = Splits::from_tensors(&plan, &kind(), (inputs, labels), tensors(&good));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "labels of the training split: expected 9, found 5"
    );
}

#[test]
fn items_that_do_not_fit_are_named() {
    let plan = RunConfig::default().check().unwrap();
    let items = InMemDataset::new(points(9, 0.0));
    let items: &dyn Dataset<Point> = &items;
    let short = |point: Point| {
        let features = if point.ring == 2 { 1 } else { 2 };
        (point.position[..features].to_vec(), point.ring)
    };
    let refused = Splits::from_datasets(&plan, &kind(), [items, items], short, &Device::flex());
    assert_eq!(
        refused.unwrap_err().to_string(),
        "sample 2 of the training split: 1 features instead of 2"
    );
}

#[test]
fn a_network_that_does_not_take_the_samples_is_refused_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = config(exact());
    let plan = config.clone().check().unwrap();
    let refusal = |kind: &SampleKind, points: (Tensor<2>, Tensor<1, Int>)| {
        let splits = Splits::from_tensors(&plan, kind, points.clone(), points).unwrap();
        let session = Session::new(Device::flex(), &run);
        let outcome = train_network(&plan, NAME, network(1), splits, session);
        outcome.err().unwrap().to_string()
    };
    let (inputs, labels) = tensors(&points(9, 0.0));
    let wide = SampleKind {
        shape: FeatureShape::Flat(4),
        ..kind()
    };
    let doubled = Tensor::cat(vec![inputs.clone(), inputs.clone()], 1);
    assert_eq!(
        refusal(&wide, (doubled, labels.clone())),
        "inputs of the network: expected 4, found 2"
    );
    let mut more = kind();
    more.classes.push("outside".into());
    assert_eq!(
        refusal(&more, (inputs, labels)),
        "classes of the network: expected 4, found 3"
    );
    assert!(!run.exists());
}

#[test]
fn a_name_or_a_folder_without_its_kind_of_data_is_refused() {
    let refusal = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = RunConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(refusal(&|c| c.data.name = Some("x".into())).starts_with("name = x"));
    let folder = refusal(&|c| {
        c.data.dataset = "application".into();
        c.data.folder = Some("data".into());
    });
    assert!(folder.starts_with("folder = data"), "{folder}");
}
