//! `layersep config`: the configuration of a run as TOML.

use std::process::ExitCode;

use clap::Args;
use ls_train::config::RunConfig;

use super::support::Context;
use crate::args::{RunArgs, SessionArgs};
use crate::device;
use crate::failure::Failure;

/// Print the configuration that `train` would use with the same options, as TOML for `train --config`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep config --print-default > run.toml
  layersep config --hidden 64x10 --activation tanh > deep.toml && layersep train --config deep.toml
  layersep config --stages > net.toml && layersep train --model net.toml
      a list of stages, with a comment for every key")]
pub(crate) struct ConfigArgs {
    /// Print the defaults, as without any option
    #[arg(long)]
    print_default: bool,
    /// Print an example of a stage file, for `train --model FILE`: every kind of stage, with a comment for every key
    #[arg(long, conflicts_with = "print_default")]
    stages: bool,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    session: SessionArgs,
    /// Print the configuration as JSON
    #[arg(long, help_heading = "Run")]
    json: bool,
}

/// The example of a stage file.
const STAGES: &str = include_str!("stages.toml");

/// Runs the command.
pub(super) fn run(args: &ConfigArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    args.ensure_no_options()?;
    if args.stages {
        ui.text(STAGES)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = if args.print_default {
        RunConfig::default()
    } else {
        let config = args.run.plan(args.session.resume())?.config().clone();
        // Another machine, or another build, may have the device.
        for name in config.devices() {
            device::backend(name)?;
        }
        config
    };
    if args.json {
        ui.json(&config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = toml::to_string_pretty(&config)
        .map_err(|error| Failure::new(format!("cannot write the configuration: {error}")))?;
    ui.text(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl ConfigArgs {
    /// Refuses options that a fixed text would ignore.
    fn ensure_no_options(&self) -> Result<(), Failure> {
        let fixed = match (self.stages, self.print_default) {
            (true, _) => "--stages",
            (false, true) => "--print-default",
            (false, false) => return Ok(()),
        };
        let is_json = self.stages && self.json;
        if self.run == RunArgs::default() && self.session.resume().is_none() && !is_json {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{fixed} prints the same for all options, so none may be given"
        )))
    }
}

#[cfg(test)]
mod tests {
    use ls_core::model::{ModelConfig, StagesConfig};
    use ls_core::shape::FeatureShape;

    use super::*;

    #[test]
    fn the_example_of_a_stage_file_is_a_network_for_images() {
        let stages: StagesConfig = toml::from_str(STAGES).unwrap();
        assert_eq!(stages.stages.len(), 5);
        let images = FeatureShape::Image {
            channels: 1,
            height: 8,
            width: 8,
        };
        ModelConfig::Stages(stages).layout(images, 10).unwrap();
    }

    #[test]
    fn the_example_has_every_kind_of_stage_and_every_key() {
        let schema = schemars::schema_for!(ls_core::stage::StageConfig);
        let kinds = schema.as_value()["oneOf"].as_array().unwrap();
        for kind in kinds {
            let keys = kind["properties"].as_object().unwrap();
            let name = keys["kind"]["const"].as_str().unwrap();
            assert!(STAGES.contains(&format!("kind = \"{name}\"")), "{name}");
            for key in keys.keys() {
                assert!(STAGES.contains(&format!("\n{key} = ")), "{name}: {key}");
            }
        }
    }
}
