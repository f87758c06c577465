//! What the folder of such a run says, and what can be made of it.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::stage::Activation;
use ls_datasets::Images;
use ls_train::config::RunConfig;
use ls_train::report::{Report, ReportOptions};
use ls_train::run_dir::HistoryTable;
use ls_train::{Error, Session, Start, Trained, Training, train};

use crate::{NAME, config, exact, go, kind, logits, network, splits};

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

#[test]
fn the_folder_names_the_network_and_the_data_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let outcome = go(&config(exact()), 1, &run, Start::New, false).unwrap();
    let summary = &outcome.summary;
    assert_eq!(
        (&*summary.facts.model, &*summary.facts.dataset),
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
    let outcome = Training::new(&plan, splits)
        .network(NAME, network(1))
        .run(session)
        .unwrap();
    let summary = &outcome.summary;
    assert_eq!(summary.train.get("certificate"), None);
    assert!(summary.train.get("separated_loss").is_some());
    assert_eq!(summary.facts.certificate_reason.as_deref(), Some(REASON));
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
    assert_eq!(history.last("train_certificate"), None);
    assert!(history.last("train_separated_loss").is_some());
    drop(outcome);
    let options = ReportOptions {
        runs: &[run],
        data: None,
        device: &Device::flex(),
    };
    let page = Report::gather(&options, &mut |_| {})
        .unwrap()
        .html()
        .unwrap();
    assert!(page.contains(REASON));
}

#[test]
fn a_report_shows_all_but_what_takes_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    go(&config(exact()), 1, &run, Start::New, false).unwrap();
    let options = ReportOptions {
        runs: &[run],
        data: None,
        device: &Device::flex(),
    };
    let report = Report::gather(&options, &mut |_| {}).unwrap();
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
fn own_samples_train_a_network_of_the_plan_that_loads_without_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = config(exact());
    config.model = ModelConfig::Mlp(MlpConfig::new(vec![12], Activation::Tanh)).into();
    let plan = config.clone().check().unwrap();
    let device = Device::flex();
    let session = Session::new(device.clone(), &run);
    let outcome = train(&plan, splits(&config).unwrap(), session).unwrap();
    assert!(outcome.summary.train.get("certificate").is_some());
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
fn the_folder_names_the_device_of_the_session_and_not_that_of_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let planned = RunConfig {
        device: "cuda:1".into(),
        ..config(exact())
    };
    let outcome = go(&planned, 1, &run, Start::New, false).unwrap();
    assert_eq!(outcome.summary.facts.device, "flex");
    let written = RunConfig::read(&run.join("config.toml")).unwrap();
    assert_eq!(written.device, "flex");
}
