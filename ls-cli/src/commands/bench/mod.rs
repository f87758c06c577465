//! `layersep bench`: seconds of passes and sweeps, and their growth.

mod growth;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ls_core::fit::StopSignal;
use ls_train::bench::{self, BenchComparison, BenchOptions, BenchProgress, BenchReport, Quantity};
use ls_train::config::{MethodConfig, Plan, RunConfig};
use ls_train::data::Splits;
use ls_train::memory::MemoryNeed;
use serde::Serialize;

use super::support::{Context, ensure_fits, ensure_replaceable, is_stdout, stop_on_signal};
use crate::args::values::{count, named};
use crate::args::{ComputeArgs, ModelArgs, SampleArgs, SetArgs};
use crate::device;
use crate::failure::Failure;
use crate::ui::Ui;

/// Measure the speed of passes and sweeps on this machine, or their growth with the problem
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Examples:
  layersep bench
      the default network on the digits: passes, and sweeps of all methods
  layersep bench --output before.json; layersep bench --against before.json
      ratios of two versions of the program
  layersep bench --model cnn --methods exact,foof
  layersep bench --over samples,width,depth
      growth of the seconds of `exact` and `foof` on random data, with exponents, tables and pictures
  layersep bench --over width --sizes 100,200,400

A row is the median of --repeats measurements after one that does not count. `forward`, `forward+backward` and `gram` go over all samples,
`factor` solves for their Gram matrices, `evaluation` is the report after a sweep. Sweeps are those of a run, one after the other: `exact@full`
in full batch, `foof@250` in batches of 250. The share compares the counted operations per second with the machine's rate of matrix
products. Close other programs, and build with --release."
)]
pub(crate) struct BenchArgs {
    /// Methods to measure [default: all]
    #[arg(long, value_name = "METHOD,...", value_delimiter = ',', value_parser = method)]
    methods: Vec<MethodConfig>,
    /// Samples of a batch
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = count::<usize>())]
    batch_size: usize,
    /// Measurements of each row [default: 9; 3 with --over]
    #[arg(long, value_name = "N", value_parser = count::<usize>())]
    repeats: Option<usize>,
    /// Write the results as JSON into a file, too; earlier results are replaced, any other file only with --overwrite
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that holds no earlier results
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Show ratios to the results in FILE, which --output or --json wrote
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Measure the growth with these quantities, one at a time, on random data: samples, width, depth
    #[arg(
        long,
        value_name = "QUANTITY,...",
        value_delimiter = ',',
        value_parser = named(&Quantity::ALL, Quantity::name),
        conflicts_with_all = ["methods", "output", "against"],
        help_heading = "Growth"
    )]
    over: Vec<Quantity>,
    /// Sizes of the one quantity of --over, in place of its own
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        value_parser = count::<usize>(),
        requires = "over",
        help_heading = "Growth"
    )]
    sizes: Vec<usize>,
    /// Folder to make for tables and pictures [default: a new one under runs/]
    #[arg(long, value_name = "DIR", requires = "over", help_heading = "Growth")]
    run: Option<PathBuf>,
    /// TOML file with data, network and settings of methods, as `layersep config` prints it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    data: SampleArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Print the results as JSON on standard output, progress on standard error
    #[arg(long)]
    json: bool,
}

/// Measurements of a row unless the user says otherwise.
const REPEATS: usize = 9;

fn method(name: &str) -> Result<MethodConfig, String> {
    MethodConfig::named(name).map_err(|error| error.to_string())
}

/// Runs the command.
pub(super) fn run(args: &BenchArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    if cfg!(debug_assertions) {
        ui.note("this is a debug build; a release build is faster");
    }
    if args.output.as_deref().is_some_and(is_stdout) {
        return Err(Failure::new("--output names a file")
            .hint("--json writes the results to standard output"));
    }
    if !args.over.is_empty() {
        return growth::run(args, ui);
    }
    // First, so that a wrong file costs no time.
    let old = args.against.as_deref().map(BenchReport::read);
    let old = old.transpose()?;
    if let Some(file) = &args.output {
        let is_earlier = |file: &Path| BenchReport::read(file).is_ok();
        ensure_replaceable(file, args.overwrite, is_earlier)?;
    }
    let report = args.measure(ui)?;
    let against = old.map(|old| BenchComparison::new(&report, &old));
    for difference in against.iter().flat_map(|found| &found.differences) {
        ui.note(&format!("not measured on equal terms: {difference}"));
    }
    if args.json {
        ui.json(&Output {
            report: &report,
            against: against.as_ref(),
        })?;
    } else {
        let ratios = against.as_ref().map_or_else(String::new, table::ratios);
        ui.text(&(table::report(&report) + &ratios))?;
    }
    if let Some(file) = &args.output {
        report.write(file)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A report with its comparison, as a program reads it.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    report: &'a BenchReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a BenchComparison>,
}

impl BenchArgs {
    /// Measures the network on the samples.
    fn measure(&self, ui: &Ui) -> Result<BenchReport, Failure> {
        let plan = self.plan()?;
        let config = plan.config();
        let methods = self.methods(config)?;
        let found = device::find(&config.device, config.precision)?;
        let signal = StopSignal::new();
        stop_on_signal(&signal)?;
        let splits = Splits::load(&plan, &found.device)?;
        // The free memory of a card is not known.
        if found.kind.is_host() {
            let need = need(&plan, &splits)?;
            ensure_fits(need.total(), need.auxiliary_sum())?;
        }
        let options = BenchOptions {
            methods,
            batch_size: self.batch_size,
            repeats: self.repeats.unwrap_or(REPEATS),
            device: found.device,
            signal,
        };
        let report = bench::run(&plan, &splits, &options, &mut |progress| {
            ui.progress(&line(progress));
        })?;
        for skipped in &report.skipped {
            ui.note(&format!("{} failed: {}", skipped.name, skipped.reason));
        }
        Ok(report)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let mut config = match &self.config {
            Some(file) => RunConfig::read(file)?,
            None => RunConfig::default(),
        };
        self.compute.apply(&mut config);
        config.data = self.data.config(config.data);
        config.model = self.model.config(config.model)?;
        Ok(self.set.apply(config)?.check()?)
    }

    /// Returns the methods; settings of the configuration stay where it configures the same method.
    fn methods(&self, config: &RunConfig) -> Result<Vec<MethodConfig>, Failure> {
        let own = config.method.library();
        let mut methods: Vec<MethodConfig> = Vec::new();
        let all = || MethodConfig::all().into_iter().map(|info| info.default);
        let named: Vec<MethodConfig> = match self.methods.is_empty() {
            true => all().collect(),
            false => self.methods.clone(),
        };
        for method in named {
            if methods.iter().any(|other| other.name() == method.name()) {
                let name = method.name();
                return Err(Failure::new(format!("--methods names `{name}` twice")));
            }
            let own = own.filter(|own| own.name() == method.name());
            methods.push(own.cloned().unwrap_or(method));
        }
        Ok(methods)
    }
}

/// Estimates the need of `exact`, the largest of the methods.
fn need(plan: &Plan, splits: &Splits) -> Result<MemoryNeed, Failure> {
    let config = RunConfig {
        method: MethodConfig::default().into(),
        ..plan.config().clone()
    };
    let layout = config.model.library()?;
    let layout = layout.layout(splits.shape, splits.classes.len());
    let layout = layout.map_err(ls_train::Error::from)?;
    let samples = splits.train.len();
    Ok(MemoryNeed::of_run(&config, &layout, splits.shape, samples))
}

/// Formats a measurement that has just ended.
fn line(progress: &BenchProgress) -> String {
    let BenchProgress {
        done,
        total,
        name,
        seconds,
    } = progress;
    let seconds = seconds.map_or("failed".into(), |found| table::seconds(found.median));
    format!("[{done}/{total}] {name}: {seconds}")
}
