//! The commands, and how values on the command line are read.

use core::fmt::Display;
use core::str::FromStr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser, styling};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ls_core::linalg::Norm;
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig, StagesConfig};
use ls_core::objective::Weighting;
use ls_core::stage::{Activation, Init};
use ls_datasets::Source;
use ls_train::config::{DataConfig, RunConfig};

use crate::commands::compare::CompareArgs;
use crate::commands::completions::CompletionsArgs;
use crate::commands::config::ConfigArgs;
use crate::commands::data::{self, DataArgs};
use crate::commands::devices::DevicesArgs;
use crate::commands::eval::EvalArgs;
use crate::commands::experiment::ExperimentArgs;
use crate::commands::export::ExportArgs;
use crate::commands::info::InfoArgs;
use crate::commands::man::ManArgs;
use crate::commands::predict::PredictArgs;
use crate::commands::report::ReportArgs;
use crate::commands::train::TrainArgs;
use crate::failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed on the way: a loss that is not finite, a device that failed, a defect of the program; or `data verify` found
       files that are missing or damaged
  2    could not start, or a file could not be read or written; one line on standard error says what and what is allowed
  130  interrupted; what was computed is kept

Results go to standard output, everything else to standard error. NO_COLOR turns colours off.";

/// Train deep classifiers by layer separation: every report shows the original loss, the separated loss that bounds it, and
/// a certificate
#[derive(Debug, Parser)]
#[command(
    name = "layersep",
    version,
    arg_required_else_help = true,
    styles = styling::Styles::styled(),
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    /// Show results and errors only
    #[arg(
        long,
        short,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Messages"
    )]
    pub(crate) quiet: bool,
    /// Say more on standard error: what was read, and what it needs
    #[arg(long, short, global = true, help_heading = "Messages")]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArgs>),
    Eval(EvalArgs),
    Predict(PredictArgs),
    Export(ExportArgs),
    Report(ReportArgs),
    Info(Box<InfoArgs>),
    Config(Box<ConfigArgs>),
    Data(DataArgs),
    Devices(DevicesArgs),
    Compare(CompareArgs),
    Experiment(ExperimentArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Reads one of several named values; help and errors list the names.
pub(crate) fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(move |&value| name(value))).try_map(move |text| {
        all.iter()
            .copied()
            .find(|&value| name(value) == text)
            .ok_or("unknown name")
    })
}

/// A whole number that an option takes.
pub(crate) trait Whole:
    FromStr + PartialOrd + From<u8> + Display + Clone + Send + Sync + 'static
{
}

impl Whole for u64 {}
impl Whole for usize {}

/// Reads a whole number from 1.
pub(crate) fn count<T: Whole>() -> impl TypedValueParser<Value = T> {
    whole(T::from(1))
}

/// Reads a whole number from 0.
pub(crate) fn whole_number<T: Whole>() -> impl TypedValueParser<Value = T> {
    whole(T::from(0))
}

fn whole<T: Whole>(least: T) -> impl TypedValueParser<Value = T> {
    StringValueParser::new().try_map(move |text| {
        let found = text.parse().ok().filter(|number: &T| *number >= least);
        found.ok_or_else(|| format!("it must be a whole number from {least}"))
    })
}

/// Puts a given value in the place of another.
pub(crate) fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// Which samples.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct SampleArgs {
    /// Data set [default: digits]
    #[arg(long, value_parser = named(Source::ALL, Source::name))]
    dataset: Option<Source>,
    /// Folder with the files of the data set, under the names they are distributed with; for `folder` one with a folder of
    /// images for each class, for `csv` a file with a label and pixels in each line [default: what `data download` got]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// With `folder` or `csv` and no test split: part of each class to test with, chosen by the seed [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    test_share: Option<f64>,
    /// Use only the first N training samples
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    limit: Option<u64>,
    /// Hold out N of the training samples, chosen by the seed, and end with the weights that did best on them
    #[arg(long, value_name = "N", value_parser = count::<usize>())]
    validation: Option<usize>,
}

impl SampleArgs {
    /// The samples of `base`, with what was given on the command line in place of its own.
    pub(crate) fn config(&self, mut base: DataConfig) -> DataConfig {
        if let Some(source) = self.dataset
            && source.name() != base.dataset
        {
            // Folder and split belong to the other data set.
            base.dataset = source.name().into();
            base.folder = None;
            base.test_share = None;
        }
        if self.data_dir.is_some() {
            base.folder.clone_from(&self.data_dir);
        }
        if base.folder.is_none() {
            base.folder = base.dataset.parse().ok().and_then(data::cached);
        }
        base.test_share = self.test_share.or(base.test_share);
        if let Some(limit) = self.limit {
            base.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        base.validation = self.validation.or(base.validation);
        base
    }
}

/// Which network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Architecture: `mlp`, `cnn`, or a TOML file with a list of stages [default: mlp]
    #[arg(long, value_name = "mlp|cnn|FILE")]
    model: Option<String>,
    /// Widths of the hidden layers of `mlp`: `100,100`, `64x10` for ten of 64, or `none` [default: 128,128]
    #[arg(long, value_name = "WIDTHS")]
    hidden: Option<Widths>,
    /// Activation of the hidden layers of `mlp` and `cnn` [default: relu]
    #[arg(long, value_parser = named(&Activation::ALL, Activation::name))]
    activation: Option<Activation>,
    /// Distribution of the initial weights [default: kaiming; orthogonal from ten hidden layers on, unless sigmoid]
    #[arg(long, value_parser = named(&Init::ALL, Init::name))]
    init: Option<Init>,
}

/// Hidden stages of `--model cnn`.
const CNN_STAGES: usize = 3;

/// How residuals are weighted.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Weighting")]
pub(crate) struct WeightingArgs {
    /// Weights of the residuals: self-adaptive, or fixed (no bound) [default: spectral]
    #[arg(long, value_enum)]
    weighting: Option<WeightingName>,
    /// η of the self-adaptive weights [default: 1]
    #[arg(long)]
    eta: Option<f64>,
    /// ω of the fixed weights [default: 1]
    #[arg(long)]
    omega: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WeightingName {
    /// Self-adaptive, from spectral norms; for convolutions times the overlap of their patches
    Spectral,
    /// As spectral, but smaller for convolutions: at most the largest norm at any frequency
    Frequency,
    /// Self-adaptive, from Frobenius norms; for convolutions times the overlap of their patches
    Frobenius,
    /// The same for all residuals, no bound
    Fixed,
}

impl From<Norm> for WeightingName {
    fn from(norm: Norm) -> Self {
        match norm {
            Norm::Spectral => Self::Spectral,
            Norm::Frequency => Self::Frequency,
            Norm::Frobenius => Self::Frobenius,
        }
    }
}

impl WeightingArgs {
    /// The weights of `base`, with what was given on the command line in place of its own.
    pub(crate) fn config(&self, base: Weighting) -> Result<Weighting, Failure> {
        let (name, base_eta, base_omega) = match base {
            Weighting::SelfAdaptive { norm, eta } => (norm.into(), Some(eta), None),
            Weighting::Fixed { omega } => (WeightingName::Fixed, None, Some(omega)),
        };
        let norm = match self.weighting.unwrap_or(name) {
            WeightingName::Spectral => Norm::Spectral,
            WeightingName::Frequency => Norm::Frequency,
            WeightingName::Frobenius => Norm::Frobenius,
            WeightingName::Fixed => {
                refuse("--weighting fixed", &[("--eta", self.eta.is_some())])?;
                let omega = self.omega.or(base_omega).unwrap_or(1.0);
                return Ok(Weighting::Fixed { omega });
            }
        };
        refuse(
            "self-adaptive weights",
            &[("--omega", self.omega.is_some())],
        )?;
        let eta = self.eta.or(base_eta).unwrap_or(1.0);
        Ok(Weighting::SelfAdaptive { norm, eta })
    }

    /// The options that a method without auxiliary variables has no use for.
    pub(crate) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--weighting", self.weighting.is_some()),
            ("--eta", self.eta.is_some()),
            ("--omega", self.omega.is_some()),
        ]
    }
}

impl ModelArgs {
    /// The network of `base`, with what was given on the command line in place of its own.
    pub(crate) fn config(&self, base: ModelConfig) -> Result<ModelConfig, Failure> {
        let base = match (self.model.as_deref(), base) {
            (None, base) => base,
            (Some("mlp"), base @ ModelConfig::Mlp(_))
            | (Some("cnn"), base @ ModelConfig::Cnn(_)) => base,
            (Some("mlp"), _) => RunConfig::default().model,
            (Some("cnn"), _) => ModelConfig::Cnn(CnnConfig {
                activation: Activation::Relu,
                init: Init::Kaiming,
            }),
            (Some(file), _) => Self::read(file)?,
        };
        let fits = |hidden, activation: Activation, init| {
            let is_changed = self.hidden.is_some() || self.activation.is_some();
            let suited = if is_changed {
                Init::suited_to(hidden, activation)
            } else {
                init
            };
            self.init.unwrap_or(suited)
        };
        let no_widths = || {
            refuse(
                "networks other than `--model mlp`",
                &[("--hidden", self.hidden.is_some())],
            )
            .map_err(|failure| {
                failure.hint("write other stages into a file and name it with --model FILE")
            })
        };
        match base {
            ModelConfig::Mlp(mlp) => {
                let hidden = match &self.hidden {
                    Some(widths) => widths.0.clone(),
                    None => mlp.hidden,
                };
                let activation = self.activation.unwrap_or(mlp.activation);
                Ok(ModelConfig::Mlp(MlpConfig {
                    init: fits(hidden.len(), activation, mlp.init),
                    hidden,
                    activation,
                }))
            }
            ModelConfig::Cnn(cnn) => {
                no_widths()?;
                let activation = self.activation.unwrap_or(cnn.activation);
                Ok(ModelConfig::Cnn(CnnConfig {
                    init: fits(CNN_STAGES, activation, cnn.init),
                    activation,
                }))
            }
            ModelConfig::Stages(stages) => {
                no_widths()?;
                let given = [("--activation", self.activation.is_some())];
                refuse("a list of stages", &given).map_err(|failure| {
                    failure.hint("the list names an activation for each stage")
                })?;
                let init = self.init.unwrap_or(stages.init);
                Ok(ModelConfig::Stages(StagesConfig { init, ..stages }))
            }
            // Whoever builds it says that this takes the application.
            ModelConfig::Application(_) => {
                no_widths()?;
                let given = [
                    ("--activation", self.activation.is_some()),
                    ("--init", self.init.is_some()),
                ];
                refuse("the network of an application", &given)?;
                Ok(base)
            }
        }
    }

    fn read(file: &str) -> Result<ModelConfig, Failure> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(format!("--model {file}: {error}"))
                .hint("allowed are `mlp`, `cnn`, and the path of a TOML file with stages")
        })?;
        let config: StagesConfig = toml::from_str(&text)
            .map_err(|error| Failure::new(format!("{file}: {}", error.message().trim())))?;
        Ok(ModelConfig::Stages(config))
    }
}

/// Refuses options that have no meaning, rather than ignore them.
pub(crate) fn refuse(place: &str, options: &[(&str, bool)]) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::new(format!(
            "{option} has no meaning with {place}"
        ))),
    }
}

/// Widths of the hidden stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Widths(pub(crate) Vec<usize>);

/// More stages than this are a slip of the keyboard.
const MOST_STAGES: usize = 1_000;

impl FromStr for Widths {
    type Err = String;

    /// `100,100`, `64x10` for ten of 64, both mixed, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let mut widths = Vec::new();
        for part in text.split(',') {
            let (width, times) = part.split_once('x').unwrap_or((part, "1"));
            let positive = |number: &str| number.trim().parse().ok().filter(|&n: &usize| n > 0);
            let (Some(width), Some(times)) = (positive(width), positive(times)) else {
                return Err(format!(
                    "`{part}` is no width; write `100,100`, `64x10` for ten of 64, or `none`"
                ));
            };
            if widths.len() + times > MOST_STAGES {
                return Err(format!("more than {MOST_STAGES} hidden stages"));
            }
            widths.extend(core::iter::repeat_n(width, times));
        }
        Ok(Self(widths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_lists_and_repetitions() {
        let read = |text: &str| text.parse::<Widths>().map(|widths| widths.0);
        assert_eq!(read("100,100").unwrap(), [100, 100]);
        assert_eq!(read("64x3").unwrap(), [64, 64, 64]);
        assert_eq!(read("128,64x2").unwrap(), [128, 64, 64]);
        assert!(read("none").unwrap().is_empty());
        for wrong in ["", "0", "64x0", "a", "64x", "1,,2", "-3", "1x1001"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
