//! Seconds of sweeps, and the memory of a run, against the size of the problem.

use std::path::Path;

use burn::tensor::Device;
use ls_core::fit::StopSignal;
use ls_core::method::MethodConfig;
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Init};
use serde::Serialize;

use super::exponent::Exponent;
use super::gaussian;
use super::growth_files::{self, GrowthTable};
use super::machine::Machine;
use super::run::BenchProgress;
use super::sweeps::Sweeps;
use super::timer::Timer;
use crate::config::{BatchSize, Precision, RunConfig};
use crate::experiment::Spread;
use crate::memory::MemoryNeed;
use crate::{Error, Result};

/// A quantity that grows while the others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Number of training samples.
    Samples,
    /// Width of all hidden layers.
    Width,
    /// Number of hidden layers.
    Depth,
}

impl Quantity {
    /// All quantities, in the order in which help lists them.
    pub const ALL: [Self; 3] = [Self::Samples, Self::Width, Self::Depth];

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Width => "width",
            Self::Depth => "depth",
        }
    }

    /// Checks that a size is within reason; a larger one is a typing error.
    fn check(self, size: usize) -> Result<()> {
        let (most, allowed) = match self {
            Self::Samples => (100_000_000, "it must be from 1 to 100,000,000"),
            Self::Width => (100_000, "it must be from 1 to 100,000"),
            Self::Depth => (1_000, "it must be from 1 to 1,000"),
        };
        match (1..=most).contains(&size) {
            true => Ok(()),
            false => Err(Error::InvalidConfig {
                field: self.name(),
                value: size.to_string(),
                allowed,
            }),
        }
    }

    /// Returns the sizes to measure unless the user names others.
    pub fn sizes(self) -> &'static [usize] {
        match self {
            Self::Samples => &[1_000, 4_000, 15_000, 60_000],
            Self::Width => &[32, 64, 128, 256, 512, 1024],
            Self::Depth => &[2, 5, 10, 20, 50, 100],
        }
    }
}

/// A problem: a network of equally wide relu layers on Gaussian samples of 64 features and 10 classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Problem {
    samples: usize,
    width: usize,
    depth: usize,
}

/// The problem of which one quantity changes.
const BASE: Problem = Problem {
    samples: 4_000,
    width: 128,
    depth: 2,
};

impl Problem {
    fn with(self, quantity: Quantity, size: usize) -> Self {
        let mut problem = self;
        match quantity {
            Quantity::Samples => problem.samples = size,
            Quantity::Width => problem.width = size,
            Quantity::Depth => problem.depth = size,
        }
        problem
    }

    fn model(self) -> ModelConfig {
        let activation = Activation::Relu;
        ModelConfig::Mlp(MlpConfig {
            init: Init::suited_to(self.depth, activation),
            ..MlpConfig::new(vec![self.width; self.depth], activation)
        })
    }
}

/// Features of the samples.
const INPUT: FeatureShape = FeatureShape::Flat(gaussian::INPUTS);

/// Choices of the user.
#[derive(Clone, Debug)]
pub struct GrowthOptions<'a> {
    /// Quantities with the sizes to measure.
    pub quantities: Vec<(Quantity, Vec<usize>)>,
    /// Samples of a batch of `foof`.
    pub batch_size: usize,
    /// Number of measured sweeps, after one that does not count.
    pub repeats: usize,
    /// Seed of samples, weights and batches.
    pub seed: u64,
    /// Device to compute on.
    pub device: Device,
    /// Its name.
    pub device_name: String,
    /// Its precision.
    pub precision: Precision,
    /// Folder for tables and pictures; it is made if it does not exist.
    pub folder: &'a Path,
    /// Ends the measurements.
    pub signal: StopSignal,
}

impl GrowthOptions<'_> {
    /// Returns the methods that suit the whole split and batches.
    fn methods(&self) -> [Sweeps; 2] {
        let sizes = [BatchSize::Full, BatchSize::Samples(self.batch_size)];
        sizes.map(|batch_size| Sweeps {
            method: MethodConfig::suited_to(batch_size),
            batch_size,
        })
    }

    /// Checks every size.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] or [`Error::Core`], naming the value and what is allowed.
    fn check(&self) -> Result<()> {
        for sweeps in self.methods() {
            sweeps.method.check_batch_size(sweeps.batch_size)?;
        }
        let mut quantities = self.quantities.iter();
        quantities.try_for_each(|(quantity, sizes)| {
            let mut sizes = sizes.iter();
            sizes.try_for_each(|&size| quantity.check(size))
        })
    }

    /// Estimates the memory of the largest problem. Nothing is allocated.
    ///
    /// # Errors
    /// Those of [`growth`] that a wrong size has.
    pub fn largest_need(&self) -> Result<MemoryNeed> {
        self.check()?;
        let mut largest: Option<MemoryNeed> = None;
        for (quantity, sizes) in &self.quantities {
            for &size in sizes {
                for sweeps in self.methods() {
                    let need = need(BASE.with(*quantity, size), &sweeps, self.precision)?;
                    let known = largest.as_ref().map_or(0, MemoryNeed::total);
                    if need.total() > known {
                        largest = Some(need);
                    }
                }
            }
        }
        Ok(largest.unwrap_or_else(|| MemoryNeed::of(&[], INPUT, 0, 0)))
    }
}

/// Seconds and memory against sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// Where it was measured.
    pub machine: Machine,
    /// A row for each size and method.
    pub rows: Vec<GrowthRow>,
    /// The exponents of each quantity and method.
    pub exponents: Vec<GrowthExponents>,
}

/// A quantity and a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrowthSeries {
    /// The quantity that grows.
    pub quantity: Quantity,
    /// The method with its batches, such as `exact@full`.
    pub method: String,
}

/// One size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthRow {
    /// Quantity and method.
    #[serde(flatten)]
    pub series: GrowthSeries,
    /// The size.
    pub size: usize,
    /// Seconds of a sweep.
    pub seconds: Spread,
    /// Estimate of the memory of a run, in bytes.
    pub memory: u64,
}

/// The exponents of a quantity and a method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrowthExponents {
    /// Quantity and method.
    #[serde(flatten)]
    pub series: GrowthSeries,
    /// Of the median seconds; `None` for one size.
    pub seconds: Option<Exponent>,
    /// Of the estimated bytes; `None` for one size.
    pub memory: Option<Exponent>,
}

impl GrowthExponents {
    /// Fits the exponents of all series, in the order of their first rows.
    pub(super) fn all(rows: &[GrowthRow]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for row in rows {
            if all.iter().any(|known| known.series == row.series) {
                continue;
            }
            let points = |of: fn(&GrowthRow) -> f64| {
                let own = rows.iter().filter(|other| other.series == row.series);
                let points = own.map(|row| (row.size as f64, of(row)));
                Exponent::fit(&points.collect::<Vec<_>>())
            };
            all.push(Self {
                series: row.series.clone(),
                seconds: points(|row| row.seconds.median),
                memory: points(|row| row.memory as f64),
            });
        }
        all
    }
}

/// Measures sweeps of `exact` in full batch and of `foof` in batches, on random samples of growing size.
///
/// One quantity changes at a time; the others are those of 4,000 samples and two hidden layers of 128. The folder then holds `growth.csv`,
/// of which every row is written as soon as it is measured, `growth.md`, and a plot of the seconds for each quantity (SVG and PNG).
///
/// # Errors
/// [`Error::InvalidConfig`] or [`Error::Core`] for a size that is not possible, [`Error::ResultsExist`] for a folder with a table,
/// [`Error::Interrupted`] after a signal, and errors of the methods and of the device.
pub fn growth(
    options: &GrowthOptions<'_>,
    observer: &mut dyn FnMut(&BenchProgress),
) -> Result<Growth> {
    options.check()?;
    let mut table = GrowthTable::create(options.folder)?;
    let methods = options.methods();
    let sizes = options.quantities.iter().map(|(_, sizes)| sizes.len());
    let total = methods.len() * sizes.sum::<usize>();
    let mut rows = Vec::new();
    for (quantity, sizes) in &options.quantities {
        for &size in sizes {
            for sweeps in &methods {
                let row = measure(*quantity, size, sweeps, options)?;
                table.append(&row)?;
                observer(&BenchProgress {
                    done: rows.len() + 1,
                    total,
                    name: format!("{} = {size}, {}", quantity.name(), row.series.method),
                    seconds: Some(row.seconds),
                });
                rows.push(row);
            }
        }
    }
    let growth = Growth {
        machine: Machine::this(&options.device_name, options.precision),
        exponents: GrowthExponents::all(&rows),
        rows,
    };
    growth_files::write(&growth, options.folder)?;
    Ok(growth)
}

fn measure(
    quantity: Quantity,
    size: usize,
    sweeps: &Sweeps,
    options: &GrowthOptions<'_>,
) -> Result<GrowthRow> {
    let problem = BASE.with(quantity, size);
    let model = problem.model();
    let split = gaussian::samples(problem.samples, options.seed, &options.device);
    let network = model.init(INPUT, gaussian::CLASSES, options.seed, &options.device)?;
    let timer = Timer {
        repeats: options.repeats,
        device: &options.device,
        signal: &options.signal,
    };
    let seconds = sweeps.time(&network, &split, options.seed, &timer)?;
    let need = need(problem, sweeps, options.precision)?;
    Ok(GrowthRow {
        series: GrowthSeries {
            quantity,
            method: sweeps.name(),
        },
        size,
        seconds,
        memory: need.total(),
    })
}

fn need(problem: Problem, sweeps: &Sweeps, precision: Precision) -> Result<MemoryNeed> {
    let config = RunConfig {
        batch_size: sweeps.batch_size,
        precision,
        method: sweeps.method.clone().into(),
        ..RunConfig::default()
    };
    let layout = problem.model().layout(INPUT, gaussian::CLASSES)?;
    let samples = problem.samples;
    Ok(MemoryNeed::of_run(&config, &layout, INPUT, samples))
}
