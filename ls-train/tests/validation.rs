//! Samples held out, and the weights that did best on them.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use ls_core::fit::Stop;
use ls_core::objective::{calibrated_loss, measure};
use ls_train::config::{
    BackpropConfig, BatchSize, MethodConfig, OptimizerName, RunConfig, Schedule,
};
use ls_train::data::Splits;
use ls_train::{Error, Outcome, Session, train};

/// Adam at a rate that makes figures jump up and down.
fn unsteady() -> RunConfig {
    let mut config = RunConfig {
        sweeps: 25,
        batch_size: BatchSize::Samples(50),
        method: MethodConfig::Backprop(BackpropConfig {
            optimizer: OptimizerName::Adam.into(),
            learning_rate: Some(0.05),
            schedule: Schedule::Constant,
            ..BackpropConfig::default()
        })
        .into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(400);
    config.data.validation = Some(150);
    config
}

fn go(config: &RunConfig, run: &Path) -> Result<Outcome, Error> {
    let (plan, device) = (config.clone().check()?, Device::flex());
    train(
        &plan,
        Splits::load(&plan, &device)?,
        Session::new(device, run),
    )
}

/// Calibrated loss of the validation split by sweep.
fn calibrated_losses(run: &Path) -> Vec<f64> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let mut lines = rows.map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name| header.iter().position(|found| *found == name).unwrap();
    let column = column("validation_calibrated_loss");
    lines.map(|row| row[column].parse().unwrap()).collect()
}

#[test]
fn a_run_ends_with_the_weights_that_did_best_on_the_samples_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = unsteady();
    let outcome = go(&config, &run).unwrap();
    let losses = calibrated_losses(&run);
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    let summary = outcome.summary;
    assert_eq!(Some(summary.kept_sweep), best);
    assert!(summary.kept_sweep < summary.sweeps, "nothing was undone");
    // The figures are those of the weights that were kept, measured again.
    let plan = config.check().unwrap();
    let splits = Splits::load(&plan, &Device::flex()).unwrap();
    let held_out = splits.validation.unwrap();
    assert_eq!((splits.train.len(), held_out.len()), (250, 150));
    let of = |split| measure(&outcome.network, None, split).unwrap();
    let found = summary.validation.as_ref().unwrap();
    assert_eq!(found.accuracy(), of(&held_out).accuracy);
    assert_eq!(found.original_loss(), of(&held_out).original_loss_mean);
    let calibrated = calibrated_loss(&outcome.network, &held_out).unwrap();
    assert_eq!(losses[summary.kept_sweep], calibrated);
    assert!(calibrated <= found.original_loss());
    assert_eq!(summary.test_accuracy(), of(&splits.test).accuracy);
    assert_eq!(summary.train.accuracy(), of(&splits.train).accuracy);
}

#[test]
fn patience_ends_a_run_so_many_sweeps_after_its_best() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = unsteady();
    config.patience = Some(3);
    let summary = go(&config, &folder.path().join("run")).unwrap().summary;
    assert_eq!(summary.stop, Stop::Patience);
    assert_eq!(summary.sweeps, summary.kept_sweep + 3);
}

#[test]
fn impossible_validation_splits_are_refused() {
    let refused = |change: fn(&mut RunConfig)| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = unsteady();
        change(&mut config);
        let error = go(&config, &folder.path().join("run")).err();
        error.expect("a refusal").to_string()
    };
    let all = refused(|config| config.data.validation = Some(400));
    assert!(all.starts_with("validation = 400 is not possible"), "{all}");
    let none = refused(|config| config.data.validation = Some(0));
    assert!(none.starts_with("validation = 0"), "{none}");
    let alone = refused(|config| {
        config.data.validation = None;
        config.patience = Some(2);
    });
    assert!(alone.starts_with("patience = 2"), "{alone}");
}
