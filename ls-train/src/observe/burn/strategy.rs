//! A method of `ls-core` as a training strategy of burn-train.

use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::Progress;
use burn::module::Module;
use burn::train::metric::ItemLazy;
use burn::train::{
    EventProcessorTraining, Interrupter, Learner, LearnerEvent, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem, ValidLoader,
};
use ls_core::figure::{Figures, SplitName};
use ls_core::fit::{Fit, FitConfig, FitData, Observer, StopSignal, SweepProgress, SweepRecord};
use ls_core::method::Method;

use super::learner::{SeparatedLearner, SweepOutput};
use crate::{Error, Result};

/// Lets burn-train's `SupervisedTraining` run a method of `ls-core`.
///
/// The loop is [`Fit`], on whole splits: the loaders of the `SupervisedTraining` and the optimizer of the `Learner` belong to
/// burn-train's own strategies. Figures reach the metrics that are registered as [`FigureMetric`](super::FigureMetric)s.
pub struct MethodStrategy {
    method: Mutex<Box<dyn Method>>,
    data: FitData,
    config: FitConfig,
    error: Arc<Mutex<Option<Error>>>,
}

impl MethodStrategy {
    /// A strategy for one run; the number of epochs of the `SupervisedTraining` takes the place of [`FitConfig::sweeps`].
    pub fn new(method: Box<dyn Method>, data: FitData, config: FitConfig) -> Self {
        Self {
            method: Mutex::new(method),
            data,
            config,
            error: Arc::default(),
        }
    }

    /// Returns the place of the error that ended the run, if one did; burn-train has no type for errors of a method.
    pub fn error(&self) -> Arc<Mutex<Option<Error>>> {
        Arc::clone(&self.error)
    }
}

type Events = SupervisedTrainingEventProcessor<SeparatedLearner>;

impl SupervisedLearningStrategy<SeparatedLearner> for MethodStrategy {
    fn fit(
        &self,
        components: TrainingComponents<SeparatedLearner>,
        learner: Learner<SeparatedLearner>,
        _train: TrainLoader<SeparatedLearner>,
        _valid: ValidLoader<SeparatedLearner>,
        _starting_epoch: usize,
    ) -> (SeparatedLearner, Events) {
        let mut method = self.method.lock().unwrap_or_else(PoisonError::into_inner);
        let config = FitConfig {
            sweeps: components.num_epochs,
            ..self.config
        };
        let mut events = components.event_processor;
        // Methods of `ls-core` work without autodiff and track the parameters that they need.
        let network = learner.model().separated.network.valid();
        let mut fit = Fit::<Error>::new(method.as_mut(), network, self.data.clone(), config);
        fit.observe(Forward {
            events: &mut events,
            interrupter: components.interrupter.clone(),
        });
        if let Err(error) = fit.run(&StopSignal::new()) {
            components.interrupter.stop(Some(&error.to_string()));
            let mut place = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            place.get_or_insert(error);
        }
        let mut separated = fit.model().clone();
        separated.network = fit.into_network();
        (SeparatedLearner { separated }, events)
    }
}

/// Forwards the events of a run to burn-train.
struct Forward<'a> {
    events: &'a mut Events,
    interrupter: Interrupter,
}

impl Forward<'_> {
    fn send<E: core::fmt::Display>(result: core::result::Result<(), E>) -> Result<()> {
        result.map_err(|error| Error::BurnTrain(error.to_string()))
    }
}

/// An item of burn-train: figures of a split, and how much of it was seen.
fn item<T: ItemLazy>(output: T, sweep: usize, seen: usize, samples: usize) -> TrainingItem<T> {
    let progress = Progress::new(seen, samples, Some("samples".into()));
    TrainingItem::new(output, progress, Some(sweep), None)
}

/// The figures of the test split apart from all others.
fn parted(figures: &Figures) -> [Figures; 2] {
    let mut parts = [Figures::default(), Figures::default()];
    for &(figure, value) in figures.iter() {
        let is_test = figure.split == Some(SplitName::Test);
        parts[usize::from(is_test)].record(figure, value);
    }
    parts
}

impl Observer<Error> for Forward<'_> {
    fn progressed(&mut self, progress: SweepProgress) -> Result<()> {
        let SweepProgress {
            sweep,
            seen,
            samples,
        } = progress;
        Self::send(self.events.process_train(match seen {
            0 => LearnerEvent::StartSplit {
                epoch_number: sweep,
                total_items: samples,
            },
            _ => LearnerEvent::ProcessedItem(item(SweepOutput::default(), sweep, seen, samples)),
        }))
    }

    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        let (sweep, samples) = (record.sweep, record.train.samples);
        if sweep == 0 {
            return Ok(());
        }
        let [train, test] = parted(&record.figures);
        let output = |figures, samples| SweepOutput { figures, samples };
        let last = item(output(train, samples), sweep, samples, samples);
        let events = &mut self.events;
        Self::send(events.process_train(LearnerEvent::ProcessedItem(last)))?;
        Self::send(events.process_train(LearnerEvent::EndSplit(sweep)))?;
        if let Some(measured) = &record.test {
            let total_items = measured.samples;
            Self::send(events.process_valid(LearnerEvent::StartSplit {
                epoch_number: sweep,
                total_items,
            }))?;
            let last = item(output(test, total_items), sweep, total_items, total_items);
            Self::send(events.process_valid(LearnerEvent::ProcessedItem(last)))?;
            Self::send(events.process_valid(LearnerEvent::EndSplit(sweep)))?;
        }
        Self::send(events.process_train(LearnerEvent::EndEpoch(sweep)))?;
        Self::send(events.flush())
    }

    fn wants_stop(&self) -> bool {
        self.interrupter.should_stop()
    }
}
