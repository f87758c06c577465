//! A run that was stopped and goes on ends where it would have ended, bit for bit.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use ls_core::fit::Stop;
use ls_core::fit::StopSignal;
use ls_core::linalg::to_f64;
use ls_core::method::Scaling;
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig, ResnetConfig};
use ls_core::network::Network;
use ls_core::stage::Activation;
use ls_train::config::{
    AlternatingConfig, BackpropConfig, BatchSize, ExactConfig, FoofConfig, ImageChange,
    LbfgsConfig, MethodConfig, OptimizerConfig, OptimizerName, RunConfig, Schedule,
};
use ls_train::data::Splits;
use ls_train::observe::CheckpointRule;
use ls_train::run_dir::{HistoryTable, Summary};
use ls_train::{Error, Outcome, Session, Start, train};

const SWEEPS: usize = 5;

fn small(method: MethodConfig, batch_size: BatchSize) -> RunConfig {
    let mut config = RunConfig {
        sweeps: SWEEPS,
        batch_size,
        method: method.into(),
        model: ModelConfig::Mlp(MlpConfig::new(vec![20, 12], Activation::Tanh)).into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(200);
    config
}

/// Trains; a run that is interrupted from the start stops after one sweep.
fn go(config: &RunConfig, run: &Path, start: Start, interrupted: bool) -> Result<Outcome, Error> {
    let (plan, device) = (config.clone().check()?, Device::flex());
    let signal = StopSignal::new();
    if interrupted {
        signal.stop();
    }
    let session = Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        metric_logs: false,
        signal,
        ..Session::new(device.clone(), run)
    };
    train(&plan, Splits::load(&plan, &device)?, session)
}

/// All weights and biases; f32 values are exact in f64.
fn weights(network: &Network) -> Vec<f64> {
    let of = |l: usize| {
        let stage = network.stages()[l].affine().expect("an affine stage");
        let coefficients = stage.coefficients();
        let bias = to_f64(coefficients.bias).unwrap();
        [to_f64(coefficients.kernel).unwrap(), bias].concat()
    };
    (0..network.stages().len()).flat_map(of).collect()
}

/// `history.csv` without the column of seconds.
fn history(run: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let row = |line: &str| {
        let cells = line.split(',').enumerate();
        cells
            .filter(|(column, _)| *column != 1)
            .map(|(_, cell)| cell.to_owned())
            .collect()
    };
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(row).collect()
}

fn methods() -> Vec<(&'static str, MethodConfig, BatchSize)> {
    let exact = |scaling| {
        MethodConfig::Exact(ExactConfig {
            scaling,
            ..ExactConfig::default()
        })
    };
    let foof = |momentum| {
        MethodConfig::Foof(FoofConfig {
            momentum,
            ..FoofConfig::default()
        })
    };
    let alternating = |optimizer: Option<OptimizerName>| {
        MethodConfig::Alternating(AlternatingConfig {
            optimizer: optimizer.map(OptimizerConfig::from),
            ..AlternatingConfig::default()
        })
    };
    let backprop = |optimizer: OptimizerName, schedule| {
        MethodConfig::Backprop(BackpropConfig {
            optimizer: optimizer.into(),
            schedule,
            ..BackpropConfig::default()
        })
    };
    let named = |name| MethodConfig::named(name).unwrap();
    let adam = Some(OptimizerName::Adam);
    let (full, batches) = (BatchSize::Full, BatchSize::Samples(48));
    vec![
        ("exact", exact(None), full),
        ("exact, rms", exact(Some(Scaling::Rms)), full),
        (
            "exact, start in batches",
            MethodConfig::Exact(ExactConfig {
                batch_sweeps: Some(3),
                ..ExactConfig::default()
            }),
            full,
        ),
        ("foof", foof(0.9), batches),
        ("foof, full batch", foof(0.5), full),
        (
            "foof, dropout",
            MethodConfig::Foof(FoofConfig {
                dropout: 0.2,
                ..FoofConfig::default()
            }),
            batches,
        ),
        (
            "adam, dropout",
            MethodConfig::Backprop(BackpropConfig {
                dropout: 0.2,
                ..BackpropConfig::default()
            }),
            batches,
        ),
        (
            "foof, wide inputs",
            MethodConfig::Foof(FoofConfig {
                rank: 2,
                ..FoofConfig::default()
            }),
            batches,
        ),
        ("alternating", alternating(None), full),
        ("alternating, batches", alternating(None), batches),
        ("alternating, adam", alternating(adam), full),
        ("alternating, adam, batches", alternating(adam), batches),
        (
            "adam",
            backprop(OptimizerName::Adam, Schedule::Constant),
            full,
        ),
        (
            "sgd, batches",
            backprop(OptimizerName::Sgd, Schedule::Linear),
            batches,
        ),
        (
            "soap, batches",
            backprop(OptimizerName::Soap, Schedule::Cosine),
            batches,
        ),
        (
            "muon, batches, warm-up",
            MethodConfig::Backprop(BackpropConfig {
                optimizer: OptimizerName::Muon.into(),
                schedule: Schedule::Linear,
                warm_up: 7,
                ..BackpropConfig::default()
            }),
            batches,
        ),
        ("lbfgs", MethodConfig::Lbfgs(LbfgsConfig::default()), full),
        ("bcd", named("bcd"), full),
        ("admm", named("admm"), full),
        (
            "predictive coding, batches",
            named("predictive-coding"),
            batches,
        ),
        ("locoprop, batches", named("locoprop"), batches),
        (
            "target propagation, batches",
            named("target-propagation"),
            batches,
        ),
    ]
}

fn assert_resumed_equals_uninterrupted(what: &str, config: &RunConfig) {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let expected = go(config, &whole, Start::New, false).unwrap();
    let mut outcome = go(config, &parts, Start::New, true).unwrap();
    while outcome.summary.sweeps < config.sweeps {
        assert_eq!(outcome.summary.stop, Stop::Interrupted, "{what}");
        drop(outcome);
        outcome = go(config, &parts, Start::Resume, true).unwrap();
    }
    assert_eq!(
        weights(&outcome.network),
        weights(&expected.network),
        "{what}"
    );
    assert_eq!(history(&parts), history(&whole), "{what}");
    let seconds = expected.summary.seconds;
    let summary = Summary {
        seconds,
        ..outcome.summary
    };
    let expected = Summary {
        stop: summary.stop,
        ..expected.summary
    };
    assert_eq!(summary, expected, "{what}");
}

#[test]
fn every_method_stopped_after_each_sweep_ends_where_it_would_have() {
    for (what, method, batch_size) in methods() {
        assert_resumed_equals_uninterrupted(what, &small(method, batch_size));
    }
}

#[test]
fn a_path_of_decays_goes_on_where_it_was() {
    let method = MethodConfig::Exact(ExactConfig {
        path: true,
        batch_sweeps: Some(2),
        ..ExactConfig::default()
    });
    let mut config = RunConfig {
        sweeps: 30,
        ..small(method, BatchSize::Full)
    };
    config.data.validation = Some(50);
    assert_resumed_equals_uninterrupted("path", &config);
}

#[test]
fn more_sweeps_never_raise_the_decay_of_a_path() {
    let method = MethodConfig::Exact(ExactConfig {
        path: true,
        ..ExactConfig::default()
    });
    let mut config = RunConfig {
        sweeps: 24,
        ..small(method, BatchSize::Full)
    };
    config.data.validation = Some(50);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    go(&config, &run, Start::New, false).unwrap();
    config.sweeps = 60;
    go(&config, &run, Start::Resume, false).unwrap();
    let history = HistoryTable::read(&run).unwrap();
    let decays = history.points("sweep", "weight_decay");
    assert_eq!(decays.len(), 60);
    assert!(decays.is_sorted_by(|a, b| a.1 >= b.1), "{decays:?}");
    let losses = history.points("sweep", "penalized_loss");
    // At a new decay, and after a stop, the loss is summed again, in f32.
    let falls = |a: &(f64, f64), b: &(f64, f64)| b.1 <= a.1 * (1.0 + 1e-6);
    assert!(losses.is_sorted_by(falls), "{losses:?}");
}

#[test]
fn changed_images_are_the_same_after_each_stop() {
    for method in ["foof", "backprop"] {
        let method = MethodConfig::named(method).unwrap();
        let config = RunConfig {
            augment: ImageChange::ALL.to_vec(),
            ..small(method, BatchSize::Samples(48))
        };
        assert_resumed_equals_uninterrupted("changed images", &config);
    }
}

#[test]
fn convolutions_stopped_after_each_sweep_end_where_they_would_have() {
    for batch_size in [BatchSize::Full, BatchSize::Samples(48)] {
        let config = RunConfig {
            model: ModelConfig::Cnn(CnnConfig::new(Activation::Relu)).into(),
            sweeps: 3,
            ..small(MethodConfig::suited_to(batch_size), batch_size)
        };
        assert_resumed_equals_uninterrupted("cnn", &config);
    }
}

#[test]
fn residual_networks_stopped_after_each_sweep_end_where_they_would_have() {
    let config = RunConfig {
        model: ModelConfig::Resnet(ResnetConfig::default()).into(),
        sweeps: 2,
        ..small(MethodConfig::named("foof").unwrap(), BatchSize::Samples(48))
    };
    assert_resumed_equals_uninterrupted("resnet", &config);
}

#[test]
fn the_best_weights_of_a_validation_split_survive_a_stop() {
    let method = MethodConfig::Backprop(BackpropConfig {
        optimizer: OptimizerName::Adam.into(),
        // So large that later sweeps undo what earlier ones achieved.
        learning_rate: Some(0.3),
        ..BackpropConfig::default()
    });
    let batches = BatchSize::Samples(48);
    for method in [MethodConfig::suited_to(batches), method] {
        let mut config = small(method, batches);
        config.data.validation = Some(60);
        assert_resumed_equals_uninterrupted("validation", &config);
    }
}

#[test]
fn a_folder_left_by_a_kill_takes_a_new_run_and_somebody_elses_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    fs::create_dir(&run).unwrap();
    fs::write(run.join("lock"), "").unwrap();
    fs::write(run.join("config.draft"), "schema = ").unwrap();
    go(&config, &run, Start::New, true).unwrap();
    // Other programs have files and folders of these names.
    for name in [
        "notes.txt",
        "config.toml",
        "model.safetensors",
        "checkpoints/epoch-1",
        "logs/today",
        "config.draft",
    ] {
        let foreign = folder.path().join(name.replace('/', "-"));
        let file = foreign.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "keep me").unwrap();
        for start in [Start::New, Start::Overwrite] {
            let refused = go(&config, &foreign, start, true);
            assert!(matches!(refused, Err(Error::NotARun { .. })), "{name}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");
        let count = fs::read_dir(&foreign).unwrap().count();
        assert_eq!(count, 1, "nothing is added to {name}");
    }
}

#[test]
fn rows_of_lost_sweeps_are_dropped_and_half_a_row_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    go(&config, &run, Start::New, true).unwrap();
    let path = run.join("history.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}2,9.9,0.5\n3,1")).unwrap();
    go(&config, &run, Start::Resume, false).unwrap();
    let rows = history(&run);
    let sweeps: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(sweeps, ["sweep", "0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_run_without_a_checkpoint_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    go(&config, &run, Start::New, true).unwrap();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    // One that has ended is not thrown away for a fresh start.
    let error = go(&config, &run, Start::Resume, false).err().unwrap();
    assert!(error.to_string().contains("its checkpoints are gone"));
    fs::remove_file(run.join("summary.json")).unwrap();
    let outcome = go(&config, &run, Start::Resume, false).unwrap();
    assert_eq!(outcome.summary.sweeps, SWEEPS);
    assert_eq!(history(&run).len(), 2 + SWEEPS);
}

#[test]
fn drafts_are_no_checkpoints_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    go(&config, &run, Start::New, true).unwrap();
    // A process killed while it wrote the second checkpoint.
    let draft = run.join("checkpoints/00000002.draft");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("checkpoint.toml"), "half a li").unwrap();
    let outcome = go(&config, &run, Start::Resume, false).unwrap();
    assert_eq!(outcome.summary.stop, Stop::SweepLimit);
    drop(outcome);
    let names = fs::read_dir(run.join("checkpoints")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["00000004", "00000005"]);
}

#[test]
fn what_cannot_go_on_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    let message = |config: &RunConfig| match go(config, &run, Start::Resume, false) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it went on"),
    };
    assert!(message(&config).contains("holds no run"));
    go(&config, &run, Start::New, true).unwrap();

    let mut other = config.clone();
    other.seed = 7;
    assert!(message(&other).ends_with("seed was 1 when it was written, and is 7 now"));
    let mut other = config.clone();
    other.method = MethodConfig::Exact(ExactConfig {
        step: Some(0.5),
        ..ExactConfig::default()
    })
    .into();
    assert!(
        message(&other).ends_with("method.step was absent when it was written, and is 0.5 now")
    );

    let checkpoint = run.join("checkpoints/00000001");
    let header = fs::read_to_string(checkpoint.join("checkpoint.toml")).unwrap();
    let checksums = fs::read_to_string(checkpoint.join("checksums.toml")).unwrap();
    let rewrite = |from: &str, to: &str| {
        let text = header.replacen(from, to, 1);
        assert_ne!(text, header, "{from}");
        fs::write(checkpoint.join("checkpoint.toml"), &text).unwrap();
        let sum = |text: &str| crc32fast::hash(text.as_bytes()).to_string();
        let vouched = checksums.replace(&sum(&header), &sum(&text));
        fs::write(checkpoint.join("checksums.toml"), vouched).unwrap();
    };
    rewrite("train-samples = 200", "train-samples = 199");
    assert!(message(&config).contains("the training split had 199 samples"));
    rewrite("schema = ", "schema = 9");
    assert!(message(&config).contains("it has schema version 9"));
    rewrite("[state]", "[stat]");
    assert!(message(&config).contains("missing field `state`"));
    rewrite("", "=");
    assert!(message(&config).contains("checkpoint.toml is damaged: "));
    rewrite("sweep = 1", "sweep = 3");
    assert!(message(&config).contains("checkpoint.toml is damaged: it has sweep 3"));
    rewrite("seconds = ", "seconds = -1");
    assert!(message(&config).contains("checkpoint.toml is damaged: it has sweep 1 and -1"));
    fs::write(checkpoint.join("checkpoint.toml"), &header).unwrap();
    assert!(message(&config).contains("checkpoint.toml is damaged: its checksum differs"));
    fs::write(checkpoint.join("checksums.toml"), &checksums).unwrap();

    let model = checkpoint.join("model.bpk");
    let mut bytes = fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&model, bytes).unwrap();
    assert!(message(&config).contains("model.bpk is damaged"));
}

#[test]
fn a_finished_run_goes_on_to_more_sweeps_and_no_further_without() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = small(MethodConfig::default(), BatchSize::Full);
    drop(go(&config, &run, Start::New, false).unwrap());
    let again = go(&config, &run, Start::Resume, false);
    assert!(matches!(
        again,
        Err(Error::RunEnded { reason, .. }) if reason.starts_with("5 sweeps of 5 are done")
    ));
    config.sweeps = 2 * SWEEPS;
    let resumed = go(&config, &run, Start::Resume, false).unwrap();
    let whole = folder.path().join("whole");
    let expected = go(&config, &whole, Start::New, false).unwrap();
    assert_eq!(weights(&resumed.network), weights(&expected.network));
}

#[test]
fn two_processes_do_not_work_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = small(MethodConfig::default(), BatchSize::Full);
    let first = go(&config, &run, Start::New, true).unwrap();
    // The folder of a finished run is still held as long as its outcome is.
    let second = go(&config, &run, Start::Resume, false);
    assert!(matches!(second, Err(Error::RunLocked { .. })));
    drop(first);
    drop(go(&config, &run, Start::Resume, true).unwrap());
    let again = go(&config, &run, Start::New, false);
    assert!(matches!(again, Err(Error::RunExists { .. })));
    fs::write(run.join("notes.txt"), "mine").unwrap();
    let outcome = go(&config, &run, Start::Overwrite, false).unwrap();
    assert_eq!(outcome.summary.sweeps, SWEEPS);
    assert_eq!(fs::read_to_string(run.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn quasi_newton_steps_stopped_after_each_sweep_end_where_they_would_have() {
    // Fits that are held back, so that the steps between them lead.
    let method = MethodConfig::Exact(ExactConfig {
        step: Some(4.0),
        damping: Some(1.0),
        ..ExactConfig::default()
    });
    let config = RunConfig {
        sweeps: 45,
        ..small(method, BatchSize::Full)
    };
    assert_resumed_equals_uninterrupted("quasi-newton", &config);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    go(&config, &run, Start::New, false).unwrap();
    let steps = fs::read_to_string(run.join("history.csv")).unwrap();
    // Enough of them that a metric is formed anew, and that fits come between.
    assert!(steps.matches("quasi-newton").count() > 10, "{steps}");
}
