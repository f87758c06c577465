//! One run from plan to run folder.

use std::time::Duration;

use burn::module::Module;
use ls_core::fit::{Augmentation, Batches, Fit, FitConfig, FitData, Limits};
use ls_core::method::{Method, Task};
use ls_core::network::Network;

use crate::config::{
    APPLICATION, ApplicationMethod, DataConfig, Plan, RunConfig, RunMethod, RunNetwork,
};
use crate::data::Splits;
use crate::observe::burn::MetricLogs;
use crate::observe::{History, WriteCheckpoints, WriteSummary};
use crate::resume::{self, RunEnd};
use crate::run_dir::{Checkpoint, CrossValidation, HistoryTable, RunDir, RunFacts, Summary};
use crate::run_label::label;
use crate::session::{Session, Start};
use crate::training_method::TrainingMethod;
use crate::{Error, Result, device};

/// A finished run.
pub struct Outcome {
    /// Its figures, as in `summary.json`.
    pub summary: Summary,
    /// The trained network.
    pub network: Network,
    /// Its folder.
    pub run: RunDir,
    /// Remarks on files that were damaged and have been restored.
    pub notes: Vec<String>,
}

/// Trains the network of a plan on data that [`Splits::load`] or the caller has put on the device, and leaves a run folder.
///
/// Where the data are an application's, the folder says so in place of the plan's data set. A [`Training`] takes a network or a
/// method of an application too.
///
/// # Errors
/// As [`Training::run`].
pub fn train(plan: &Plan, splits: Splits, session: Session<'_>) -> Result<Outcome> {
    Training::new(plan, splits).run(session)
}

/// A run in the making: a plan and its data, with a network or a method in place of those that the plan describes.
///
/// ```
/// use burn::tensor::Device;
/// use ls_core::method::MethodConfig;
/// use ls_train::config::RunConfig;
/// use ls_train::data::Splits;
/// use ls_train::{Session, Training};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let run = folder.path().join("digits");
/// let device = Device::flex();
/// let plan = RunConfig { sweeps: 2, ..RunConfig::default() }.check()?;
/// let splits = Splits::load(&plan, &device)?;
/// let outcome = Training::new(&plan, splits)
///     .method(MethodConfig::named("alternating")?)
///     .run(Session::new(device, &run).with_lines(std::io::stdout()))?;
/// assert_eq!(outcome.summary.facts.method, "alternating");
/// # Ok(())
/// # }
/// ```
pub struct Training<'p> {
    plan: &'p Plan,
    splits: Splits,
    network: Option<(String, Network)>,
    method: Option<TrainingMethod>,
    choice: Option<CrossValidation>,
}

impl<'p> Training<'p> {
    /// A run of the network and the method that the plan describes.
    pub fn new(plan: &'p Plan, splits: Splits) -> Self {
        Self {
            plan,
            splits,
            network: None,
            method: None,
            choice: None,
        }
    }

    /// Trains a network of the application's own, which lives on the session's device.
    ///
    /// The run folder calls it `name`. To resume, hand in a network that was made in the same way; its weights are replaced by those
    /// of the checkpoint. [`Trained::load_into`](crate::Trained::load_into) loads the trained weights.
    #[must_use]
    pub fn network(self, name: impl Into<String>, network: Network) -> Self {
        Self {
            network: Some((name.into(), network)),
            ..self
        }
    }

    /// Trains by another method than the plan's: a boxed [`Method`], one with settings to keep in the run folder, or a
    /// [`MethodConfig`](crate::config::MethodConfig) of the library, which its `named` finds by its name. To resume, hand in a method that was made in
    /// the same way; its memory is replaced by that of the checkpoint.
    #[must_use]
    pub fn method(self, method: impl Into<TrainingMethod>) -> Self {
        Self {
            method: Some(method.into()),
            ..self
        }
    }

    /// Trains on all folds after they have chosen the weight decay of the plan.
    pub(crate) fn chosen_by(self, choice: CrossValidation) -> Self {
        Self {
            choice: Some(choice),
            ..self
        }
    }

    /// Runs until there is a reason to stop.
    ///
    /// # Errors
    /// [`Error::Data`] and [`Error::Core`] for data or settings that cannot be trained on, [`Error::OtherPlan`] for splits that
    /// another plan made, [`Error::OtherDevice`], [`Error::OtherPrecision`] and [`Error::PrecisionFixed`] where network, samples, plan
    /// and device do not fit each other, [`Error::File`], [`Error::RunExists`], [`Error::NoRun`] and [`Error::RunLocked`] for the run
    /// folder, [`Error::Checkpoint`] and [`Error::RunEnded`] for a run that cannot resume, [`Error::DashboardClosed`] for a dashboard
    /// that was killed, [`Error::Disk`] for a disk that fails or is full, [`Error::Terminal`] for one without a terminal. After an error
    /// in the middle of a run the folder holds the history so far and the weights before the failing sweep, or the best so far with a
    /// validation split.
    pub fn run(mut self, session: Session<'_>) -> Result<Outcome> {
        let network = self.init_network(&session)?;
        let config = self.config(&session, &network)?;
        let mut method = self.init_method(&config, &network)?;
        let augmentation = self.augmentation(&config, method.as_ref())?;
        let run = open(&session, &config)?;
        let facts = self.facts(&config, method.as_ref(), &network);
        let checkpoint = resume::checkpoint(&session, &run, &config, &self.splits)?;
        if let Some(checkpoint) = &checkpoint {
            if let Some(end) = RunEnd::of(checkpoint, &config) {
                return complete(end, run, checkpoint, network, &config, facts);
            }
            method.restore(checkpoint.load_method(&session.device)?)?;
        }
        let data = FitData {
            augmentation,
            ..self.splits.fit_data()
        };
        let config_of_fit = fit_config(&config);
        let mut fit = Fit::<Error>::new(method.as_mut(), network, data, config_of_fit);
        fit.label(label(&config, &facts, session.start, checkpoint.as_ref()));
        if let Some(checkpoint) = &checkpoint {
            let model = checkpoint.load_model(fit.model().clone())?;
            let best = checkpoint.load_best(&model.network)?;
            fit.resume(checkpoint.state().clone(), model, best);
        }
        let (history, note) = resume::history(&run, checkpoint.as_ref())?;
        self.start_folder(&run, &config, session.start)?;
        let signal = session.signal.clone();
        self.observe(&mut fit, session, history, &run, &config, facts.clone());
        let result = fit.run(&signal);
        let state = fit.state().clone();
        let network = fit.into_network();
        let stop = match result {
            Ok(stop) => stop,
            Err(error) => {
                // On a full disk this fails, too; the first error is the one to tell of, and the checkpoint is still there.
                let _ = run.save_model(&network);
                return Err(error);
            }
        };
        // The figures are not read from the file of the summary: its parser rounds.
        let model_crc32 = RunDir::read_summary(run.path())?.model_crc32;
        let history = HistoryTable::read(run.path())?;
        let summary = Summary::new(facts, &history, &state, stop, model_crc32)?;
        Ok(Outcome {
            summary,
            network,
            run,
            notes: note.into_iter().collect(),
        })
    }

    /// The network of the application, which must suit the samples, or the plan's.
    fn init_network(&mut self, session: &Session<'_>) -> Result<Network> {
        let (shape, classes) = (self.splits.shape, self.splits.classes.len());
        let Some((_, network)) = &self.network else {
            let config = self.plan.config();
            return config
                .model
                .init(shape, classes, config.seed, &session.device);
        };
        let inputs = network.stages()[0].input_shape().features();
        for (what, expected, found) in [
            ("inputs of the network", shape.features(), inputs),
            ("classes of the network", classes, network.classes()),
        ] {
            if expected != found {
                return Err(Error::Core(ls_core::Error::ShapeMismatch {
                    what: what.into(),
                    expected,
                    found,
                }));
            }
        }
        Ok(network.clone())
    }

    /// The configuration that the run folder will hold: the plan's, with what the application brought in its place.
    fn config(&self, session: &Session<'_>, network: &Network) -> Result<RunConfig> {
        let mut config = self.plan.config().clone();
        // The run may be used from another working directory.
        if let Some(folder) = &mut config.data.folder {
            *folder = std::path::absolute(&*folder).unwrap_or_else(|_| folder.clone());
        }
        if self.splits.preprocessing.is_identity() {
            config.data = DataConfig {
                dataset: APPLICATION.into(),
                name: Some(self.splits.name.clone()),
                folder: None,
                test_share: None,
                label_column: None,
                pixel_max: None,
                ..config.data
            };
        }
        if let Some((name, _)) = &self.network {
            config.model = RunNetwork::Application(name.clone());
        }
        match &self.method {
            None => {}
            Some(TrainingMethod::Library(method)) => {
                method.check()?;
                method.check_batch_size(config.batch_size)?;
                config.method = RunMethod::Library(method.clone());
            }
            Some(TrainingMethod::Application { method, settings }) => {
                config.method = RunMethod::Application(ApplicationMethod {
                    name: method.name().into(),
                    settings: settings.clone(),
                });
            }
        }
        config.check_method()?;
        if self.choice.is_none() {
            config.ensure_one_run()?;
        }
        device::ensure_same(&session.device, &config, network, &self.splits)?;
        self.splits.settings.ensure_match(&config)?;
        let is_sharded = self.splits.train.is_sharded();
        config.device = device::name(&session.device, &config.device, is_sharded);
        let shares = is_sharded.then(|| config.shares());
        config.shares = shares;
        Ok(config)
    }

    /// The changes of the images, which methods of an application may not be able to treat.
    fn augmentation(
        &self,
        config: &RunConfig,
        method: &dyn Method,
    ) -> Result<Option<Augmentation>> {
        let is_own = config.method.library().is_none();
        if is_own && method.has_auxiliary_variables() && !config.augment.is_empty() {
            return Err(Error::InvalidConfig {
                field: "augment",
                value: config.augment[0].name().into(),
                allowed: "the auxiliary variables of the application's method belong to samples as they are",
            });
        }
        self.splits.augmentation(&config.augment)
    }

    fn init_method(&mut self, config: &RunConfig, network: &Network) -> Result<Box<dyn Method>> {
        match self.method.take() {
            Some(TrainingMethod::Application { method, .. }) => Ok(method),
            _ => match &config.method {
                RunMethod::Library(method) => {
                    let split = &self.splits.train;
                    let batches = Batches::new(split.len(), config.batch_size, config.seed);
                    let total_steps = batches.len().saturating_mul(config.sweeps);
                    let task = Task {
                        network,
                        split,
                        total_steps: Some(total_steps),
                        seed: config.seed,
                    };
                    Ok(method.init(&task)?)
                }
                RunMethod::Application(own) => Err(Error::ApplicationMethod {
                    name: own.name.clone(),
                }),
            },
        }
    }

    fn facts(&self, config: &RunConfig, method: &dyn Method, network: &Network) -> RunFacts {
        let is_separated = method.has_auxiliary_variables();
        let mut unbounded = network.without_bound().into_iter();
        let reason = unbounded.find(|stage| is_separated && stage.stage > 1);
        let classes = self.splits.classes.len();
        RunFacts {
            method: method.name().into(),
            model: config.model.describe(self.splits.shape, classes),
            dataset: self.splits.name.clone(),
            device: config.device.clone(),
            seed: config.seed,
            parameters: network.num_params(),
            certificate_reason: reason.map(|reason| reason.to_string()),
            cross_validation: self.choice.clone(),
        }
    }

    /// Writes what a folder holds before the first sweep.
    fn start_folder(&self, run: &RunDir, config: &RunConfig, start: Start) -> Result<()> {
        run.ensure_replaceable()?;
        run.save_preprocessing(&self.splits.preprocessing)?;
        run.save_fingerprint(&self.splits.fingerprint)?;
        match start {
            // Last, since a run that could not go on keeps its configuration.
            Start::Resume => {
                run.save_config(config)?;
                run.remove_end()
            }
            Start::New | Start::Overwrite => Ok(()),
        }
    }

    /// Adds all observers: those of the session first, so that the figures of a sweep are shown before a full disk ends the run.
    fn observe<'f>(
        &self,
        fit: &mut Fit<'f, Error>,
        session: Session<'f>,
        history: History,
        run: &'f RunDir,
        config: &RunConfig,
        facts: RunFacts,
    ) {
        for observer in session.observers {
            fit.observe_boxed(observer);
        }
        if session.metric_logs {
            fit.observe(MetricLogs::new(run.logs()));
        }
        fit.observe(history);
        fit.observe(WriteCheckpoints::new(
            run,
            session.keep,
            session.checkpoints,
            config.clone(),
            self.splits.fingerprint.clone(),
            fit.state().seconds,
        ));
        fit.observe(WriteSummary::new(run, facts));
    }
}

fn open(session: &Session<'_>, config: &RunConfig) -> Result<RunDir> {
    match session.start {
        Start::New => RunDir::create(session.run, config, false),
        Start::Overwrite => RunDir::create(session.run, config, true),
        Start::Resume => RunDir::open(session.run),
    }
}

/// Completes the files of a run that has nothing left to do.
fn complete(
    end: RunEnd,
    run: RunDir,
    checkpoint: &Checkpoint,
    network: Network,
    config: &RunConfig,
    facts: RunFacts,
) -> Result<Outcome> {
    let network = checkpoint.load_network(network)?;
    let (summary, notes) = end.complete(&run, checkpoint, &network, facts)?;
    run.save_config(config)?;
    Ok(Outcome {
        summary,
        network,
        run,
        notes,
    })
}

fn fit_config(config: &RunConfig) -> FitConfig {
    FitConfig {
        sweeps: config.sweeps,
        batch_size: config.batch_size,
        seed: config.seed,
        measure_every: config.measure_every,
        limits: Limits {
            target_loss: config.target_loss,
            time: config.time_limit.map(Duration::from_secs_f64),
            patience: config.patience,
        },
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
