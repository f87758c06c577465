//! Runs that go on.

use burn::tensor::Device;
use ls_core::fit::Stop;
use ls_core::objective::Weighting;
use ls_train::config::{
    AlternatingConfig, BackpropConfig, BatchSize, FoofConfig, MethodConfig, OptimizerConfig,
    OptimizerName,
};
use ls_train::data::Splits;
use ls_train::run_dir::HistoryTable;
use ls_train::{Session, Start, Training};

use crate::{NAME, config, exact, go, kind, logits, network, points, splits, tensors};

fn adam() -> MethodConfig {
    MethodConfig::Backprop(BackpropConfig {
        optimizer: OptimizerName::Adam.into(),
        learning_rate: Some(0.01),
        ..BackpropConfig::default()
    })
}

/// Fixed weights need no bound of a stage, and so suit stages that state none.
fn alternating(optimizer: Option<OptimizerName>) -> MethodConfig {
    MethodConfig::Alternating(AlternatingConfig {
        weighting: Weighting::Fixed { omega: 1.0 },
        optimizer: optimizer.map(OptimizerConfig::from),
        ..AlternatingConfig::default()
    })
}

#[test]
fn a_run_that_was_stopped_and_goes_on_ends_where_it_would_have_ended() {
    let batches = BatchSize::Samples(40);
    let cases = [
        ("exact", exact(), BatchSize::Full),
        ("foof", MethodConfig::Foof(FoofConfig::default()), batches),
        ("adam", adam(), BatchSize::Full),
        ("adam, batches", adam(), batches),
        ("alternating", alternating(None), BatchSize::Full),
        ("alternating, batches", alternating(None), batches),
        (
            "alternating by adam, batches",
            alternating(Some(OptimizerName::Adam)),
            batches,
        ),
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
        let history = HistoryTable::read(&whole).unwrap();
        let losses = history.points("sweep", "train_original_loss");
        assert!(losses[losses.len() - 1].1 < losses[0].1, "{what}");
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
        let outcome = Training::new(&plan, splits)
            .network(name, network(1))
            .run(session);
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
