//! `layersep completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep completions bash > ~/.local/share/bash-completion/completions/layersep
  layersep completions zsh > ~/.zfunc/_layersep          (with ~/.zfunc in fpath)
  layersep completions fish > ~/.config/fish/completions/layersep.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "layersep", &mut script);
    ui.text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
