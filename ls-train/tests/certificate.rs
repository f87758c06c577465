//! `F ≤ C ≤ S ≤ (1+η) F` in every row of the history of runs on the digits, and how often a run measures it.

use std::path::Path;

use burn::tensor::Device;
use ls_core::figure::SplitName;
use ls_core::fit::{CERTIFICATE, ORIGINAL_LOSS, SEPARATED_LOSS};
use ls_core::linalg::Norm;
use ls_core::model::StagesConfig;
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig};
use ls_core::objective::{ReportWeighting, Weighting};
use ls_core::stage::DenseConfig;
use ls_core::stage::{Activation, Init, ResidualDenseConfig, StageConfig};
use ls_train::config::{BatchSize, ExactConfig, FoofConfig, MethodConfig, RunConfig};
use ls_train::data::Splits;
use ls_train::run_dir::HistoryTable;
use ls_train::{Session, train};

/// Sums of f32 terms that blocks were accepted by, and of two forward passes that should be equal: a few 1e-6 of a figure.
const ROUNDING: f64 = 1e-5;

fn run(config: &RunConfig, folder: &Path) -> HistoryTable {
    let device = Device::flex();
    let plan = config.clone().check().unwrap();
    let splits = Splits::load(&plan, &device).unwrap();
    let run = folder.join("run");
    let session = Session {
        metric_logs: false,
        ..Session::new(device, &run)
    };
    train(&plan, splits, session).unwrap();
    let history = HistoryTable::read(&run).unwrap();
    std::fs::remove_dir_all(&run).unwrap();
    history
}

/// `F`, `C` and `S` of the sweeps that have them.
fn rows(history: &HistoryTable) -> Vec<[f64; 3]> {
    let original = ORIGINAL_LOSS.on(SplitName::Train).key();
    let columns = [original, CERTIFICATE.key(), SEPARATED_LOSS.key()];
    let columns = columns.map(|key| history.points("sweep", &key));
    let of = |column: &[(f64, f64)], sweep: f64| {
        let found = column.iter().find(|point| point.0 == sweep);
        found.map(|point| point.1)
    };
    let sweeps = columns[2].iter().map(|point| point.0);
    let row = |sweep: f64| [0, 1, 2].map(|i| of(&columns[i], sweep).expect("all three"));
    sweeps.map(row).collect()
}

/// Every method, norm and `η` in turn, with every model.
fn configs() -> Vec<RunConfig> {
    let mut models: Vec<ModelConfig> = Vec::new();
    for (hidden, &activation) in [1, 3, 10, 30, 2, 5, 20]
        .into_iter()
        .zip(Activation::CONTINUOUS)
    {
        models.push(ModelConfig::Mlp(MlpConfig::new(
            vec![24; hidden],
            activation,
        )));
    }
    models.push(ModelConfig::Cnn(CnnConfig::new(Activation::Relu)));
    let activation = Activation::Tanh;
    let dense = StageConfig::Dense(DenseConfig::new(24, activation));
    let residual = StageConfig::ResidualDense(ResidualDenseConfig { activation });
    models.push(ModelConfig::Stages(StagesConfig {
        init: Init::Kaiming,
        stages: vec![dense, residual.clone(), residual],
    }));
    let norms = [Norm::Spectral, Norm::Frobenius, Norm::Frequency];
    let mut configs = Vec::new();
    for (i, model) in models.into_iter().enumerate() {
        let (norm, eta) = (norms[i % 3], [0.1, 1.0][i % 2]);
        let weighting = ReportWeighting(Weighting::SelfAdaptive { norm, eta });
        let exact = MethodConfig::Exact(ExactConfig {
            weighting,
            ..ExactConfig::default()
        });
        let foof = MethodConfig::Foof(FoofConfig {
            weighting,
            ..FoofConfig::default()
        });
        let pairs = [(exact, BatchSize::Full), (foof, BatchSize::Samples(50))];
        for (method, batch_size) in pairs {
            let mut config = RunConfig {
                sweeps: 6,
                method: method.into(),
                batch_size,
                model: model.clone().into(),
                ..RunConfig::default()
            };
            config.data.limit = Some(200);
            configs.push(config);
        }
    }
    configs
}

fn eta(config: &RunConfig) -> f64 {
    let weighting = match config.method.library() {
        Some(MethodConfig::Exact(own)) => own.weighting,
        Some(MethodConfig::Foof(own)) => own.weighting,
        _ => panic!("another method"),
    };
    match weighting.0 {
        Weighting::SelfAdaptive { eta, .. } => eta,
        Weighting::Fixed { .. } => panic!("fixed weights"),
    }
}

#[test]
fn every_row_of_every_history_holds_the_law() {
    let folder = tempfile::tempdir().unwrap();
    for config in configs() {
        let what = format!("{:?}, {:?}", config.method, config.model);
        let rows = rows(&run(&config, folder.path()));
        assert!(rows.len() >= 2, "{what}: {} rows", rows.len());
        for (sweep, &[f, c, s]) in rows.iter().enumerate() {
            let up = 1.0 + ROUNDING;
            assert!(f <= c * up, "{what}, row {sweep}: F {f} above C {c}");
            assert!(c <= s * up, "{what}, row {sweep}: C {c} above S {s}");
            let highest = (1.0 + eta(&config)) * f;
            assert!(
                s <= highest * up,
                "{what}, row {sweep}: S {s} above {highest}"
            );
        }
    }
}

#[test]
fn a_run_measures_as_often_as_it_is_asked_and_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let sweeps = |config: &RunConfig| -> Vec<f64> {
        let history = run(config, folder.path());
        let points = history.points("sweep", &SEPARATED_LOSS.key());
        points.into_iter().map(|point| point.0).collect()
    };
    let mut config = RunConfig {
        sweeps: 7,
        measure_every: 3,
        ..RunConfig::default()
    };
    config.data.limit = Some(200);
    assert_eq!(sweeps(&config), [0.0, 3.0, 6.0, 7.0]);
    // Wherever a run ends, the end is measured.
    config.target_loss = Some(1.0);
    let found = sweeps(&config);
    let last = found.last().copied();
    assert!(
        last.is_some_and(|last| last < 7.0 && last % 3.0 != 0.0),
        "{found:?}"
    );
    // What a method lowers is measured after every sweep.
    config.target_loss = None;
    config.method = MethodConfig::named("alternating").unwrap().into();
    assert_eq!(sweeps(&config).len(), 8);
    config.measure_every = 0;
    let refused = config.check().unwrap_err().to_string();
    assert!(refused.contains("measure-every"), "{refused}");
}
