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
  layersep config --hidden 64x10 --activation tanh > deep.toml && layersep train --config deep.toml")]
pub(crate) struct ConfigArgs {
    /// Print the defaults, as without any option
    #[arg(long)]
    print_default: bool,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    session: SessionArgs,
    /// Print the configuration as JSON
    #[arg(long, help_heading = "Run")]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ConfigArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let config = if args.print_default {
        RunConfig::default()
    } else {
        let config = args.run.plan(args.session.resume())?.config().clone();
        // Another machine, or another build, may have the device.
        device::backend(&config.device)?;
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
