//! Cross-validation of a path of weight decays.

use std::path::Path;

use burn::tensor::Device;
use ls_core::fit::{Stop, StopSignal};
use ls_core::linalg::to_f64;
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::network::Network;
use ls_core::stage::Activation;
use ls_train::config::{ExactConfig, MethodConfig, RunConfig};
use ls_train::data::Splits;
use ls_train::observe::CheckpointRule;
use ls_train::run_dir::{CrossValidation, HistoryTable, RunDir};
use ls_train::{Error, Outcome, Session, Start, train, train_folds};

/// Two sweeps of each of the twelve decays.
const SWEEPS: usize = 24;

fn tiny(folds: usize) -> RunConfig {
    let mut config = RunConfig {
        sweeps: SWEEPS,
        method: MethodConfig::Exact(ExactConfig {
            path: true,
            ..ExactConfig::default()
        })
        .into(),
        model: ModelConfig::Mlp(MlpConfig::new(vec![6], Activation::Tanh)).into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(90);
    config.data.folds = Some(folds);
    config
}

/// Trains all runs; where they are interrupted from the start, the next one stops after one sweep.
fn go(config: &RunConfig, run: &Path, start: Start, interrupted: bool) -> Result<Outcome, Error> {
    let (plan, device) = (config.clone().check()?, Device::flex());
    let signal = StopSignal::new();
    if interrupted {
        signal.stop();
    }
    let mut session = || Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        metric_logs: false,
        signal: signal.clone(),
        ..Session::new(device.clone(), run)
    };
    train_folds(&plan, &mut |plan| Splits::load(plan, &device), &mut session)
}

fn history(run: &Path) -> HistoryTable {
    HistoryTable::read(run).unwrap()
}

fn fold(run: &Path, fold: usize) -> std::path::PathBuf {
    run.join(RunDir::FOLDS).join(fold.to_string())
}

/// Decays with the values of a figure on the fold after their last sweeps, by the rows of a history.
fn ends(run: &Path, figure: &str) -> Vec<(f64, f64)> {
    let table = history(run);
    let decays = table.points("sweep", "weight_decay");
    let values = table.points("sweep", figure);
    // Sweep 0 is measured too, before the first decay.
    assert_eq!(values.len(), decays.len() + 1);
    let rows = decays.iter().zip(&values[1..]);
    let rows: Vec<_> = rows.map(|(decay, own)| (decay.1, own.1)).collect();
    let ends = rows.chunk_by(|a, b| a.0 == b.0);
    ends.map(|same| *same.last().unwrap()).collect()
}

/// All weights and biases; f32 values are exact in f64.
fn weights(network: &Network) -> Vec<f64> {
    let of = |l: usize| {
        let coefficients = network.stages()[l].affine().unwrap().coefficients();
        let bias = to_f64(coefficients.bias).unwrap();
        [to_f64(coefficients.kernel).unwrap(), bias].concat()
    };
    (0..network.stages().len()).flat_map(of).collect()
}

#[test]
fn the_decay_with_the_lowest_mean_over_the_folds_is_chosen_and_is_the_last_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let outcome = go(&tiny(3), &run, Start::New, false).unwrap();
    let choice = outcome.summary.facts.cross_validation.clone().unwrap();
    let paths = [1, 2, 3].map(|number| ends(&fold(&run, number), "validation_accuracy"));
    let loss_paths =
        [1, 2, 3].map(|number| ends(&fold(&run, number), "validation_calibrated_loss"));
    assert_eq!((choice.folds, choice.decays.len()), (3, 12));
    let means = |paths: &[Vec<(f64, f64)>]| -> Vec<f64> {
        let mean = |place: usize| paths.iter().map(|path| path[place].1).sum::<f64>() / 3.0;
        (0..12).map(mean).collect()
    };
    let (means, losses) = (means(&paths), means(&loss_paths));
    for (place, own) in choice.decays.iter().enumerate() {
        assert!(paths.iter().all(|path| path[place].0 == own.weight_decay));
        // Sums of three numbers in f64.
        assert!((own.mean_accuracy - means[place]).abs() < 1e-12);
        assert!((own.mean_calibrated_loss - losses[place]).abs() < 1e-12);
        let spread = |paths: &[Vec<(f64, f64)>], mean: f64| {
            let squares = paths.iter().map(|path| (path[place].1 - mean).powi(2));
            squares.sum::<f64>() / 2.0
        };
        let of_losses = spread(&loss_paths, losses[place]);
        assert!((own.calibrated_loss_deviation.powi(2) - of_losses).abs() < 1e-12);
        let of_shares = spread(&paths, means[place]);
        assert!((own.accuracy_deviation.powi(2) - of_shares).abs() < 1e-12);
    }
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let first = losses
        .iter()
        .position(|mean| *mean < lowest + 1e-12)
        .unwrap();
    assert_eq!(choice.weight_decay, paths[0][first].0);
    // Otherwise nothing would show that the run ends early.
    assert!(first < 11, "the choice is the end of the path");
    let last = history(&run).points("sweep", "weight_decay");
    assert_eq!(last.last().unwrap().1, choice.weight_decay);
    assert_eq!(last.len(), 2 * (first + 1));
    assert_eq!(outcome.summary.stop, Stop::Complete);
    assert_eq!(outcome.summary.kept_sweep, outcome.summary.sweeps);
    assert!(outcome.summary.validation.is_none());
    // The parser of JSON rounds.
    let saved = RunDir::read_summary(&run).unwrap();
    let saved = saved.facts.cross_validation.unwrap().weight_decay;
    assert!((saved / choice.weight_decay - 1.0).abs() < 1e-12);
}

#[test]
fn of_two_decays_with_equal_means_the_larger_one_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    drop(go(&tiny(2), &run, Start::New, false).unwrap());
    let tables = [1, 2].map(|number| {
        let folder = fold(&run, number);
        let file = folder.join("history.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        let names = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let column = names
            .split(',')
            .position(|name| name == "validation_calibrated_loss");
        let row = |line: &str| {
            let mut cells: Vec<_> = line.split(',').collect();
            if !line.starts_with('#') && line != names {
                cells[column.unwrap()] = "0.5";
            }
            cells.join(",") + "\n"
        };
        std::fs::write(&file, text.lines().map(row).collect::<String>()).unwrap();
        history(&folder)
    });
    let choice = CrossValidation::choose(&tables).unwrap();
    assert_eq!(choice.weight_decay, 3e-2);
}

#[test]
fn a_cross_validation_stopped_after_each_sweep_ends_where_it_would_have() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let config = tiny(2);
    let expected = go(&config, &whole, Start::New, false).unwrap();
    let mut outcome = go(&config, &parts, Start::New, true).unwrap();
    let mut stops = 0;
    while outcome.summary.stop == Stop::Interrupted {
        stops += 1;
        drop(outcome);
        // As the command line does, from the configuration that the folder holds.
        let saved = RunDir::read_config(&parts).unwrap();
        outcome = go(&saved, &parts, Start::Resume, true).unwrap();
    }
    assert!(stops >= 2 * SWEEPS, "{stops}");
    assert_eq!(weights(&outcome.network), weights(&expected.network));
    assert_eq!(
        outcome.summary.facts.cross_validation,
        expected.summary.facts.cross_validation
    );
    for number in [1, 2] {
        let [parts, whole] =
            [&parts, &whole].map(|run| ends(&fold(run, number), "validation_calibrated_loss"));
        assert_eq!(parts, whole);
    }
    drop(outcome);
    let again = go(&config, &parts, Start::Resume, false).err().unwrap();
    assert!(
        again
            .to_string()
            .contains("has ended: the runs of all folds"),
        "{again}"
    );
    let mut longer = config;
    longer.sweeps += 12;
    let longer = go(&longer, &parts, Start::Resume, false).err().unwrap();
    assert!(
        longer
            .to_string()
            .starts_with("sweeps = 36 is not possible"),
        "{longer}"
    );
}

#[test]
fn a_history_of_a_fold_that_was_cut_is_restored_with_a_note_and_a_fold_that_is_gone_is_no_choice() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = tiny(2);
    let expected = go(&config, &run, Start::New, false).unwrap();
    let weights_of_the_whole = weights(&expected.network);
    drop(expected);
    let table = fold(&run, 2).join("history.csv");
    let whole = std::fs::read_to_string(&table).unwrap();
    let end = whole.trim_end().rfind('\n').unwrap();
    std::fs::write(&table, &whole[..=end]).unwrap();
    std::fs::write(run.join("model.bpk"), "").unwrap();
    let saved = RunDir::read_config(&run).unwrap();
    let outcome = go(&saved, &run, Start::Resume, false).unwrap();
    let [of_fold, of_last] = &outcome.notes[..] else {
        panic!("{:?}", outcome.notes);
    };
    assert!(of_fold.starts_with("fold 2: history.csv was damaged"));
    assert!(of_last.starts_with("model.bpk was damaged"));
    assert_eq!(std::fs::read_to_string(&table).unwrap(), whole);
    assert_eq!(weights(&outcome.network), weights_of_the_whole);
    drop(outcome);
    // The last run is whole, and the fold is mentioned nevertheless.
    std::fs::write(&table, &whole[..=end]).unwrap();
    match go(&saved, &run, Start::Resume, false) {
        Err(Error::RunEnded { notes, .. }) => {
            assert_eq!(notes.len(), 1);
            assert!(notes[0].starts_with("fold 2: history.csv was damaged"));
        }
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(std::fs::read_to_string(&table).unwrap(), whole);
    std::fs::remove_dir_all(fold(&run, 1)).unwrap();
    let gone = go(&saved, &run, Start::Resume, false).err().unwrap();
    assert!(gone.to_string().contains("the fold is gone"), "{gone}");
}

#[test]
fn folds_that_cannot_choose_are_refused_with_the_value() {
    let refused = |expected: &str, change: fn(&mut RunConfig)| {
        let mut config = tiny(5);
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let error = go(&config, &run, Start::New, false)
            .err()
            .unwrap()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1);
    };
    refused("folds = 5 is not possible: `validation`", |config| {
        config.data.validation = Some(10);
    });
    refused("folds = 5 is not possible: folds choose", |config| {
        config.method = MethodConfig::Exact(ExactConfig::default()).into();
    });
    refused("folds = 1 is", |config| config.data.folds = Some(1));
    refused("folds = 21 is", |config| config.data.folds = Some(21));
    refused("fold = 6 is", |config| config.data.fold = Some(6));
    refused("fold = 1 is", |config| {
        config.data.folds = None;
        config.data.fold = Some(1);
    });
    refused("patience = 3 is", |config| config.patience = Some(3));
    refused("time-limit = 3 is", |config| config.time_limit = Some(3.0));
    refused("target-loss = 0.1 is", |config| {
        config.target_loss = Some(0.1);
    });
    refused("folds = 5 is not possible: every fold", |config| {
        config.data.limit = Some(4);
    });
}

#[test]
fn one_run_alone_is_no_cross_validation() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, device) = (tiny(5).check().unwrap(), Device::flex());
    let splits = Splits::load(&plan, &device).unwrap();
    let session = Session::new(device, folder.path());
    let error = train(&plan, splits, session).err().unwrap().to_string();
    assert!(error.contains("`train_folds`"), "{error}");
}

#[test]
fn a_folder_of_folds_that_no_run_has_made_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("folds/1/data.csv");
    std::fs::create_dir_all(data.parent().unwrap()).unwrap();
    std::fs::write(&data, "1,2").unwrap();
    for start in [Start::New, Start::Overwrite] {
        let error = go(&tiny(2), folder.path(), start, false).err().unwrap();
        assert!(matches!(error, Error::NotARun { .. }), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "1,2");
}
