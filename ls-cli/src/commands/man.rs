//! `layersep man`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the manual page, or write the pages of all commands to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep man | man -l -
  layersep man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for the pages of all commands; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let command = Cli::command();
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
    ui.text(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}
