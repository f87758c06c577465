//! The commands, and how values on the command line are read.

use clap::builder::{PossibleValuesParser, TypedValueParser, styling};
use clap::{Args, Parser, Subcommand, ValueEnum};
use ls_core::linalg::Norm;
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig, StagesConfig};
use ls_core::objective::Weighting;
use ls_core::stage::{Activation, Init};

use crate::commands::experiment::ExperimentArgs;
use crate::commands::info::InfoArgs;
use crate::commands::train::TrainArgs;
use crate::failure::Failure;

/// Train deep classifiers by layer separation: every report shows the original loss, the separated loss that bounds it, and
/// a certificate
#[derive(Debug, Parser)]
#[command(
    name = "layersep",
    version,
    arg_required_else_help = true,
    styles = styling::Styles::styled(),
    after_help = "Exit codes: 0 done, 2 could not run, 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArgs>),
    Info(Box<InfoArgs>),
    Experiment(ExperimentArgs),
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

/// Which network.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Architecture: `mlp`, `cnn`, or a TOML file with a list of stages
    #[arg(long, value_name = "mlp|cnn|FILE", default_value = "mlp")]
    model: String,
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
#[derive(Debug, Args)]
#[command(next_help_heading = "Weighting")]
pub(crate) struct WeightingArgs {
    /// Weights of the residuals: self-adaptive, or fixed (no bound)
    #[arg(long, value_enum, default_value_t = WeightingName::Spectral)]
    weighting: WeightingName,
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

impl WeightingArgs {
    pub(crate) fn config(&self) -> Result<Weighting, Failure> {
        let norm = match self.weighting {
            WeightingName::Spectral => Norm::Spectral,
            WeightingName::Frequency => Norm::Frequency,
            WeightingName::Frobenius => Norm::Frobenius,
            WeightingName::Fixed => {
                refuse("--weighting fixed", &[("--eta", self.eta.is_some())])?;
                let omega = self.omega.unwrap_or(1.0);
                return Ok(Weighting::Fixed { omega });
            }
        };
        refuse(
            "self-adaptive weights",
            &[("--omega", self.omega.is_some())],
        )?;
        let eta = self.eta.unwrap_or(1.0);
        Ok(Weighting::SelfAdaptive { norm, eta })
    }

    /// The options that a method without auxiliary variables has no use for.
    pub(crate) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--weighting", self.weighting != WeightingName::Spectral),
            ("--eta", self.eta.is_some()),
            ("--omega", self.omega.is_some()),
        ]
    }
}

impl ModelArgs {
    pub(crate) fn config(&self) -> Result<ModelConfig, Failure> {
        let activation = self.activation.unwrap_or(Activation::Relu);
        let init = |hidden| self.init.unwrap_or(Init::suited_to(hidden, activation));
        match (self.model.as_str(), &self.hidden) {
            ("mlp", hidden) => {
                let default = || vec![128, 128];
                let hidden = hidden
                    .as_ref()
                    .map_or_else(default, |widths| widths.0.clone());
                let init = init(hidden.len());
                Ok(ModelConfig::Mlp(MlpConfig {
                    hidden,
                    activation,
                    init,
                }))
            }
            (_, Some(_)) => Err(Failure::new("--hidden belongs to `--model mlp` alone")
                .hint("write other stages into a file and name it with --model FILE")),
            ("cnn", None) => Ok(ModelConfig::Cnn(CnnConfig {
                activation,
                init: init(CNN_STAGES),
            })),
            (file, None) => self.read(file),
        }
    }

    fn read(&self, file: &str) -> Result<ModelConfig, Failure> {
        if self.activation.is_some() {
            return Err(
                Failure::new("--activation has no meaning with --model FILE")
                    .hint("the file names an activation for each stage"),
            );
        }
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(format!("--model {file}: {error}"))
                .hint("allowed are `mlp`, `cnn`, and the path of a TOML file with stages")
        })?;
        let mut config: StagesConfig = toml::from_str(&text)
            .map_err(|error| Failure::new(format!("{file}: {}", error.message().trim())))?;
        config.init = self.init.unwrap_or(config.init);
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

impl core::str::FromStr for Widths {
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
