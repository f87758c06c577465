//! The training loop: batches, sweeps, measurements, reasons to stop, observers.
//!
//! [`Fit`] runs any [`Method`] on any network. It knows no file and no display: an [`Observer`] takes in its events, and
//! may save a [`Snapshot`] from which a later run resumes bit for bit.
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use ls_core::batch::Batch;
//! use ls_core::fit::{Fit, FitConfig, FitData, Stop, StopSignal};
//! use ls_core::method::{Exact, ExactConfig};
//! use ls_core::model::MlpConfig;
//! use ls_core::shape::FeatureShape;
//! use ls_core::stage::{Activation, Init};
//!
//! let device = Device::flex();
//! // Exclusive or.
//! let inputs = Tensor::from_data([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], &device);
//! let labels = Tensor::<1, Int>::from_data([0, 1, 1, 0], &device);
//! let data = FitData::new(Batch::full(inputs, labels));
//! let mlp = MlpConfig::new(vec![8], Activation::Tanh);
//! let network = mlp.init(FeatureShape::Flat(2), 2, 1, &device)?;
//!
//! let mut method = Exact::new(ExactConfig::default(), &network)?;
//! let config = FitConfig { sweeps: 50, ..FitConfig::default() }.with_target_loss(1e-3);
//! let mut fit = Fit::<ls_core::Error>::new(&mut method, network, data, config);
//! assert_eq!(fit.run(&StopSignal::new())?, Stop::Target);
//! let network = fit.into_network();
//! # assert_eq!(network.classes(), 2);
//! # Ok::<(), ls_core::Error>(())
//! ```

mod augmentation;
mod batches;
mod config;
mod observer;
mod record;
mod state;
mod stop;

use std::time::Instant;

pub use augmentation::{Augmentation, ImageChange};
pub use batches::Batches;
pub use config::{FitConfig, FitData};
pub use observer::{Observer, RunStart, SweepProgress};
pub use record::{
    ACCURACY, BOUND_RATIO, CALIBRATED_LOSS, CERTIFICATE, ORIGINAL_LOSS, RESIDUAL, SEPARATED_LOSS,
    SweepRecord,
};
pub use state::{BestSweep, FitState, Snapshot};
pub use stop::{Limits, Stop, StopSignal};

use record::Measured;

use crate::figure::{Figure, Figures};
use crate::method::{Method, ObjectiveLoss, Separated};
use crate::network::Network;
use crate::objective::{measure, measure_calibrated};
use crate::update::is_noticeable_decrease;

/// Number of sweeps without a noticeable decrease that end a run of a method which promises descent.
const STALLED_SWEEPS: usize = 10;

/// A run of a method on a network.
pub struct Fit<'a, E = crate::Error> {
    method: &'a mut dyn Method,
    model: Separated,
    data: FitData,
    config: FitConfig,
    batches: Batches,
    state: FitState,
    best: Option<Network>,
    label: String,
    observers: Vec<Box<dyn Observer<E> + 'a>>,
}

impl<'a, E: From<crate::Error>> Fit<'a, E> {
    /// Prepares a run from the initial weights of a network; methods with auxiliary variables start at the feasible point.
    pub fn new(
        method: &'a mut dyn Method,
        network: Network,
        data: FitData,
        config: FitConfig,
    ) -> Self {
        let batches = Batches::new(data.train.len(), config.batch_size, config.seed);
        Self {
            model: Separated::for_method(method, network, &data.train),
            label: method.name().to_owned(),
            method,
            data,
            config,
            batches,
            state: FitState::default(),
            best: None,
            observers: Vec::new(),
        }
    }

    /// Adds an observer; observers hear of every event in the order in which they were added.
    pub fn observe(&mut self, observer: impl Observer<E> + 'a) {
        self.observe_boxed(Box::new(observer));
    }

    /// Adds an observer that is boxed already.
    pub fn observe_boxed(&mut self, observer: Box<dyn Observer<E> + 'a>) {
        self.observers.push(observer);
    }

    /// Describes the run in one line, for observers that show it.
    pub fn label(&mut self, label: impl Into<String>) {
        self.label = label.into();
    }

    /// Takes over the state of an earlier run: its counters, its model, and the best network by the validation split. The memory of
    /// the method goes into the method, by [`Method::restore`].
    pub fn resume(&mut self, state: FitState, model: Separated, best: Option<Network>) {
        self.state = state;
        self.model = model;
        self.best = best;
    }

    /// Returns the model, to load a saved one of its shape.
    pub fn model(&self) -> &Separated {
        &self.model
    }

    /// Returns the counters.
    pub fn state(&self) -> &FitState {
        &self.state
    }

    /// Returns the figures that the run can report, in the order in which they are shown.
    pub fn figures(&self) -> Vec<Figure> {
        let [validation, test] = [&self.data.validation, &self.data.test].map(Option::is_some);
        record::figures(self.method, &self.model.network, validation, test)
    }

    /// Runs sweeps until there is a reason to stop. After an error in a sweep or its measurement the model is the one before that sweep.
    ///
    /// # Errors
    /// Errors of the method and of the measurements, among them [`crate::Error::NotFinite`] for a run that diverges, and the first
    /// error of an observer.
    pub fn run(&mut self, signal: &StopSignal) -> Result<Stop, E> {
        self.start()?;
        for sweep in self.state.sweep + 1..=self.config.sweeps {
            // The weights before this sweep survive an error in it.
            let before = self.model.network.clone();
            let record = self
                .sweep(sweep)
                .and_then(|figures| Ok(self.measure(sweep, &figures)?));
            let record = record.inspect_err(|_| self.model.network = before)?;
            let stop = self.take_in(record, signal)?;
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
        Ok(Stop::SweepLimit)
    }

    /// Returns the trained network: the best one by the validation split if there is one, else the last.
    pub fn into_network(self) -> Network {
        self.best.unwrap_or(self.model.network)
    }

    /// Tells the observers of the start, and of its figures where the run is new.
    fn start(&mut self) -> Result<(), E> {
        let figures = self.figures();
        let start = RunStart {
            label: &self.label,
            figures: &figures,
            done: self.state.sweep,
            sweeps: self.config.sweeps,
            samples: self.data.train.len(),
        };
        for observer in &mut self.observers {
            observer.started(&start)?;
        }
        if self.state.sweep == 0 {
            let record = self.measure(0, &Figures::default())?;
            self.each(|observer| observer.sweep_ended(&record))?;
            self.state.least = self.objective(&record);
            self.keep_if_better(&record);
        }
        Ok(())
    }

    /// Moves the model over all batches once.
    fn sweep(&mut self, sweep: usize) -> Result<Figures, E> {
        let mut progress = SweepProgress {
            sweep,
            seen: 0,
            samples: self.data.train.len(),
        };
        self.each(|observer| observer.progressed(progress))?;
        let started = Instant::now();
        let mut figures = Figures::default();
        for index in self.batches.order(sweep) {
            let mut batch = self.batches.pick(&self.data.train, index);
            if let Some(augmentation) = &self.data.augmentation {
                batch = augmentation.apply(&batch, self.config.seed, sweep);
            }
            figures = figures.followed_by(self.method.sweep(&mut self.model, &batch)?);
            progress.seen += batch.len();
            if progress.seen < progress.samples {
                self.each(|observer| observer.progressed(progress))?;
            }
        }
        self.method.end_sweep(&mut self.model)?;
        self.state.seconds += started.elapsed().as_secs_f64();
        Ok(figures)
    }

    /// Measures all splits; the training split without its separated loss where that is not due.
    fn measure(&mut self, sweep: usize, method: &Figures) -> crate::Result<SweepRecord> {
        let train = match self.is_due(sweep) {
            true => self.method.measure(&mut self.model, &self.data.train)?,
            false => measure(&self.model.network, None, &self.data.train)?,
        };
        let network = &self.model.network;
        let validation = self.data.validation.as_ref();
        let validation = validation.map(|split| measure_calibrated(network, split));
        let (validation, calibrated_loss_mean) = validation.transpose()?.unzip();
        let test = self.data.test.as_ref();
        let measured = Measured {
            train,
            validation,
            calibrated_loss_mean,
            test: test
                .map(|split| measure(network, None, split))
                .transpose()?,
        };
        Ok(SweepRecord::new(
            sweep,
            self.state.seconds,
            measured,
            method,
        ))
    }

    /// Whether the separated loss is measured after a sweep, whether or not the run ends with it.
    fn is_due(&self, sweep: usize) -> bool {
        let lowers_it = self.method.objective().loss == ObjectiveLoss::Separated;
        lowers_it || sweep.is_multiple_of(self.config.measure_every.max(1))
    }

    /// Takes in the record of a sweep: counters, best weights, observers, checkpoint. Returns the reason to stop, if there is one.
    fn take_in(&mut self, mut record: SweepRecord, signal: &StopSignal) -> Result<Option<Stop>, E> {
        self.state.sweep = record.sweep;
        self.keep_if_better(&record);
        self.watch_objective(&record);
        let mut is_measured = self.is_due(record.sweep);
        let mut stop = self.stop(&record, self.is_asked(signal));
        if stop.is_some() && !is_measured {
            record.separate(self.method.measure(&mut self.model, &self.data.train)?);
            is_measured = true;
        }
        self.each(|observer| observer.sweep_ended(&record))?;
        // Observers may ask for it because of this record; without its separated loss it is not to be the last.
        if stop.is_none() && is_measured {
            stop = self.stop(&record, self.is_asked(signal));
        }
        let snapshot = Snapshot {
            state: &self.state,
            model: &self.model,
            method: &*self.method,
            best: self.best.as_ref(),
        };
        for observer in &mut self.observers {
            observer.checkpoint(snapshot, stop)?;
        }
        Ok(stop)
    }

    fn is_asked(&self, signal: &StopSignal) -> bool {
        signal.is_given() || self.observers.iter().any(|observer| observer.wants_stop())
    }

    /// Keeps the weights of a sweep that does better on the validation split.
    fn keep_if_better(&mut self, record: &SweepRecord) {
        let Some(found) = BestSweep::of(record) else {
            return;
        };
        let best = self.state.best.as_ref();
        if best.is_none_or(|best| found.is_better_than(best)) {
            self.state.best = Some(found);
            self.best = Some(self.model.network.clone());
        }
    }

    /// Counts the sweeps without a noticeable decrease of the objective.
    fn watch_objective(&mut self, record: &SweepRecord) {
        let value = self.objective(record);
        if is_noticeable_decrease(self.state.least, value) {
            self.state.least = value;
            self.state.waited = 0;
        } else {
            self.state.waited += 1;
        }
    }

    fn stop(&self, record: &SweepRecord, asked: bool) -> Option<Stop> {
        let limits = &self.config.limits;
        let loss = record.train.original_loss_mean;
        let without_better = self
            .state
            .best
            .as_ref()
            .map(|best| record.sweep - best.sweep);
        let descends = self.batches.is_full() && self.method.objective().descends;
        let reasons = [
            (self.method.is_complete(), Stop::Complete),
            (asked, Stop::Interrupted),
            (
                limits.target_loss.is_some_and(|target| loss <= target),
                Stop::Target,
            ),
            (
                limits.time.is_some_and(|limit| record.elapsed >= limit),
                Stop::TimeLimit,
            ),
            (
                without_better
                    .zip(limits.patience)
                    .is_some_and(|(n, patience)| n >= patience),
                Stop::Patience,
            ),
            (
                descends && self.state.waited >= STALLED_SWEEPS,
                Stop::Stalled,
            ),
            (record.sweep == self.config.sweeps, Stop::SweepLimit),
        ];
        reasons
            .into_iter()
            .find_map(|(holds, stop)| holds.then_some(stop))
    }

    /// The loss that the method lowers; infinite while the method has not reported its own.
    fn objective(&self, record: &SweepRecord) -> f64 {
        match self.method.objective().loss {
            ObjectiveLoss::Original => record.train.original_loss_mean,
            ObjectiveLoss::Separated => record
                .figures
                .number(&SEPARATED_LOSS)
                .unwrap_or(f64::INFINITY),
            ObjectiveLoss::Reported(figure) => {
                record.figures.number(&figure).unwrap_or(f64::INFINITY)
            }
        }
    }

    fn each(
        &mut self,
        mut event: impl FnMut(&mut dyn Observer<E>) -> Result<(), E>,
    ) -> Result<(), E> {
        for observer in &mut self.observers {
            event(observer.as_mut())?;
        }
        Ok(())
    }
}
