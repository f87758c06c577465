//! `layersep completions`: scripts for shells.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::support::Context;
use crate::failure::Failure;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep completions bash > ~/.local/share/bash-completion/completions/layersep
  layersep completions zsh > ~/.zfunc/_layersep          (with ~/.zfunc in fpath)
  layersep completions fish > ~/.config/fish/completions/layersep.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell that the script is for
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(args: &CompletionsArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (context.parser)(), "layersep", &mut script);
    context.ui.text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
