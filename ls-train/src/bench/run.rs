//! All measurements of one network.

use burn::tensor::Device;
use ls_core::batch::Batch;
use ls_core::fit::StopSignal;
use ls_core::method::MethodConfig;
use ls_core::network::Network;
use ls_core::objective::measure;

use super::machine::{Machine, matrix_rate};
use super::operations::{Operations, StageSize};
use super::passes::{Passes, factors, gram_rows};
use super::report::{BenchReport, Skipped, Timing};
use super::sweeps::Sweeps;
use super::timer::Timer;
use crate::config::Plan;
use crate::data::Splits;
use crate::experiment::Spread;
use crate::{Error, Result};

/// Choices of the user.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Methods whose sweeps to measure, in full batch and in batches where they allow them.
    pub methods: Vec<MethodConfig>,
    /// Samples of a batch.
    pub batch_size: usize,
    /// Number of measurements of each piece of work, after one that does not count.
    pub repeats: usize,
    /// Device to compute on, in the precision of the plan.
    pub device: Device,
    /// Ends the measurements.
    pub signal: StopSignal,
}

/// A measurement that has just ended.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchProgress {
    /// Measurements done.
    pub done: usize,
    /// All measurements.
    pub total: usize,
    /// Name of the last.
    pub name: String,
    /// Its seconds; `None` where it failed.
    pub seconds: Option<Spread>,
}

/// Names of the measurements before those of the methods.
const PARTS: [&str; 5] = [
    "forward",
    "forward+backward",
    "gram",
    "factor",
    "evaluation",
];

/// Measures the network of a plan on a training split.
///
/// | name | work |
/// | --- | --- |
/// | `forward` | a forward pass over all samples, in chunks that run in parallel on a processor |
/// | `forward+backward` | the same with the gradients of all coefficients |
/// | `gram` | the Gram matrices of the inputs of all stages, which are at hand; of a convolution from as many rows as `exact` takes |
/// | `factor` | their Cholesky factors, in f64 on the host, with the transfer to it |
/// | `evaluation` | the original loss and the accuracy of the split, as after every sweep |
/// | `METHOD@full` | a sweep of a method in full batch |
/// | `METHOD@N` | a sweep (epoch) of a method in batches of `N` |
///
/// Passes start from the initial weights. Sweeps are consecutive ones of a run; the first does not count. A method that fails, such as
/// one that does not suit the network, is among [`BenchReport::skipped`].
///
/// # Errors
/// [`Error::ApplicationNetwork`] for a network that is known by name only, [`Error::Interrupted`] after a signal, and errors of the
/// device.
pub fn run(
    plan: &Plan,
    splits: &Splits,
    options: &BenchOptions,
    observer: &mut dyn FnMut(&BenchProgress),
) -> Result<BenchReport> {
    let config = plan.config();
    let model = config.model.library()?;
    let (shape, classes) = (splits.shape, splits.classes.len());
    let network = model.init(shape, classes, config.seed, &options.device)?;
    let timer = Timer {
        repeats: options.repeats,
        device: &options.device,
        signal: &options.signal,
    };
    let methods = options.methods.iter();
    let sweeps: Vec<_> = methods
        .flat_map(|method| Sweeps::of(method, options.batch_size))
        .collect();
    let rate = matrix_rate(&timer)?;
    let mut bench = Bench {
        report: BenchReport::new(
            Machine::this(&config.device, config.precision),
            model.describe(shape, classes),
            &splits.name,
            splits.train.len(),
        ),
        network: &network,
        split: &splits.train,
        width: config.precision.bytes(),
        timer,
        total: PARTS.len() + sweeps.len(),
        observer,
    };
    bench.passes()?;
    for sweeps in sweeps {
        bench.sweeps(&sweeps, config.seed)?;
    }
    let report = bench.report;
    // Other programs may have slowed one of the two down.
    Ok(report.with_rate(rate.max(matrix_rate(&timer)?)))
}

/// Measurements under way.
struct Bench<'a> {
    network: &'a Network,
    split: &'a Batch,
    /// Bytes of a number.
    width: u64,
    timer: Timer<'a>,
    report: BenchReport,
    total: usize,
    observer: &'a mut dyn FnMut(&BenchProgress),
}

impl Bench<'_> {
    fn passes(&mut self) -> Result<()> {
        let [forward, backward, gram, factor, evaluation] = PARTS;
        let (network, split) = (self.network, self.split);
        let passes = Passes::new(network, split);
        let (stages, samples, width) = (StageSize::all(network), split.len(), self.width);
        let plain = Operations::forward(&stages, samples, width);
        self.part(forward, plain, || {
            passes.forward();
            Ok(())
        })?;
        let both = Operations::forward_and_backward(&stages, samples, width);
        self.part(backward, both, || Ok(passes.forward_and_backward()))?;
        let inputs = passes.inputs();
        let operations = Operations::gram(&stages, samples, gram_rows(), width);
        self.part(gram, operations, || Ok(passes.grams(&inputs)))?;
        let grams = passes.grams(&inputs);
        drop(inputs);
        self.part(factor, Operations::factor(&stages), || factors(&grams))?;
        self.part(evaluation, plain, || Ok(measure(network, None, split)?))
    }

    fn part<T>(
        &mut self,
        name: &str,
        operations: Operations,
        work: impl FnMut() -> Result<T>,
    ) -> Result<()> {
        let seconds = self.timer.time(work)?;
        let timing = Timing::new(name, self.timer.repeats, seconds);
        self.report.timings.push(timing.counted(operations));
        self.tell(name, Some(seconds));
        Ok(())
    }

    fn sweeps(&mut self, sweeps: &Sweeps, seed: u64) -> Result<()> {
        let name = sweeps.name();
        let seconds = match sweeps.time(self.network, self.split, seed, &self.timer) {
            Ok(seconds) => {
                let timing = Timing::new(name.clone(), self.timer.repeats, seconds);
                self.report.timings.push(timing);
                Some(seconds)
            }
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                let reason = error.to_string();
                self.report.skipped.push(Skipped {
                    name: name.clone(),
                    reason,
                });
                None
            }
        };
        self.tell(&name, seconds);
        Ok(())
    }

    fn tell(&mut self, name: &str, seconds: Option<Spread>) {
        (self.observer)(&BenchProgress {
            done: self.report.timings.len() + self.report.skipped.len(),
            total: self.total,
            name: name.into(),
            seconds,
        });
    }
}
