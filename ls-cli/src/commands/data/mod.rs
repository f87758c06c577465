//! `layersep data`: one file for each subcommand.

mod download;
mod list;
mod verify;

use std::process::ExitCode;

use clap::Args;

use super::registry::subcommands;
use super::support::Context;
use crate::failure::Failure;

/// List, check and download data sets
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data list
  layersep data download mnist && layersep train --dataset mnist
  layersep data download cifar10 --data-dir DIR --mirror http://host/path
  layersep data verify
  layersep data verify --data-dir DIR

Downloaded files lie in a folder of each data set below the user's cache folder; `train` finds them there.
Proxies are those of the environment: HTTPS_PROXY, NO_PROXY and so on.")]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

subcommands! {
    /// A subcommand with its arguments.
    enum DataCommand {
        List(list::ListArgs),
        Verify(verify::VerifyArgs),
        Download(download::DownloadArgs),
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &DataArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    args.command.run(context)
}
