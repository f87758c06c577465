//! The options that choose the network.

use core::str::FromStr;

use clap::Args;
use ls_core::model::{CnnConfig, MlpConfig, ModelConfig, ResnetConfig, StagesConfig};
use ls_core::stage::{Activation, Init, Normalization};
use ls_train::config::{RunConfig, RunNetwork, in_file, read_text};

use super::values::{named, refuse};
use crate::failure::Failure;

/// The options that choose the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Architecture: `mlp`, `cnn`, `resnet`, or a TOML file with a list of stages, as `layersep config --stages` prints one [default: mlp]
    #[arg(long, value_name = "mlp|cnn|resnet|FILE")]
    model: Option<String>,
    /// Widths of the hidden layers of `mlp`: `100,100`, `64x10` for ten of 64, or `none` [default: 128,128]
    #[arg(long, value_name = "WIDTHS")]
    hidden: Option<Widths>,
    /// Activation of the hidden layers of `mlp`, `cnn` and `resnet` [default: relu]
    #[arg(long, value_parser = named(&Activation::ALL, Activation::name))]
    activation: Option<Activation>,
    /// Distribution of the initial weights [default: kaiming; orthogonal from ten hidden layers on, unless sigmoid]
    #[arg(long, value_parser = named(&Init::ALL, Init::name))]
    init: Option<Init>,
    /// Normalization of single samples before each activation of `mlp`, `cnn` and `resnet`: `none`, `layer`, or `group:4` for four groups
    /// of channels [default: group:4 for resnet, else none]
    #[arg(long, value_name = "none|layer|group:N")]
    normalization: Option<NormalizationArg>,
    /// One bit for each weight of the hidden layers of `mlp`, `cnn` and `resnet`, with a scale for each output; biases and the last layer
    /// stay numbers [default: false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    binary_weights: Option<bool>,
}

/// Hidden stages of `--model cnn`.
const CNN_STAGES: usize = 3;

impl ModelArgs {
    /// Returns `base` with the given options in place of its own values.
    ///
    /// # Errors
    /// Exit code 2 for a file that cannot be read, and for options that have no meaning with the network.
    pub(crate) fn config(&self, base: RunNetwork) -> Result<RunNetwork, Failure> {
        let config = match self.architecture(base)? {
            RunNetwork::Library(ModelConfig::Mlp(mlp)) => ModelConfig::Mlp(self.mlp(mlp)),
            RunNetwork::Library(other) => {
                self.refuse_widths()?;
                self.other(other)?
            }
            application @ RunNetwork::Application(_) => {
                self.refuse_widths()?;
                let given = [
                    ("--activation", self.activation.is_some()),
                    ("--init", self.init.is_some()),
                    ("--normalization", self.normalization.is_some()),
                    ("--binary-weights", self.binary_weights.is_some()),
                ];
                refuse("the network of an application", &given)?;
                return Ok(application);
            }
        };
        Ok(config.into())
    }

    /// Chooses the architecture; another one than that of `base` starts from its defaults.
    fn architecture(&self, base: RunNetwork) -> Result<RunNetwork, Failure> {
        Ok(match (self.model.as_deref(), base) {
            (None, base)
            | (Some("mlp"), base @ RunNetwork::Library(ModelConfig::Mlp(_)))
            | (Some("cnn"), base @ RunNetwork::Library(ModelConfig::Cnn(_)))
            | (Some("resnet"), base @ RunNetwork::Library(ModelConfig::Resnet(_))) => base,
            (Some("mlp"), _) => RunConfig::default().model,
            (Some("cnn"), _) => ModelConfig::Cnn(CnnConfig::new(Activation::Relu)).into(),
            (Some("resnet"), _) => ModelConfig::Resnet(ResnetConfig::default()).into(),
            (Some(file), _) => read(file)?.into(),
        })
    }

    fn mlp(&self, base: MlpConfig) -> MlpConfig {
        let hidden = match &self.hidden {
            Some(widths) => widths.0.clone(),
            None => base.hidden,
        };
        let activation = self.activation.unwrap_or(base.activation);
        MlpConfig {
            init: self.initialization(hidden.len(), activation, base.init),
            hidden,
            activation,
            normalization: self.normalization(base.normalization),
            binary_weights: self.binary_weights.unwrap_or(base.binary_weights),
        }
    }

    fn cnn(&self, base: &CnnConfig) -> CnnConfig {
        let activation = self.activation.unwrap_or(base.activation);
        CnnConfig {
            init: self.initialization(CNN_STAGES, activation, base.init),
            activation,
            normalization: self.normalization(base.normalization),
            binary_weights: self.binary_weights.unwrap_or(base.binary_weights),
        }
    }

    fn resnet(&self, base: &ResnetConfig) -> ResnetConfig {
        ResnetConfig {
            init: self.init.unwrap_or(base.init),
            activation: self.activation.unwrap_or(base.activation),
            normalization: self.normalization(base.normalization),
            binary_weights: self.binary_weights.unwrap_or(base.binary_weights),
        }
    }

    /// Lays the options over a network whose widths they cannot name.
    fn other(&self, base: ModelConfig) -> Result<ModelConfig, Failure> {
        Ok(match base {
            ModelConfig::Mlp(mlp) => ModelConfig::Mlp(self.mlp(mlp)),
            ModelConfig::Cnn(cnn) => ModelConfig::Cnn(self.cnn(&cnn)),
            ModelConfig::Resnet(resnet) => ModelConfig::Resnet(self.resnet(&resnet)),
            ModelConfig::Stages(stages) => {
                let of_each = [
                    ("--activation", self.activation.is_some()),
                    ("--normalization", self.normalization.is_some()),
                    ("--binary-weights", self.binary_weights.is_some()),
                ];
                refuse("a list of stages", &of_each)
                    .map_err(|failure| failure.hint("the list names it for each stage"))?;
                let init = self.init.unwrap_or(stages.init);
                ModelConfig::Stages(StagesConfig { init, ..stages })
            }
        })
    }

    /// Returns the given normalization, else that of the base.
    fn normalization(&self, base: Option<Normalization>) -> Option<Normalization> {
        self.normalization.map_or(base, |given| given.0)
    }

    /// Returns the given initialization, else the one that suits a changed network, else that of the base.
    fn initialization(&self, hidden: usize, activation: Activation, base: Init) -> Init {
        let is_changed = self.hidden.is_some() || self.activation.is_some();
        let suited = match is_changed {
            true => Init::suited_to(hidden, activation),
            false => base,
        };
        self.init.unwrap_or(suited)
    }

    fn refuse_widths(&self) -> Result<(), Failure> {
        let given = [("--hidden", self.hidden.is_some())];
        refuse("networks other than `--model mlp`", &given).map_err(|failure| {
            failure.hint("write other stages into a file and name it with --model FILE")
        })
    }
}

/// Reads a list of stages.
fn read(file: &str) -> Result<ModelConfig, Failure> {
    let text = read_text(file.as_ref()).map_err(|error| {
        let reason = match error {
            ls_train::Error::File { reason, .. } => reason,
            other => other.to_string(),
        };
        Failure::new(format!("--model {file}: {reason}")).hint(
            "allowed are `mlp`, `cnn`, `resnet`, and the path of a TOML file with stages, such as `layersep config --stages` prints",
        )
    })?;
    let config: StagesConfig = toml::from_str(&text).map_err(|error| {
        Failure::new(format!("{file}: {}", in_file(&text, &error)))
            .hint("`layersep config --stages` prints an example")
    })?;
    Ok(ModelConfig::Stages(config))
}

/// Widths of the hidden stages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Widths(Vec<usize>);

/// Largest number of hidden stages that an option can name; more are a typing error.
const MOST_STAGES: usize = 1_000;

impl FromStr for Widths {
    type Err = String;

    /// Reads `100,100`, `64x10` for ten of 64, a mixture of both, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let mut widths = Vec::new();
        for entry in text.split(',') {
            let (width, times) = entry.split_once('x').unwrap_or((entry, "1"));
            let positive = |number: &str| number.trim().parse().ok().filter(|&n: &usize| n > 0);
            let (Some(width), Some(times)) = (positive(width), positive(times)) else {
                return Err(format!(
                    "`{entry}` is not a width; write `100,100`, `64x10` for ten of 64, or `none`"
                ));
            };
            if times > MOST_STAGES - widths.len() {
                return Err(format!("more than {MOST_STAGES} hidden stages"));
            }
            widths.extend(core::iter::repeat_n(width, times));
        }
        Ok(Self(widths))
    }
}

/// Normalization of all hidden stages, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NormalizationArg(Option<Normalization>);

impl FromStr for NormalizationArg {
    type Err = String;

    /// Reads `none`, `layer`, or `group:4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let groups = |text: &str| text.strip_prefix("group:")?.parse().ok();
        match text {
            "none" => Ok(Self(None)),
            "layer" => Ok(Self(Some(Normalization::Layer))),
            _ => match groups(text) {
                Some(groups @ 1..) => Ok(Self(Some(Normalization::Group { groups }))),
                _ => Err("write `none`, `layer`, or `group:4` for four groups".into()),
            },
        }
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
    fn normalizations_have_names_and_groups_a_number() {
        let read = |text: &str| text.parse::<NormalizationArg>().map(|found| found.0);
        assert_eq!(read("none"), Ok(None));
        assert_eq!(read("layer"), Ok(Some(Normalization::Layer)));
        assert_eq!(
            read("group:4"),
            Ok(Some(Normalization::Group { groups: 4 }))
        );
        for wrong in ["", "group", "group:", "group:0", "group:-1", "batch"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
