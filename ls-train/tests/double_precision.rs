//! Runs of an application in f64. The device keeps one precision for a process, so that these tests have a file of their own.

use std::path::Path;
use std::sync::LazyLock;

use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{DType, Device, Tensor};
use ls_core::linalg::to_f64;
use ls_core::model::MlpConfig;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::Activation;
use ls_train::config::{Precision, RunConfig};
use ls_train::data::{SampleKind, Splits};
use ls_train::export::ExportFormat;
use ls_train::{Error, Outcome, Result, Session, Start, Trained, Training};

/// The device, which computes in f64.
static DEVICE: LazyLock<Device> = LazyLock::new(|| {
    let mut device = Device::flex();
    let set = Precision::F64.set(&mut device);
    set.expect("no test of this file makes a tensor before");
    device
});

/// Less than f32 tells apart at 1.
const TINY: f64 = 1e-12;

fn config(sweeps: usize) -> RunConfig {
    RunConfig {
        sweeps,
        precision: Precision::F64,
        ..RunConfig::default()
    }
}

fn network() -> Network {
    let config = MlpConfig::new(vec![6], Activation::Tanh);
    config.init(FeatureShape::Flat(2), 2, 1, &DEVICE).unwrap()
}

/// Points in the plane, each `shift` to the right of where it would be.
fn splits(shift: f64) -> Splits {
    let kind = SampleKind {
        name: "quadrants".into(),
        shape: FeatureShape::Flat(2),
        classes: vec!["different signs".into(), "equal signs".into()],
    };
    let items = |count: usize| InMemDataset::new((1..=count).map(|i| i as f64).collect::<Vec<_>>());
    let point = |i: f64| {
        let (x, y) = (i.sin(), (1.7 * i).cos());
        (vec![x + shift, y], usize::from(x * y > 0.0))
    };
    let plan = config(1).check().unwrap();
    let (train, test) = (items(40), items(20));
    Splits::from_datasets(&plan, &kind, [&train, &test], point, &DEVICE).unwrap()
}

fn go(sweeps: usize, shift: f64, run: &Path, start: Start) -> Result<Outcome> {
    let session = Session {
        start,
        ..Session::new(DEVICE.clone(), run)
    };
    let plan = config(sweeps).check()?;
    Training::new(&plan, splits(shift))
        .network("quadrant net", network())
        .run(session)
}

#[test]
fn samples_keep_all_their_digits_and_others_in_the_last_of_them_do_not_resume_a_run() {
    let (first, second) = (splits(0.0), splits(TINY));
    assert_eq!(first.train.inputs.dtype(), DType::F64);
    let values = |splits: Splits| to_f64(splits.train.inputs).unwrap();
    // The sine of 1, to the last digit.
    assert_eq!(values(first)[0], 1.0_f64.sin());
    assert_ne!(values(second), values(splits(0.0)));
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    go(2, 0.0, &run, Start::New).unwrap();
    let refused = go(4, TINY, &run, Start::Resume).err().unwrap().to_string();
    assert!(
        refused.contains("the training split has other samples"),
        "{refused}"
    );
    let resumed = go(4, 0.0, &run, Start::Resume).unwrap();
    assert_eq!(resumed.summary.sweeps, 4);
}

#[test]
fn burns_own_format_keeps_every_digit() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let outcome = go(2, 0.0, &run, Start::New).unwrap();
    let trained = Trained::load_into(network(), &run).unwrap();
    let file = folder.path().join("network.bpk");
    let burn = ExportFormat::ALL
        .iter()
        .find(|format| format.name == "burn");
    burn.unwrap().write(&trained, &file).unwrap();
    let record = ModuleRecord::load(&file).unwrap();
    let read = network().load_record(record);
    let logits = |network: &Network| {
        let point = Tensor::<2>::from_data([[0.3, -0.4]], &*DEVICE);
        to_f64(network.forward(point)).unwrap()
    };
    assert_eq!(logits(&read), logits(&outcome.network));
}

#[test]
fn a_plan_in_another_precision_is_refused_with_that_of_the_device() {
    LazyLock::force(&DEVICE);
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let plan = RunConfig::default().check().unwrap();
    let session = Session::new(DEVICE.clone(), &run);
    let outcome = Training::new(&plan, splits(0.0))
        .network("quadrant net", network())
        .run(session);
    let refused = outcome.err().unwrap();
    assert!(
        matches!(
            &refused,
            Error::PrecisionFixed {
                planned: "f32",
                found: "f64"
            }
        ),
        "{refused}"
    );
    assert!(!run.exists());
    // Its first tensor has fixed it.
    let refused = Precision::F32.set(&mut DEVICE.clone()).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("precision = f32 is not possible: the device computes in f64")
    );
}
