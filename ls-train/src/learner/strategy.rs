//! The training loop: sweeps, measurements, events, and the reasons to stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::data::dataloader::Progress;
use burn::train::{
    EventProcessorTraining, Interrupter, Learner, LearnerEvent, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use ls_core::batch::Batch;
use ls_core::method::{Guarantee, Method, Separated, SweepReport};
use ls_core::network::Network;
use ls_core::objective::{Measurement, measure};
use serde::{Deserialize, Serialize};

use super::model::{SeparatedLearner, SweepItem};
use crate::metric::Figures;
use crate::run_dir::Kept;
use crate::{Error, Result};

/// A relative decrease of the loss below this counts as none: ten units in the last place of an f32.
const NOTICEABLE: f64 = 1e-6;

/// So many sweeps without a noticeable decrease end a run.
const PATIENCE: usize = 10;

/// Why a run ended. Reaching a limit is a result, not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// All sweeps were done.
    SweepLimit,
    /// The original loss reached the target.
    Target,
    /// The validation split saw nothing better for as many sweeps as the patience.
    Patience,
    /// A method that promises descent found none for several sweeps.
    Stalled,
    /// The time was used up.
    TimeLimit,
    /// Somebody asked for it.
    Interrupted,
}

impl Stop {
    /// Name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SweepLimit => "sweep-limit",
            Self::Target => "target",
            Self::Patience => "patience",
            Self::Stalled => "stalled",
            Self::TimeLimit => "time-limit",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Figures after a sweep; sweep 0 is the start.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepRecord {
    /// Number of the sweep.
    pub sweep: usize,
    /// Wall time spent in sweeps; measurements are not counted, so that methods with short sweeps do not pay more for them.
    pub elapsed: Duration,
    /// What the method did.
    pub report: SweepReport,
    /// The training split in the method's own terms.
    pub train: Measurement,
    /// The test split, by a plain forward pass.
    pub test: Measurement,
    /// The validation split, by a plain forward pass; `None` without one.
    pub validation: Option<Measurement>,
}

/// What ends a run before its last sweep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Original loss of the training split to stop at.
    pub target_loss: Option<f64>,
    /// Wall time spent in sweeps to stop after.
    pub time: Option<Duration>,
    /// Sweeps without better figures of the validation split to stop after.
    pub patience: Option<usize>,
}

/// Where a run stands after a sweep: with the model and the memory of its method, all that the loop needs to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Position {
    /// Sweeps done.
    pub sweep: usize,
    /// Seconds spent in them.
    pub seconds: f64,
    /// Best loss so far, of the kind that the method lowers.
    pub best: f64,
    /// Sweeps since then.
    pub waited: usize,
    /// The sweep that did best on the validation split, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

impl Default for Position {
    /// Before the first sweep.
    fn default() -> Self {
        Self {
            sweep: 0,
            seconds: 0.0,
            best: f64::INFINITY,
            waited: 0,
            kept: None,
        }
    }
}

/// A run between two sweeps.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// Where it stands.
    pub position: &'a Position,
    /// Weights and auxiliary variables.
    pub model: &'a Separated,
    /// The method, with what it remembers.
    pub method: &'a dyn Method,
    /// The network that did best on the validation split, if there is one.
    pub best: Option<&'a Network>,
}

/// Told of each sweep; an error ends the run.
pub trait Observer: Send {
    /// Takes in the figures of a sweep.
    ///
    /// # Errors
    /// What writing them down meets.
    fn record(&mut self, record: &SweepRecord) -> Result<()>;

    /// Offered after each sweep, and `last` after the one that ends the run: a chance to write a checkpoint.
    ///
    /// # Errors
    /// What writing it meets.
    fn checkpoint(&mut self, standing: Standing<'_>, last: bool) -> Result<()>;
}

/// burn-train's strategy that hands every batch to a method and measures whole splits after every sweep.
pub struct LayerSeparation {
    splits: MeasuredSplits,
    limits: Limits,
    start: Start,
    state: Mutex<State>,
}

/// What is measured after every sweep.
pub struct MeasuredSplits {
    /// The training split.
    pub train: Batch,
    /// The test split.
    pub test: Batch,
    /// Samples by which the weights to keep are chosen, if there are any.
    pub validation: Option<Batch>,
}

/// Where a run starts: [`Default`] at the beginning.
#[derive(Clone, Default)]
pub struct Start {
    /// Where it stood.
    pub position: Position,
    /// The network that did best on the validation split.
    pub best: Option<Network>,
}

struct State {
    method: Box<dyn Method>,
    observer: Box<dyn Observer>,
    ending: Arc<Mutex<Option<Result<Ending>>>>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Why.
    pub stop: Stop,
    /// The sweep whose weights are kept, chosen by the validation split; `None` without one.
    pub kept: Option<Kept>,
}

impl LayerSeparation {
    /// A strategy for one run over the given splits, from where it stands.
    pub fn new(
        method: Box<dyn Method>,
        splits: MeasuredSplits,
        limits: Limits,
        start: Start,
        observer: Box<dyn Observer>,
    ) -> Self {
        let ending = Arc::new(Mutex::new(None));
        let state = Mutex::new(State {
            method,
            observer,
            ending,
        });
        Self {
            splits,
            limits,
            start,
            state,
        }
    }

    /// Where it stands how the run ended, once it has.
    pub fn ending(&self) -> Arc<Mutex<Option<Result<Ending>>>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ending.clone()
    }
}

impl SupervisedLearningStrategy<SeparatedLearner> for LayerSeparation {
    fn fit(
        &self,
        components: TrainingComponents<SeparatedLearner>,
        learner: Learner<SeparatedLearner>,
        train_loader: TrainLoader<SeparatedLearner>,
        _valid_loader: ValidLoader<SeparatedLearner>,
        _starting_epoch: usize,
    ) -> (
        SeparatedLearner,
        SupervisedTrainingEventProcessor<SeparatedLearner>,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            method,
            observer,
            ending,
        } = &mut *state;
        let mut fit = Fit {
            strategy: self,
            method: method.as_mut(),
            observer: observer.as_mut(),
            model: learner.model().separated,
            events: components.event_processor,
            interrupter: components.interrupter,
            position: self.start.position.clone(),
            best: self.start.best.clone(),
            full_batch: true,
        };
        let outcome = fit.run(&train_loader, components.num_epochs);
        let kept = fit.position.kept.take();
        *ending.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(outcome.map(|stop| Ending { stop, kept }));
        let mut separated = fit.model;
        if let Some(best) = fit.best {
            separated.network = best;
        }
        (SeparatedLearner { separated }, fit.events)
    }
}

/// One run of the loop.
struct Fit<'a> {
    strategy: &'a LayerSeparation,
    method: &'a mut dyn Method,
    observer: &'a mut dyn Observer,
    model: Separated,
    events: SupervisedTrainingEventProcessor<SeparatedLearner>,
    interrupter: Interrupter,
    position: Position,
    best: Option<Network>,
    full_batch: bool,
}

impl Fit<'_> {
    fn run(&mut self, loader: &TrainLoader<SeparatedLearner>, sweeps: usize) -> Result<Stop> {
        let done = self.position.sweep;
        if done == 0 {
            let start = self.measure(0, SweepReport::default())?;
            self.observer.record(&start)?;
            self.position.best = self.watched(&start);
            self.keep_if_better(&start);
        }
        for sweep in done + 1..=sweeps {
            self.start_split(sweep);
            // What came before this sweep survives an error in it.
            let before = self.model.network.clone();
            let record = self
                .sweep(loader)
                .and_then(|report| self.measure(sweep, report));
            let record = record.inspect_err(|_| self.model.network = before)?;
            self.report(&record)?;
            self.observer.record(&record)?;
            self.position.sweep = sweep;
            self.keep_if_better(&record);
            let limit = (sweep == sweeps).then_some(Stop::SweepLimit);
            let stop = self.stop(&record).or(limit);
            let standing = Standing {
                position: &self.position,
                model: &self.model,
                method: &*self.method,
                best: self.best.as_ref(),
            };
            self.observer.checkpoint(standing, stop.is_some())?;
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
        Ok(Stop::SweepLimit)
    }

    fn sweep(&mut self, loader: &TrainLoader<SeparatedLearner>) -> Result<SweepReport> {
        let started = Instant::now();
        let mut batches = loader.iter();
        let mut count = 0;
        let mut report = SweepReport::default();
        while let Some(batch) = batches.next() {
            count += 1;
            let batch = batch.map_err(|error| Error::Loop(error.to_string()))?;
            report = report.followed_by(self.method.sweep(&mut self.model, &batch)?);
            let progress = batches.progress();
            // The last item of a sweep carries its figures; the ones before only move the progress bar.
            if !progress.is_completed() {
                let item = TrainingItem::new(SweepItem(None), progress, None, None);
                self.loop_result(|events| events.process_train(LearnerEvent::ProcessedItem(item)))?;
            }
        }
        self.method.end_sweep(&mut self.model)?;
        self.full_batch = count == 1;
        self.position.seconds += started.elapsed().as_secs_f64();
        Ok(report)
    }

    fn measure(&self, sweep: usize, report: SweepReport) -> Result<SweepRecord> {
        let splits = &self.strategy.splits;
        let plain = |split| measure(&self.model.network, None, split);
        let train = self.method.measure(&self.model, &splits.train)?;
        let test = plain(&splits.test)?;
        let validation = splits.validation.as_ref().map(plain).transpose()?;
        Ok(SweepRecord {
            sweep,
            elapsed: Duration::from_secs_f64(self.position.seconds),
            report,
            train,
            test,
            validation,
        })
    }

    /// Keeps the weights of a sweep that classifies more of the validation split, or as many at a lower loss.
    fn keep_if_better(&mut self, record: &SweepRecord) {
        let Some(found) = &record.validation else {
            return;
        };
        let kept = self.position.kept.as_ref();
        let is_better = kept
            .and_then(|kept| kept.validation.as_ref())
            .is_none_or(|kept| {
                let order = found.accuracy.total_cmp(&kept.accuracy);
                order
                    .then(kept.original_loss.total_cmp(&found.original_loss_mean))
                    .is_gt()
            });
        if is_better {
            self.position.kept = Some(record.into());
            self.best = Some(self.model.network.clone());
        }
    }

    fn start_split(&mut self, sweep: usize) {
        let total_items = self.strategy.splits.train.len();
        let event = LearnerEvent::StartSplit {
            epoch_number: sweep,
            total_items,
        };
        self.interrupter
            .fail_on_error(self.events.process_train(event));
    }

    /// Sends the figures of a sweep to burn-train, and waits until its metrics have taken them in.
    fn report(&mut self, record: &SweepRecord) -> Result<()> {
        let item =
            |measured: &Measurement, report: SweepReport, validation: Option<Measurement>| {
                let progress =
                    Progress::new(measured.samples, measured.samples, Some("samples".into()));
                let figures = SweepItem(Some(Figures {
                    measured: measured.clone(),
                    report,
                    validation,
                }));
                TrainingItem::new(figures, progress, Some(record.sweep), None)
            };
        let validation = record.validation.clone();
        let train = item(&record.train, record.report.clone(), validation);
        let test = item(&record.test, SweepReport::default(), None);
        let (sweep, samples) = (record.sweep, record.test.samples);
        self.loop_result(|events| {
            events.process_train(LearnerEvent::ProcessedItem(train))?;
            events.process_train(LearnerEvent::EndSplit(sweep))?;
            events.process_valid(LearnerEvent::StartSplit {
                epoch_number: sweep,
                total_items: samples,
            })?;
            events.process_valid(LearnerEvent::ProcessedItem(test))?;
            events.process_valid(LearnerEvent::EndSplit(sweep))?;
            events.process_train(LearnerEvent::EndEpoch(sweep))?;
            events.flush()
        })
    }

    fn loop_result<E: core::fmt::Display>(
        &mut self,
        send: impl FnOnce(
            &mut SupervisedTrainingEventProcessor<SeparatedLearner>,
        ) -> core::result::Result<(), E>,
    ) -> Result<()> {
        send(&mut self.events).map_err(|error| Error::Loop(error.to_string()))
    }

    fn stop(&mut self, record: &SweepRecord) -> Option<Stop> {
        let value = self.watched(record);
        let position = &mut self.position;
        if value < position.best * (1.0 - NOTICEABLE) {
            position.best = value;
            position.waited = 0;
        } else {
            position.waited += 1;
        }
        let limits = &self.strategy.limits;
        if self.interrupter.should_stop() {
            return Some(Stop::Interrupted);
        }
        if limits
            .target_loss
            .is_some_and(|target| record.train.original_loss_mean <= target)
        {
            return Some(Stop::Target);
        }
        if limits.time.is_some_and(|limit| record.elapsed >= limit) {
            return Some(Stop::TimeLimit);
        }
        let waits = |patience: usize| {
            let kept = position.kept.as_ref();
            kept.is_some_and(|kept| record.sweep - kept.sweep >= patience)
        };
        if limits.patience.is_some_and(waits) {
            return Some(Stop::Patience);
        }
        let descends = self.full_batch && self.method.guarantee() != Guarantee::None;
        (descends && self.position.waited >= PATIENCE).then_some(Stop::Stalled)
    }

    /// The loss that the method lowers.
    fn watched(&self, record: &SweepRecord) -> f64 {
        let original = record.train.original_loss_mean;
        match (self.method.guarantee(), &record.train.separated) {
            // Unknown at the start, where it is above `F`.
            (Guarantee::PenalizedLossNeverRises, _) => {
                record.report.penalized_loss.unwrap_or(f64::INFINITY)
            }
            (Guarantee::SeparatedLossNeverRises | Guarantee::None, Some(separated)) => {
                separated.separated_loss_mean
            }
            _ => original,
        }
    }
}
