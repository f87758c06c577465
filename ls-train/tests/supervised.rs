//! burn-train's `SupervisedTraining` with methods of `ls-core`, and with an optimizer of Burn's own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::renderer::CliMetricsRenderer;
use burn::train::{Learner, SupervisedTraining, TrainingStrategy};
use ls_core::batch::{Batch, BatchSize};
use ls_core::figure::{Figures, SplitName};
use ls_core::fit::{Batches, Fit, FitConfig, FitData, ORIGINAL_LOSS, StopSignal};
use ls_core::method::{Method, MethodConfig, MethodState, Objective, Separated, Task};
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_train::Error;
use ls_train::config::RunConfig;
use ls_train::data::Splits;
use ls_train::observe::burn::{FigureMetric, MethodStrategy, SeparatedLearner, SplitLoader};

const SWEEPS: usize = 3;

fn digits(device: &Device) -> (Network, FitData) {
    let mut config = RunConfig::default();
    config.data.limit = Some(300);
    let plan = config.check().unwrap();
    let splits = Splits::load(&plan, device).unwrap();
    let network = plan
        .config()
        .model
        .init(splits.shape, splits.classes.len(), 1, device)
        .unwrap();
    (network, splits.fit_data())
}

fn init(name: &str, network: &Network, split: &Batch, batch_size: BatchSize) -> Box<dyn Method> {
    let steps = Batches::new(split.len(), batch_size, 1).len() * SWEEPS;
    let task = Task {
        network,
        split,
        total_steps: Some(steps),
        seed: 1,
    };
    MethodConfig::named(name).unwrap().init(&task).unwrap()
}

fn training(
    folder: &Path,
    data: &FitData,
    batch_size: BatchSize,
) -> SupervisedTraining<SeparatedLearner> {
    let test = data.test.clone().unwrap();
    let train = SplitLoader::new(data.train.clone(), batch_size, 1);
    let [on_train, on_test] = [SplitName::Train, SplitName::Test].map(|s| ORIGINAL_LOSS.on(s));
    SupervisedTraining::new(folder, Arc::new(train), Arc::new(SplitLoader::whole(test)))
        .metric_train_numeric(FigureMetric::new(on_train))
        .metric_valid_numeric(FigureMetric::new(on_test))
        .renderer(Box::new(CliMetricsRenderer::new()))
        .with_application_logger(None)
        .num_epochs(SWEEPS)
}

fn learner(network: &Network, optimizer: ModuleOptimizer) -> Learner<SeparatedLearner> {
    let separated = Separated::new(network.clone());
    Learner::new(SeparatedLearner::new(separated), optimizer, 1e-2)
}

/// Loss of a network on the training split.
fn loss(network: &Network, data: &FitData) -> f64 {
    measure(network, None, &data.train)
        .unwrap()
        .original_loss_mean
}

/// The last number of a metric's log of an epoch.
fn logged(folder: &Path, split: &str, epoch: usize) -> f64 {
    let path = folder
        .join(split)
        .join(format!("epoch-{epoch}/Original_loss.log"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let last = text.lines().last().unwrap();
    last.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn a_method_in_supervised_training_takes_the_path_of_the_loop_alone() {
    for (name, batch_size) in [
        ("exact", BatchSize::Full),
        ("foof", BatchSize::Samples(64)),
        ("alternating", BatchSize::Full),
    ] {
        let device = Device::flex();
        let folder = tempfile::tempdir().unwrap();
        let (network, data) = digits(&device);
        let config = FitConfig {
            sweeps: SWEEPS,
            batch_size,
            seed: 1,
            ..FitConfig::default()
        };

        let mut method = init(name, &network, &data.train, batch_size);
        let mut fit = Fit::<Error>::new(method.as_mut(), network.clone(), data.clone(), config);
        fit.run(&StopSignal::new()).unwrap();
        let alone = loss(&fit.into_network(), &data);

        let method = init(name, &network, &data.train, batch_size);
        let strategy = MethodStrategy::new(
            method,
            data.clone(),
            FitConfig {
                sweeps: 99,
                ..config
            },
        );
        let error = strategy.error();
        let result = training(folder.path(), &data, batch_size)
            .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)))
            .launch(learner(&network, AdamConfig::new().init()));
        assert!(error.lock().unwrap().is_none());

        let inside = loss(&result.model.separated.network, &data);
        assert_eq!(inside.to_bits(), alone.to_bits(), "{name}");
        assert!(inside < loss(&network, &data), "{name}");
        // The log has as many digits as the metric shows.
        let shown = logged(folder.path(), "train", SWEEPS);
        assert!(
            (shown - inside).abs() <= 1e-4 * inside.max(1e-2),
            "{name}: {shown} {inside}"
        );
        assert!(logged(folder.path(), "valid", SWEEPS).is_finite());
    }
}

#[test]
fn burn_trains_the_learner_with_an_optimizer_of_its_own() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let (network, data) = digits(&device);
    let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let result =
        training(folder.path(), &data, BatchSize::Samples(32)).launch(learner(&network, optimizer));
    let trained = result.model.separated.network.valid();
    let [before, after] = [&network, &trained].map(|network| loss(network, &data));
    assert!(after < 0.5 * before, "{before} {after}");
}

/// A method that fails in its second sweep.
struct Fails(usize);

impl Method for Fails {
    fn name(&self) -> &str {
        "fails"
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn sweep(&mut self, _: &mut Separated, _: &Batch) -> ls_core::Result<Figures> {
        self.0 += 1;
        match self.0 {
            1 => Ok(Figures::default()),
            _ => Err(ls_core::Error::NotFinite {
                quantity: "loss".into(),
                value: f64::NAN,
            }),
        }
    }

    fn save(&self) -> ls_core::Result<MethodState> {
        MethodState::new(&())
    }

    fn restore(&mut self, _: MethodState) -> ls_core::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_the_method_ends_the_training_and_is_kept() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let (network, data) = digits(&device);
    let strategy = MethodStrategy::new(Box::new(Fails(0)), data.clone(), FitConfig::default());
    let error = strategy.error();
    let result = training(folder.path(), &data, BatchSize::Full)
        .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)))
        .launch(learner(&network, AdamConfig::new().init()));
    let kept = error.lock().unwrap().take().unwrap();
    assert!(matches!(kept, Error::Core(_)), "{kept}");
    let left = loss(&result.model.separated.network, &data);
    assert_eq!(left.to_bits(), loss(&network, &data).to_bits());
}
