//! `layersep config`.

use std::process::ExitCode;

use clap::Args;

use super::train::TrainArgs;
use crate::device;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the configuration that `train` would use with the same options, as TOML for `train --config`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep config --print-default > run.toml
  layersep config --hidden 64x10 --activation tanh > deep.toml && layersep train --config deep.toml")]
pub(crate) struct ConfigArgs {
    /// Print the defaults; they are also what comes out without any option
    #[arg(long)]
    print_default: bool,
    #[command(flatten)]
    train: TrainArgs,
}

pub(crate) fn run(args: &ConfigArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let config = if args.print_default {
        ls_train::config::RunConfig::default()
    } else {
        let config = args.train.plan()?.config().clone();
        // Another machine, or another build, may have the device.
        device::backend(&config.device)?;
        config
    };
    if args.train.json {
        ui.json(&config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = toml::to_string_pretty(&config)
        .map_err(|error| Failure::new(format!("cannot write the configuration: {error}")))?;
    ui.text(&text)?;
    Ok(ExitCode::SUCCESS)
}
