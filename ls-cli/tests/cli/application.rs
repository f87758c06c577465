//! Runs whose network or data only an application has.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use insta::assert_snapshot;
use ls_core::batch::index_tensor;
use ls_core::shape::FeatureShape;
use ls_train::config::RunConfig;
use ls_train::data::{SampleKind, Splits};
use ls_train::{Session, Training, train};

use crate::{layersep, transcript};

/// The commands that take a run folder, except for reports.
const REFUSED: [&[&str]; 6] = [
    &["train", "--resume", "run"],
    &["train", "--config", "run/config.toml"],
    &["eval", "--run", "run"],
    &["predict", "--run", "run", "image.csv"],
    &["export", "--run", "run"],
    &["compare", "--config", "run/config.toml"],
];

fn config() -> RunConfig {
    let mut config = RunConfig {
        sweeps: 2,
        ..RunConfig::default()
    };
    config.data.limit = Some(100);
    config
}

/// A run in `run` with a network that an application made, here one of the plan's.
fn own_network(folder: &Path) {
    let (plan, device) = (config().check().unwrap(), Device::flex());
    let splits = Splits::load(&plan, &device).unwrap();
    let network = plan.config().model.init(splits.shape, 10, 1, &device);
    let run = folder.join("run");
    let session = Session::new(device, &run);
    let training = Training::new(&plan, splits).network("two branches", network.unwrap());
    training.run(session).unwrap();
}

/// A run in `run` of the plan's network on samples that an application made.
fn own_data(folder: &Path) {
    let (plan, device) = (config().check().unwrap(), Device::flex());
    let kind = SampleKind {
        name: "sensor windows".into(),
        shape: FeatureShape::Flat(1),
        classes: vec!["low".into(), "high".into()],
    };
    let values = [[-2.0], [-1.0], [1.0], [2.0]];
    let samples = (
        Tensor::<2>::from_floats(values, &device),
        index_tensor(&[0, 0, 1, 1], &device),
    );
    let splits = Splits::from_tensors(&plan, &kind, samples.clone(), samples).unwrap();
    let run = folder.join("run");
    train(&plan, splits, Session::new(device, &run)).unwrap();
}

#[test]
fn one_line_says_that_a_network_takes_its_application() {
    let folder = tempfile::tempdir().unwrap();
    own_network(folder.path());
    for arguments in REFUSED {
        let found = transcript(folder.path(), arguments);
        let line =
            "error: only the application that made the network `two branches` can make it again\n";
        assert!(found.contains("exit code: 2\n"), "{arguments:?} {found}");
        assert!(found.contains(line), "{arguments:?} {found}");
    }
    assert_snapshot!(transcript(folder.path(), REFUSED[0]), @r"
    exit code: 2
    --- stdout
    --- stderr
    error: only the application that made the network `two branches` can make it again
    hint: train, resume and evaluate such a run in its application; `layersep report` shows its figures
    ");
    assert_snapshot!(transcript(folder.path(), &["report", "run"]), @r"
    exit code: 0
    --- stdout
    run/report.html
    --- stderr
    note: run: there are no test images and no weights: only the application that made the network `two branches` can make it again
    ");
}

#[test]
fn options_of_a_network_that_an_application_makes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    own_network(folder.path());
    let options = [
        ["--hidden", "8"],
        ["--activation", "tanh"],
        ["--init", "orthogonal"],
    ];
    for option in options {
        let config = ["config", "--config", "run/config.toml"];
        let found = transcript(folder.path(), &[&config[..], &option].concat());
        assert!(found.contains("exit code: 2\n"), "{found}");
        let line = format!("error: {} has no meaning with", option[0]);
        assert!(found.contains(&line), "{found}");
    }
    // Another network takes the place of all that was said about it.
    let replaced = [
        "config",
        "--config",
        "run/config.toml",
        "--model",
        "mlp",
        "--hidden",
        "8",
    ];
    assert!(layersep(folder.path(), &replaced).status.success());
}

#[test]
fn one_line_says_that_data_take_their_application() {
    let folder = tempfile::tempdir().unwrap();
    own_data(folder.path());
    let refused = [REFUSED[0], REFUSED[1], REFUSED[2], REFUSED[5]];
    for arguments in refused {
        let found = transcript(folder.path(), arguments);
        let line =
            "error: only the application that made the data `sensor windows` can load them again\n";
        assert!(found.contains("exit code: 2\n"), "{arguments:?} {found}");
        assert!(found.contains(line), "{arguments:?} {found}");
    }
    let predicted = transcript(folder.path(), REFUSED[3]);
    assert!(predicted.contains("not on pixels"), "{predicted}");
    // The weights are those of a network that the program knows.
    assert!(layersep(folder.path(), REFUSED[4]).status.success());
    assert_snapshot!(transcript(folder.path(), &["report", "run"]), @r"
    exit code: 0
    --- stdout
    run/report.html
    --- stderr
    note: run: there are no test images: only the application that made the data `sensor windows` can load them again
    ");
}
