//! `layersep compare`: methods on equal terms, over several seeds.

use core::str::FromStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ls_core::fit::StopSignal;
use ls_core::method::MethodSettings;
use ls_train::config::{BackpropConfig, BatchSize, MethodConfig, OptimizerName, RunConfig};
use ls_train::experiment::{
    Budget, Case, Comparison, Contender, ContenderSummary, ExperimentOptions,
};
use serde::Serialize;
use strum::VariantArray;

use super::support::{Context, new_folder, run_all, stop_on_signal};
use crate::args::values::{count, finite};
use crate::args::{ComputeArgs, ModelArgs, SampleArgs, SetArgs, TokenArgs};
use crate::device;
use crate::failure::{Failure, INTERRUPTED};

/// Compare methods on the same initial weights and the same order of the data, over several seeds
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Examples:
  layersep compare
      exact, alternating, adam and sgd on the embedded digits, three seeds, five seconds each
  layersep compare --methods exact,adam@64,adam@256,sgd@64 --seeds 5 --seconds 20
      optimizers in batches of 64 and 256
  layersep compare --methods foof@250,adam@200 --sweeps 6 --dataset mnist --data-dir DIR --hidden 100,100
      equal sweeps in place of equal seconds

A method is a name that `train --method` takes, such as `exact` or `bcd`, or an optimizer, which then backpropagates; NAME@N takes batches
of N, NAME@full the whole split. By default optimizers and `foof` take batches of 100, and the others what `train` gives them: the whole
split, or the batches of their authors (`predictive-coding`, `locoprop`, `target-propagation`). Learning rates are swept on a
seed of their own, 0, around the optimizer's usual rate, and up to eight further ones until the best lies inside; the best by training
loss, or by validation accuracy with --validation, represents its method. The folder then holds results.csv with every run, figures.csv
with the figures of every method, comparison.md and comparison.csv, plots of each first seed, and all run folders.

With --seconds, methods whose steps fall over the run get as many whole sweeps as fit, by the time of a short pilot run."
)]
pub(crate) struct CompareArgs {
    /// Methods to compare; the others are compared with the first
    #[arg(
        long,
        value_name = "METHOD[@N],...",
        value_delimiter = ',',
        default_value = "exact,alternating,adam,sgd"
    )]
    methods: Vec<Entrant>,
    /// Number of seeds, from 1
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Seconds of training of each run [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = finite(), conflicts_with = "sweeps")]
    seconds: Option<f64>,
    /// Sweeps of each run, in place of seconds
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    sweeps: Option<u64>,
    /// Learning rates to try, in place of those around the usual rate of each optimizer
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', value_parser = finite())]
    rates: Vec<f64>,
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
    #[command(flatten)]
    token: TokenArgs,
    /// Folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    run: Option<PathBuf>,
    /// Print the comparison as JSON on standard output, progress on standard error
    #[arg(long, help_heading = "Run")]
    json: bool,
}

/// Samples in a batch of an optimizer unless its name says otherwise.
const BATCH: usize = 100;

/// Multiples of an optimizer's usual rate to try.
const RATES: [f64; 3] = [0.3, 1.0, 3.0];

/// One of the compared methods, such as `adam@64`.
#[derive(Clone, Debug)]
struct Entrant {
    text: String,
    kind: Kind,
    batch: BatchSize,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A method by its own name.
    Method(MethodConfig),
    /// `backprop` with an optimizer.
    Optimizer(OptimizerName),
}

impl FromStr for Entrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, batch) = match text.split_once('@') {
            Some((name, batch)) => (name, Some(batch.parse()?)),
            None => (text, None),
        };
        let kind = Kind::named(name)?;
        let batch = batch.unwrap_or_else(|| kind.usual_batch());
        if let Kind::Method(method) = &kind {
            let check = method.check_batch_size(batch);
            check.map_err(|error| error.to_string())?;
        }
        Ok(Self {
            text: text.into(),
            kind,
            batch,
        })
    }
}

impl Kind {
    /// Finds a method or an optimizer; `backprop` goes by the names of its optimizers.
    fn named(name: &str) -> Result<Self, String> {
        if let Ok(optimizer) = name.parse() {
            return Ok(Self::Optimizer(optimizer));
        }
        let methods = MethodConfig::all().into_iter();
        let methods = methods.filter(|method| method.name != BackpropConfig::NAME);
        let methods: Vec<_> = methods.collect();
        if let Some(method) = methods.iter().find(|method| method.name == name) {
            return Ok(Self::Method(method.default.clone()));
        }
        let optimizers = OptimizerName::VARIANTS
            .iter()
            .map(|optimizer| optimizer.name());
        let known: Vec<_> = methods
            .iter()
            .map(|method| method.name)
            .chain(optimizers)
            .collect();
        Err(format!(
            "`{name}` is not a method, expected one of: {}",
            known.join(", ")
        ))
    }

    fn usual_batch(&self) -> BatchSize {
        let batch = BatchSize::Samples(BATCH);
        match self {
            Self::Method(method) if method.name() != MethodConfig::suited_to(batch).name() => {
                method.usual_batch_size()
            }
            _ => batch,
        }
    }
}

/// Name of the comparison as a table.
const CSV: &str = "comparison.csv";

/// Name of the comparison as a text.
const MARKDOWN: &str = "comparison.md";

/// Runs the command.
pub(super) fn run(args: &CompareArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let base = args.base()?;
    let case = args.case(&base)?;
    let device = device::find_with_token(&base.device, base.precision, args.token.file())?.device;
    let signal = StopSignal::new();
    stop_on_signal(&signal)?;
    let folder = match &args.run {
        Some(folder) => folder.clone(),
        None => new_folder("compare", &case.name)?,
    };
    for name in [CSV, MARKDOWN] {
        let file = folder.join(name);
        if file.exists() {
            return Err(Failure::new(format!("{} exists already", file.display()))
                .hint("name another folder with --run"));
        }
    }
    let options = ExperimentOptions {
        folder: &folder,
        data: None,
        seeds: args.seeds,
        only: "",
        tuning_seed: 0,
        seconds: args.seconds.unwrap_or(5.0),
        device,
        signal,
    };
    let Some(results) = run_all(vec![case], &options, ui)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let comparison = Comparison::new(&results);
    let text = write(&comparison, &folder)?;
    let contenders = comparison.contenders.iter();
    for note in contenders.filter_map(|contender| args.end_of_grid(contender)) {
        ui.note(&note);
    }
    if args.json {
        ui.json(&Output {
            comparison: &comparison,
            folder: &folder,
        })?;
    } else {
        ui.text(&format!("{text}\nfolder: {}\n", folder.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the comparison into its folder, and returns it as Markdown.
fn write(comparison: &Comparison, folder: &Path) -> Result<String, Failure> {
    comparison.write_csv(&folder.join(CSV))?;
    Ok(comparison.write_markdown(&folder.join(MARKDOWN))?)
}

/// The comparison with its folder, as a program reads it.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    folder: &'a Path,
}

impl CompareArgs {
    /// Returns the configuration that all contenders share.
    fn base(&self) -> Result<RunConfig, Failure> {
        let mut base = match &self.config {
            Some(file) => RunConfig::read(file)?,
            None => RunConfig::default(),
        };
        self.compute.apply(&mut base);
        base.data = self.data.config(base.data);
        base.model = self.model.config(base.model)?;
        if let Some(sweeps) = self.sweeps {
            base.sweeps = usize::try_from(sweeps).unwrap_or(usize::MAX);
        }
        self.set.apply(base)
    }

    fn case(&self, base: &RunConfig) -> Result<Case, Failure> {
        let budget = match self.sweeps {
            Some(_) => Budget::Sweeps,
            None => Budget::Seconds,
        };
        for (place, rate) in self.rates.iter().enumerate() {
            if self.rates[..place].contains(rate) {
                return Err(Failure::new(format!("--rates names {rate} twice")));
            }
        }
        let mut contenders: Vec<Contender> = Vec::new();
        for entrant in &self.methods {
            if contenders.iter().any(|other| other.name == entrant.text) {
                return Err(Failure::new(format!(
                    "--methods names `{}` twice",
                    entrant.text
                )));
            }
            contenders.push(self.contender(entrant, base).within(budget));
        }
        Ok(Case::new(base.data.dataset.clone(), contenders))
    }

    fn contender(&self, entrant: &Entrant, base: &RunConfig) -> Contender {
        let with = |method: MethodConfig| RunConfig {
            batch_size: entrant.batch,
            method: method.into(),
            ..base.clone()
        };
        let name = entrant.text.clone();
        match &entrant.kind {
            Kind::Method(method) => {
                // Settings of the file stay where it configures the same method.
                let own = base.method.library();
                let own = own.filter(|own| own.name() == method.name());
                Contender::fixed(name, with(own.unwrap_or(method).clone()))
            }
            Kind::Optimizer(optimizer) => {
                let base = RunConfig {
                    batch_size: entrant.batch,
                    ..base.clone()
                };
                let swept = Contender::swept(name, &base, *optimizer, &self.rates(*optimizer));
                Contender {
                    widens: self.rates.is_empty(),
                    ..swept
                }
            }
        }
    }

    fn rates(&self, optimizer: OptimizerName) -> Vec<f64> {
        if self.rates.is_empty() {
            let usual = optimizer.learning_rate();
            // Rounded to the digits that a person would write.
            let rounded = |rate: f64| format!("{rate:.1e}").parse().unwrap_or(rate);
            return RATES.map(|factor| rounded(factor * usual)).to_vec();
        }
        self.rates.clone()
    }

    /// Returns a remark on a baseline whose best rate is the least or the largest of those that --rates names.
    fn end_of_grid(&self, summary: &ContenderSummary) -> Option<String> {
        let entrant = self.methods.iter().find(|e| e.text == summary.contender)?;
        let Kind::Optimizer(_) = entrant.kind else {
            return None;
        };
        let rates = &self.rates;
        let rate: f64 = summary.setting.strip_prefix("rate ")?.parse().ok()?;
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = rates.iter().copied().fold(0.0, f64::max);
        let which = match rate {
            rate if rates.len() < 2 || (rate != least && rate != largest) => return None,
            rate if rate == least => "least",
            _ => "largest",
        };
        Some(format!(
            "{} did best at the {which} rate tried, {rate}; --rates names others",
            summary.contender
        ))
    }
}
