//! `layersep man`: the manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::support::Context;
use crate::failure::Failure;

/// Print the manual page, or write the pages of all commands to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep man | man -l -
  layersep man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for the pages of all commands; it is made if it does not exist, and pages of another version are replaced
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &ManArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let command = (context.parser)();
    if let Some(dir) = &args.dir {
        let failed = |error| Failure::new(format!("cannot write to {}: {error}", dir.display()));
        std::fs::create_dir_all(dir).map_err(failed)?;
        clap_mangen::generate_to(command, dir).map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot render the manual page: {error}")))?;
    context.ui.text(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}
