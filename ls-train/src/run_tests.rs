use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor};
use ls_core::shape::FeatureShape;

use super::*;
use crate::Trained;
use crate::config::{BatchSize, MethodConfig};
use crate::data::SampleKind;
use crate::files::faults::{self, Fault};
use crate::observe::CheckpointRule;

/// A run of two sweeps in batches, with arrays of the method and a validation split.
fn plan() -> Plan {
    let batch_size = BatchSize::Samples(7);
    let mut config = RunConfig {
        sweeps: 2,
        batch_size,
        method: MethodConfig::suited_to(batch_size).into(),
        ..RunConfig::default()
    };
    config.data.validation = Some(6);
    config.model =
        toml::from_str("kind = \"mlp\"\nhidden = [3]\nactivation = \"tanh\"\ninit = \"kaiming\"")
            .unwrap();
    config.check().unwrap()
}

/// Samples of two classes, by the sign of the first feature.
fn splits(plan: &Plan, device: &Device) -> Splits {
    let samples = |count: i64| {
        let steps = Tensor::<1, Int>::arange(0..2 * count, device).float();
        let features = steps.mul_scalar(1.7).sin().reshape([count, 2]);
        let first = features.clone().slice([0..count as usize, 0..1]);
        let labels = first.greater_elem(0.0).int().reshape([count]);
        (features, labels)
    };
    let kind = SampleKind {
        name: "signs".into(),
        shape: FeatureShape::Flat(2),
        classes: ["minus", "plus"].map(String::from).to_vec(),
    };
    Splits::from_tensors(plan, &kind, samples(20), samples(8)).unwrap()
}

fn go(run: &Path, start: Start) -> Result<Outcome> {
    let (plan, device) = (plan(), Device::flex());
    let session = Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        keep: 1,
        ..Session::new(device.clone(), run)
    };
    train(&plan, splits(&plan, &device), session)
}

/// The rows of a history without their seconds.
fn rows(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let row = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if !line.starts_with('#') {
            cells.remove(1);
        }
        cells.join(",")
    };
    text.lines().map(row).collect()
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.map(|path| match path.is_dir() {
        true => all_files(&path),
        false => vec![path],
    });
    below.flatten().collect()
}

/// Every file is whole or absent.
fn assert_whole(run: &Path, what: &str) {
    let device = Device::flex();
    let network = plan()
        .config()
        .model
        .init(FeatureShape::Flat(2), 2, 1, &device)
        .unwrap();
    let is_read = |result: Result<()>| {
        if let Err(error) = result {
            let is_absent = matches!(error, Error::NoRun { .. } | Error::NoWeights { .. });
            assert!(is_absent, "{what}: {error}");
        }
    };
    is_read(RunDir::read_config(run).map(|_| ()));
    is_read(Trained::load_into(network.clone(), run).map(|_| ()));
    if run.join("summary.json").exists() {
        is_read(RunDir::read_summary(run).map(|_| ()));
    }
    is_read(HistoryTable::read(run).map(|history| {
        assert!(history.missing_sweeps().is_empty(), "{what}");
    }));
    for path in all_files(run) {
        if path.extension().is_some_and(|ending| ending == "log") {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), 2, "{what}: {}", path.display());
        }
    }
}

/// Lets the n-th change of the disk fail, for every n of a run; returns the number of changes.
fn fail_at_every_change(fault: fn(usize) -> Fault, check: impl Fn(&Path, &str)) -> usize {
    let whole = tempfile::tempdir().unwrap();
    go(whole.path(), Start::New).unwrap();
    let weights = |run: &Path| fs::read(run.join("model.bpk")).unwrap();
    for n in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let (result, has_failed) = faults::with(fault(n), || go(&run, Start::New).map(|_| ()));
        if !has_failed {
            result.unwrap();
            return n - 1;
        }
        let what = format!("{:?}", fault(n));
        assert!(
            matches!(result, Err(Error::Disk { .. })),
            "{what}: {result:?}"
        );
        assert_whole(&run, &what);
        check(&run, &what);
        let start = match run.join("config.toml").exists() {
            true => Start::Resume,
            false => Start::New,
        };
        match go(&run, start) {
            Ok(_) | Err(Error::RunEnded { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
        assert!(weights(&run) == weights(whole.path()), "{what}");
        assert_eq!(rows(&run), rows(whole.path()), "{what}");
    }
    unreachable!()
}

#[test]
fn a_run_on_a_full_disk_leaves_whole_files_and_resumes_to_the_weights_of_the_whole_run() {
    let changes = fail_at_every_change(Fault::FullAt, |run, what| {
        for path in all_files(run) {
            assert!(
                !path.to_string_lossy().contains("draft"),
                "{what}: {}",
                path.display()
            );
        }
    });
    // Two checkpoints of seven files and the other files, each created, filled and made to last.
    assert!(changes > 80, "{changes}");
}

#[test]
fn a_run_that_is_killed_at_any_change_of_the_disk_resumes_to_the_weights_of_the_whole_run() {
    fail_at_every_change(Fault::KilledAt, |_, _| {});
}
