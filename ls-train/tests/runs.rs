//! Whole runs on a few hundred digits, through burn-train, down to the files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use ls_core::fit::Stop;
use ls_core::fit::StopSignal;
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::network::Network;
use ls_core::stage::Activation;
use ls_train::config::{
    AlternatingConfig, BackpropConfig, BatchSize, ExactConfig, FoofConfig, MethodConfig,
    OptimizerName, RunConfig, RunNetwork,
};
use ls_train::data::Splits;
use ls_train::{Error, Outcome, Session, train};
use strum::VariantArray;

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

fn small(method: MethodConfig) -> RunConfig {
    let mut config = RunConfig {
        sweeps: 4,
        method: method.into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(300);
    config.model = ModelConfig::Mlp(mlp(Activation::Tanh)).into();
    config
}

fn mlp(activation: Activation) -> MlpConfig {
    MlpConfig::new(vec![24, 16], activation)
}

fn alternating(optimizer: OptimizerName) -> MethodConfig {
    MethodConfig::Alternating(AlternatingConfig::default().with_optimizer(optimizer))
}

fn line_search() -> MethodConfig {
    MethodConfig::Alternating(AlternatingConfig::default())
}

fn exact() -> MethodConfig {
    MethodConfig::Exact(ExactConfig::default())
}

fn backprop(optimizer: OptimizerName) -> MethodConfig {
    MethodConfig::Backprop(BackpropConfig {
        optimizer: optimizer.into(),
        ..BackpropConfig::default()
    })
}

fn run_with(
    config: RunConfig,
    run: &Path,
    signal: StopSignal,
    printed: &Printed,
) -> Result<Outcome, Error> {
    let out = printed.clone();
    let (plan, device) = (config.check()?, Device::flex());
    train(
        &plan,
        Splits::load(&plan, &device)?,
        Session {
            signal,
            ..Session::new(device, run).with_lines(out)
        },
    )
}

fn run(config: RunConfig, run: &Path) -> Result<Outcome, Error> {
    run_with(config, run, StopSignal::new(), &Printed::default())
}

/// Columns of a history in the order of these tests, before residuals and conditions.
const COLUMNS: [&str; 16] = [
    "sweep",
    "train_original_loss",
    "train_separated_loss",
    "train_certificate",
    "train_accuracy",
    "test_original_loss",
    "test_accuracy",
    "validation_original_loss",
    "validation_accuracy",
    "accepted",
    "rejected",
    "form",
    "scaling",
    "step",
    "damping",
    "penalized_loss",
];

/// Rows of `history.csv`: the columns above, two residuals, three conditions; `None` where a cell or a column is missing.
fn history(run: &Path) -> Vec<Vec<Option<f64>>> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let residuals = (1..=2).map(|l| format!("train_residual_{l}"));
    let conditions = (1..=3).map(|l| format!("condition_{l}"));
    let wanted = COLUMNS.map(String::from).into_iter();
    let wanted: Vec<String> = wanted.chain(residuals).chain(conditions).collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |name: &String| {
            let column = names.iter().position(|own| own == name)?;
            cells[column].parse().ok()
        };
        wanted.iter().map(cell).collect()
    };
    lines.map(row).collect()
}

#[test]
fn every_row_of_a_full_batch_run_keeps_the_bounds_and_the_separated_loss_never_rises() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(small(line_search()), &folder.path().join("run")).unwrap();
    assert_eq!(outcome.summary.stop, Stop::SweepLimit);
    let rows = history(outcome.run.path());
    assert_eq!(rows.len(), 5, "the start and four sweeps");
    for row in &rows {
        let (original, separated, certificate) =
            (row[1].unwrap(), row[2].unwrap(), row[3].unwrap());
        assert!(
            original <= certificate && certificate <= separated,
            "{row:?}"
        );
        assert_eq!(row.len(), 16 + 2 + 3, "two residuals, three conditions");
    }
    for pair in rows.windows(2) {
        assert!(pair[1][2] <= pair[0][2], "{pair:?}");
    }
    assert!(rows[4][1].unwrap() < 0.5 * rows[0][1].unwrap(), "it learns");
}

#[test]
fn the_original_loss_never_rises_by_exact_and_every_sweep_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(exact());
    config.sweeps = 12;
    let outcome = run(config, &folder.path().join("run")).unwrap();
    let rows = history(outcome.run.path());
    for pair in rows.windows(2) {
        assert!(pair[1][1] < pair[0][1], "{pair:?}");
        assert!(pair[1][1] <= pair[1][3], "F above C: {pair:?}");
        let (accepted, step, damping) = (pair[1][9], pair[1][13], pair[1][14]);
        assert_eq!(accepted, Some(1.0));
        assert!(step > Some(0.0), "{pair:?}");
        if damping.is_none() {
            // A quasi-Newton step, which fits nothing.
            continue;
        }
        assert!(damping > Some(0.0), "{pair:?}");
        // The ridge keeps a condition finite; no matrix has one below 1.
        let conditions = &pair[1][18..];
        assert_eq!(conditions.len(), 3);
        assert!(
            conditions
                .iter()
                .all(|c| c.is_some_and(|c| (1.0..1e8).contains(&c)))
        );
    }
    assert!(rows[12][1].unwrap() < 0.01, "it learns: {:?}", rows[12]);
}

#[test]
fn batches_by_foof_learn_and_stay_below_their_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(MethodConfig::Foof(FoofConfig::default()));
    config.batch_size = BatchSize::Samples(50);
    config.sweeps = 10;
    let outcome = run(config, &folder.path().join("run")).unwrap();
    let rows = history(outcome.run.path());
    assert!(
        rows[10][1].unwrap() < 0.1 * rows[0][1].unwrap(),
        "{:?}",
        rows[10]
    );
    assert!(rows.iter().all(|row| row[1] <= row[3]));
    // Six batches a sweep, all taken.
    assert_eq!((rows[10][9], rows[10][10]), (Some(6.0), Some(0.0)));
}

#[test]
fn the_start_is_feasible_so_its_certificate_is_the_original_loss() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(small(line_search()), &folder.path().join("run")).unwrap();
    let start = &history(outcome.run.path())[0];
    let (original, certificate) = (start[1].unwrap(), start[3].unwrap());
    // The same f32 forward pass; only the order of f64 sums differs.
    assert!((certificate / original - 1.0).abs() < 1e-12);
    assert_eq!(start[16..18], [Some(0.0), Some(0.0)]);
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (full, batches) = (BatchSize::Full, BatchSize::Samples(64));
    let foof = MethodConfig::Foof(FoofConfig::default());
    for (number, (method, sizes)) in [
        (line_search(), vec![full, batches]),
        (exact(), vec![full]),
        (foof, vec![full, batches]),
        (backprop(OptimizerName::Adam), vec![full, batches]),
    ]
    .into_iter()
    .enumerate()
    {
        for size in sizes {
            let one = |seed: u64, name: &str| {
                let mut config = small(method.clone());
                (config.seed, config.batch_size, config.sweeps) = (seed, size, 2);
                let path = folder.path().join(format!("{number}-{size:?}-{name}"));
                run(config, &path).unwrap();
                history(&path)
            };
            let first = one(5, "first");
            assert_eq!(first, one(5, "again"));
            assert_ne!(first, one(6, "other"));
        }
    }
}

#[test]
fn every_method_starts_from_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let methods = [
        line_search(),
        alternating(OptimizerName::Adam),
        backprop(OptimizerName::Sgd),
    ];
    let starts = methods.into_iter().enumerate().map(|(number, method)| {
        let path = folder.path().join(number.to_string());
        run(small(method), &path).unwrap();
        history(&path)[0][1].unwrap()
    });
    let starts: Vec<f64> = starts.collect();
    assert!(starts.iter().all(|&start| start == starts[0]), "{starts:?}");
}

#[test]
fn every_optimizer_lowers_the_original_loss_in_both_methods() {
    let folder = tempfile::tempdir().unwrap();
    for &kind in OptimizerName::VARIANTS {
        let kernels_only = matches!(kind, OptimizerName::Muon | OptimizerName::Soap);
        let methods = [
            Some(backprop(kind)),
            (!kernels_only).then(|| alternating(kind)),
        ];
        for method in methods.into_iter().flatten() {
            let name = format!("{}-{}", kind.name(), method.name());
            let mut config = small(method);
            (config.batch_size, config.sweeps) = (BatchSize::Samples(50), 6);
            let path = folder.path().join(&name);
            run(config, &path).unwrap();
            let rows = history(&path);
            let (first, last) = (rows[0][1].unwrap(), rows[6][1].unwrap());
            assert!(last < first, "{name}: {first} to {last}");
        }
    }
}

#[test]
fn mini_batches_keep_the_certificate_above_the_original_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(line_search());
    config.batch_size = BatchSize::Samples(70);
    let path = folder.path().join("run");
    run(config, &path).unwrap();
    for row in history(&path) {
        let (original, separated, certificate) =
            (row[1].unwrap(), row[2].unwrap(), row[3].unwrap());
        assert!(
            original <= certificate && certificate <= separated,
            "{row:?}"
        );
    }
}

#[test]
fn a_run_leaves_its_configuration_weights_logs_and_summary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/run");
    let config = small(line_search());
    let outcome = run(config.clone(), &path).unwrap();
    let text = fs::read_to_string(path.join("config.toml")).unwrap();
    assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), config);
    let fresh = || -> Network {
        let shape = ls_core::shape::FeatureShape::Flat(64);
        config.model.init(shape, 10, 99, &Device::flex()).unwrap()
    };
    use burn::module::Module;
    let loaded = fresh().try_load_file(path.join("model.bpk")).unwrap();
    let weights = |network: &Network| {
        let stage = network.stages()[1].affine().unwrap().coefficients();
        ls_core::linalg::to_f64(stage.kernel).unwrap()
    };
    assert_eq!(weights(&loaded), weights(&outcome.network));
    assert_ne!(weights(&loaded), weights(&fresh()));
    assert!(path.join("logs/train/epoch-4/Original_loss.log").is_file());
    assert!(path.join("logs/valid/epoch-4/Accuracy.log").is_file());
    let summary = fs::read_to_string(path.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["schema"], 3);
    assert_eq!(summary["stop"], "sweep-limit");
    assert_eq!(
        summary["parameters"],
        64 * 24 + 24 + 24 * 16 + 16 + 16 * 10 + 10
    );
    let last = &history(&path)[4];
    assert_eq!(summary["train"]["certificate"].as_f64(), last[3]);
    assert_eq!(summary["test"]["accuracy"].as_f64(), last[6]);
}

#[test]
fn figures_that_a_method_does_not_have_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(
        small(backprop(OptimizerName::Adam)),
        &folder.path().join("run"),
    )
    .unwrap();
    let summary = serde_json::to_value(&outcome.summary).unwrap();
    assert!(summary["train"]["certificate"].is_null());
    assert!(summary["train"]["separated_loss"].is_null());
    assert!(summary["train"]["original_loss"].is_f64());
}

#[test]
fn lines_show_one_row_of_figures_per_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let printed = Printed::default();
    let path = folder.path().join("run");
    run_with(small(line_search()), &path, StopSignal::new(), &printed).unwrap();
    let text = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 + 4, "{text}");
    assert!(lines[0].starts_with("alternating on digits: mlp 64-24-16-10 tanh"));
    for column in [
        "Original loss",
        "Separated loss",
        "Certificate",
        "test accuracy",
    ] {
        assert!(lines[1].contains(column), "{text}");
    }
    assert!(lines[5].trim_start().starts_with("4/4"), "{text}");
    let shown: f64 = lines[5].split_whitespace().nth(1).unwrap().parse().unwrap();
    // Five digits after the point.
    assert!((shown - history(&path)[4][1].unwrap()).abs() < 1e-5);
}

#[test]
fn runs_end_at_a_target_at_a_time_limit_and_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let stop = |name: &str, change: &dyn Fn(&mut RunConfig), signal: StopSignal| {
        let mut config = small(line_search());
        change(&mut config);
        let path = folder.path().join(name);
        let outcome = run_with(config, &path, signal, &Printed::default()).unwrap();
        assert!(path.join("model.bpk").is_file() && path.join("summary.json").is_file());
        (outcome.summary.stop, outcome.summary.sweeps)
    };
    let target = |config: &mut RunConfig| config.target_loss = Some(100.0);
    assert_eq!(
        stop("target", &target, StopSignal::new()),
        (Stop::Target, 1)
    );
    let limit = |config: &mut RunConfig| config.time_limit = Some(1e-9);
    assert_eq!(
        stop("limit", &limit, StopSignal::new()),
        (Stop::TimeLimit, 1)
    );
    let signal = StopSignal::new();
    signal.stop();
    assert_eq!(stop("request", &|_| {}, signal), (Stop::Interrupted, 1));
}

#[test]
fn a_method_that_can_only_descend_stops_when_it_stalls() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(line_search());
    config.data.limit = Some(2);
    config.sweeps = 5000;
    let outcome = run(config, &folder.path().join("run")).unwrap();
    assert_eq!(outcome.summary.stop, Stop::Stalled);
}

#[test]
fn divergence_is_reported_and_leaves_what_was_computed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut config = small(MethodConfig::Backprop(BackpropConfig {
        optimizer: OptimizerName::Sgd.into(),
        learning_rate: Some(1e12),
        ..BackpropConfig::default()
    }));
    config.sweeps = 50;
    config.model = ModelConfig::Mlp(mlp(Activation::Identity)).into();
    let Err(error) = run(config, &path) else {
        panic!("a learning rate of 1e12 cannot work");
    };
    assert!(error.to_string().contains("non-finite"), "{error}");
    assert!(path.join("model.bpk").is_file());
    let rows = history(&path);
    assert!(rows.iter().all(|row| row[1].unwrap().is_finite()));
}

#[test]
fn a_folder_with_a_run_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(small(line_search()), &path).unwrap();
    let before = fs::read(path.join("history.csv")).unwrap();
    let again = run(small(line_search()), &path);
    assert!(matches!(again, Err(Error::RunExists { .. })));
    assert_eq!(fs::read(path.join("history.csv")).unwrap(), before);
}

#[test]
fn impossible_settings_are_refused_with_their_name() {
    let change = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = small(line_search());
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(change(&|c| c.sweeps = 0).contains("sweeps = 0"));
    assert!(change(&|c| c.target_loss = Some(f64::NAN)).contains("target-loss = NaN"));
    assert!(change(&|c| c.time_limit = Some(-1.0)).contains("time-limit = -1"));
    assert!(change(&|c| c.model = zero_width()).contains("hidden = 0"));
    assert!(change(&|c| c.data.dataset = "none".into()).contains("`none`"));
}

fn zero_width() -> RunNetwork {
    let mlp = MlpConfig {
        hidden: vec![0],
        ..mlp(Activation::Tanh)
    };
    ModelConfig::Mlp(mlp).into()
}
