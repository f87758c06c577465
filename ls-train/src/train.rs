//! One run from plan to run folder.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::tensor::Device;
use burn::train::logger::InMemoryMetricLogger;
use burn::train::renderer::MetricsRenderer;
use burn::train::{
    ApplicationLoggerInstaller, FileApplicationLoggerInstaller, Interrupter, Learner,
    SupervisedTraining, TrainingStrategy,
};
use ls_core::method::Separated;
use ls_core::model::{ApplicationConfig, ModelConfig};
use ls_core::network::Network;

use crate::config::{APPLICATION, DataConfig, OptimizerKind, Plan, RunConfig};
use crate::data::{Blocks, Fingerprint, SplitLoader, Splits};
use crate::learner::{
    self, LayerSeparation, Limits, MeasuredSplits, Observer, Position, SeparatedLearner, Standing,
    SweepRecord,
};
use crate::metric;
use crate::renderer::LineRenderer;
use crate::run_dir::{
    Checkpoints, Contents, Failure, History, MetricLogs, RunDir, SCHEMA, Summary,
};
use crate::{Error, Result, device};

/// Share of the time of the sweeps that economical checkpoints may take.
const CHECKPOINT_SHARE: f64 = 0.05;

/// Makes the renderer once burn-train is about to start, so that a terminal is taken over only then.
pub type Dashboard = Box<dyn FnOnce(Interrupter) -> Box<dyn MetricsRenderer>>;

/// How a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In a new folder.
    New,
    /// In the place of the run that the folder holds.
    Overwrite,
    /// From the last checkpoint in the folder, or anew where the run was stopped before its first.
    Resume,
}

/// When checkpoints are written; but for the last rule, the end of a run always leaves one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointRule {
    /// As long as writing them takes a twentieth of the time of the sweeps at most.
    Economical,
    /// After so many sweeps.
    Every(usize),
    /// Never, not even at the end.
    Never,
}

/// What a run needs beside its plan.
pub struct Session<'a> {
    /// Where tensors live. Burn loads the states of optimizers to its default device first: one that has no f64, or cannot be opened,
    /// ends a run that is resumed. `BURN_DEVICE` names the default device.
    pub device: Device,
    /// The run folder.
    pub run: &'a Path,
    /// How the run begins.
    pub start: Start,
    /// When checkpoints are written.
    pub checkpoints: CheckpointRule,
    /// How many checkpoints stay.
    pub keep: usize,
    /// Shows the run.
    pub dashboard: Dashboard,
    /// Whether burn-train writes a file per metric and sweep; many short sweeps make many files.
    pub metric_logs: bool,
    /// Ends the run after the current sweep, from any thread.
    pub interrupter: Interrupter,
}

impl<'a> Session<'a> {
    /// A new run that shows nothing, with economical checkpoints of which two stay.
    pub fn new(device: Device, run: &'a Path) -> Self {
        Self {
            device,
            run,
            start: Start::New,
            checkpoints: CheckpointRule::Economical,
            keep: 2,
            dashboard: Box::new(|_| Box::new(LineRenderer::new(Box::new(std::io::sink())))),
            metric_logs: true,
            interrupter: Interrupter::new(),
        }
    }

    /// The same, with a line per sweep written to `out`.
    pub fn with_lines(self, out: impl Write + Send + 'static) -> Self {
        Self {
            dashboard: Box::new(|_| Box::new(LineRenderer::new(Box::new(out)))),
            ..self
        }
    }
}

/// A finished run.
pub struct Outcome {
    /// Its figures, as in `summary.json`.
    pub summary: Summary,
    /// The trained network.
    pub network: Network,
    /// Its folder.
    pub run: RunDir,
}

/// Trains the network of a plan on data that [`Splits::load`] or the caller has put on the device, and leaves a run folder.
///
/// Where the data are an application's, the folder says so and not what the plan says.
///
/// # Errors
/// [`Error::Data`] and [`Error::Core`] for data or settings that cannot be trained on, [`Error::OtherPlan`] for splits that another plan
/// made, [`Error::OtherDevice`], [`Error::OtherPrecision`] and [`Error::PrecisionFixed`] where network, samples, plan and device do not
/// fit each other, [`Error::File`], [`Error::RunExists`], [`Error::NoRun`] and [`Error::RunLocked`] for the run folder, [`Error::Checkpoint`] and [`Error::RunComplete`] for a run that
/// cannot go on. After an error in the middle of a run the folder holds the history so far and the
/// weights before the failing sweep, or the best so far with a validation split.
pub fn train(plan: &Plan, splits: Splits, session: Session<'_>) -> Result<Outcome> {
    let config = plan.config();
    let (classes, seed) = (splits.classes.len(), config.seed);
    let network = config
        .model
        .init(splits.shape, classes, seed, &session.device)?;
    run(config.clone(), network, splits, session)
}

/// Trains a network of the application's own, which lives on the session's device, in place of the one that the plan describes.
///
/// The run folder calls it `name`. To resume, hand in a network that was made in the same way; its weights are replaced by those of
/// the checkpoint. [`Trained::load_into`](crate::Trained::load_into) loads what was trained.
///
/// # Errors
/// [`Error::Core`] with [`ls_core::Error::ShapeMismatch`] for a network that does not take the samples or has another number of
/// classes, and as [`train`].
pub fn train_network(
    plan: &Plan,
    name: &str,
    network: Network,
    splits: Splits,
    session: Session<'_>,
) -> Result<Outcome> {
    let sizes = [
        (
            "inputs of the network",
            splits.shape.features(),
            network.stages()[0].input_shape().features(),
        ),
        (
            "classes of the network",
            splits.classes.len(),
            network.classes(),
        ),
    ];
    for (what, expected, found) in sizes {
        if expected != found {
            return Err(Error::Core(ls_core::Error::ShapeMismatch {
                what: what.into(),
                expected,
                found,
            }));
        }
    }
    let model = ModelConfig::Application(ApplicationConfig { name: name.into() });
    let config = RunConfig {
        model,
        ..plan.config().clone()
    };
    run(config, network, splits, session)
}

fn run(
    mut config: RunConfig,
    network: Network,
    splits: Splits,
    session: Session<'_>,
) -> Result<Outcome> {
    // The run may be used from another working directory.
    if let Some(folder) = &mut config.data.folder {
        *folder = std::path::absolute(&*folder).unwrap_or_else(|_| folder.clone());
    }
    if splits.preprocessing.is_identity() {
        config.data = DataConfig {
            dataset: APPLICATION.into(),
            name: Some(splits.name.clone()),
            folder: None,
            test_share: None,
            ..config.data
        };
    }
    device::ensure_same(&session.device, &config, &network, &splits)?;
    splits.dealing.ensure_of(&config)?;
    config.device = device::name(&session.device, &config.device);
    let config = &config;
    let classes = splits.classes.len();
    let blocks = Blocks::new(splits.train.len(), config.batch_size, config.seed);
    let total_steps = blocks.len().saturating_mul(config.sweeps);
    let mut method = config.method.init(&network, &splits.train, total_steps)?;
    let separated = config.method.is_separated();
    let run = match session.start {
        Start::New => RunDir::create(session.run, config, false)?,
        Start::Overwrite => RunDir::create(session.run, config, true)?,
        Start::Resume => RunDir::open(session.run)?,
    };
    let checkpoints = run.checkpoints(session.keep);
    let checkpoint = match session.start {
        Start::Resume => checkpoints.latest()?,
        _ => None,
    };
    if session.start == Start::Resume && checkpoint.is_none() && RunDir::has_ended(session.run) {
        return Err(Error::Checkpoint {
            path: session.run.into(),
            reason: "the run has ended, and its checkpoints are gone".into(),
        });
    }
    let hidden = network.hidden();
    let parameters = network.num_params();
    let mut unbounded = network.without_bound().into_iter();
    let no_certificate = unbounded.find(|stage| separated && stage.stage > 1);
    let mut model = if separated {
        Separated::feasible(network, &splits.train)
    } else {
        Separated::new(network)
    };
    let mut start = learner::Start::default();
    if let Some(checkpoint) = &checkpoint {
        checkpoint.ensure_same(config, &splits.fingerprint)?;
        start.position = checkpoint.position().clone();
        if start.position.sweep >= config.sweeps {
            return Err(Error::RunComplete {
                path: session.run.into(),
                done: start.position.sweep,
                limit: config.sweeps,
            });
        }
        start.best = checkpoint.load_best(&model.network)?;
        ensure_below_limits(&start.position, config, session.run)?;
        model = checkpoint.load_model(model)?;
        method.restore(checkpoint.load_method(&session.device)?)?;
    }
    if session.start == Start::Resume {
        run.save_config(config)?;
        run.remove_summary()?;
    }
    run.save_preprocessing(&splits.preprocessing)?;
    run.save_fingerprint(&splits.fingerprint)?;
    let last = Arc::new(Mutex::new(None));
    let logs = MetricLogs::new(run.logs());
    let observer = RunObserver {
        logs: logs.failure(),
        history: run.history(if separated { hidden } else { 0 }, start.position.sweep)?,
        last: Arc::clone(&last),
        checkpoints,
        rule: session.checkpoints,
        config: config.clone(),
        fingerprint: splits.fingerprint.clone(),
        spent: 0.0,
        started: start.position.seconds,
    };
    let limits = Limits {
        target_loss: config.target_loss,
        time: config.time_limit.map(Duration::from_secs_f64),
        patience: config.patience,
    };
    let first_sweep = start.position.sweep as u64 + 1;
    let strategy = LayerSeparation::new(
        method,
        MeasuredSplits {
            train: splits.train.clone(),
            test: splits.test.clone(),
            validation: splits.validation.clone(),
        },
        limits,
        start,
        Box::new(observer),
    );
    let ending = strategy.ending();
    let description = config.model.describe(splits.shape, classes);
    let mut label = format!("{} on {}: {description}", config.method.name(), splits.name);
    if let Some(reason) = no_certificate {
        label += &format!(", no certificate: {reason}");
    }
    let label = match first_sweep {
        1 if session.start == Start::Resume => {
            format!("{label}, from the start: there is no checkpoint")
        }
        1 => label,
        next => format!("{label}, resumed after sweep {}", next - 1),
    };
    let mut training = SupervisedTraining::new(
        run.logs(),
        Arc::new(SplitLoader::new(splits.train, blocks, first_sweep)),
        Arc::new(SplitLoader::whole(splits.test)),
    )
    .with_application_logger(Some(Box::new(LogFile(run.logs().join("experiment.log")))))
    .num_epochs(config.sweeps)
    .with_interrupter(session.interrupter.clone())
    .renderer((session.dashboard)(session.interrupter))
    .label(&label)
    .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)));
    training = if session.metric_logs {
        training.with_metric_logger(logs)
    } else {
        training.with_metric_logger(InMemoryMetricLogger::new())
    };
    for figure in metric::all(hidden, &config.method, splits.validation.is_some()) {
        if figure.is_on_test() {
            training = training.metric_valid_numeric(figure.clone());
        }
        training = training.metric_train_numeric(figure);
    }
    let learner = SeparatedLearner { separated: model };
    // The method keeps its own optimizers; burn-train's stands by unused.
    let idle = OptimizerKind::Sgd.init(None);
    let learner = Learner::new(learner, idle, ConstantLr::new(0.0));
    let launched = catch_unwind(AssertUnwindSafe(|| training.launch(learner)));
    let result = launched.map_err(stopped)?;
    // Dropping the renderer gives the terminal back.
    drop(result.renderer);
    let network = result.model.separated.network;
    run.save_model(&network)?;
    let ending = take(&ending).unwrap_or_else(|| Err(Error::Loop("it ended early".into())));
    let record = take(&last).ok_or_else(|| Error::Loop("it ended before it began".into()));
    let ending = ending?;
    if let Some(error) = result.error {
        return Err(Error::Loop(error.to_string()));
    }
    let record = record?;
    let kept = ending.kept.unwrap_or_else(|| (&record).into());
    let summary = Summary {
        schema: SCHEMA,
        method: config.method.name().into(),
        model: description,
        dataset: splits.name,
        device: config.device.clone(),
        seed: config.seed,
        parameters,
        stop: ending.stop,
        sweeps: record.sweep,
        kept_sweep: kept.sweep,
        seconds: record.elapsed.as_secs_f64(),
        train: kept.train,
        validation: kept.validation,
        test: kept.test,
    };
    run.save_summary(&summary)?;
    Ok(Outcome {
        summary,
        network,
        run,
    })
}

/// Refuses to go on with a run that would stop again after one sweep.
fn ensure_below_limits(position: &Position, config: &RunConfig, run: &Path) -> Result<()> {
    let at_limit = |limit: String| Error::AtLimit {
        path: run.into(),
        limit,
    };
    if let Some(limit) = config.time_limit
        && position.seconds >= limit
    {
        let used = position.seconds;
        return Err(at_limit(format!(
            "{used:.1} s of {limit} s are used; go on with a larger --time-limit"
        )));
    }
    let waited = position
        .kept
        .as_ref()
        .map_or(0, |kept| position.sweep - kept.sweep);
    if let Some(patience) = config.patience
        && waited >= patience
    {
        return Err(at_limit(format!(
            "nothing better for {waited} sweeps; go on with a --patience above {waited}"
        )));
    }
    Ok(())
}

/// Writes down what a run does, and now and then all that it needs to go on.
struct RunObserver {
    logs: Failure,
    history: History,
    last: Arc<Mutex<Option<SweepRecord>>>,
    checkpoints: Checkpoints,
    rule: CheckpointRule,
    config: RunConfig,
    fingerprint: Fingerprint,
    /// Seconds spent on checkpoints.
    spent: f64,
    /// Seconds of sweeps before this process.
    started: f64,
}

impl Observer for RunObserver {
    fn record(&mut self, record: &SweepRecord) -> Result<()> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
        self.history.append(record)?;
        // The metrics of a sweep are logged before it is recorded.
        take(&self.logs).map_or(Ok(()), Err)
    }

    fn checkpoint(&mut self, standing: Standing<'_>, last: bool) -> Result<()> {
        let position = standing.position;
        let due = match self.rule {
            CheckpointRule::Economical => {
                self.spent <= CHECKPOINT_SHARE * (position.seconds - self.started)
            }
            CheckpointRule::Never => return Ok(()),
            CheckpointRule::Every(sweeps) => position.sweep.is_multiple_of(sweeps.max(1)),
        };
        if !due && !last {
            return Ok(());
        }
        let started = Instant::now();
        self.checkpoints.write(Contents {
            standing,
            config: &self.config,
            fingerprint: &self.fingerprint,
        })?;
        self.spent += started.elapsed().as_secs_f64();
        Ok(())
    }
}

/// burn-train's log file without its panic hook: what a user sees of a panic is the program's business.
struct LogFile(PathBuf);

impl ApplicationLoggerInstaller for LogFile {
    fn install(&self) -> core::result::Result<(), String> {
        let hook = std::panic::take_hook();
        let installed = FileApplicationLoggerInstaller::new(&self.0).install();
        std::panic::set_hook(hook);
        installed
    }
}

/// What a panic of burn-train means: a dashboard that was killed goes on unwinding, anything else is an error.
fn stopped(cause: Box<dyn Any + Send>) -> Error {
    let text = cause.downcast_ref::<String>().cloned();
    let text = text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string));
    match text {
        Some(text) if text.contains("from user input") => resume_unwind(cause),
        text => Error::Loop(text.unwrap_or_else(|| "it panicked".into())),
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
