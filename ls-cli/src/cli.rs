//! The parser of the whole program, and its exit codes.

use clap::Parser;
use clap::builder::styling;

use crate::commands::Command;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed on the way: a loss that is not finite, a device that failed, a defect of the program; or `data verify` found
       files that are missing or damaged
  2    could not start, or a file could not be read or written; one line on standard error gives the reason and the alternatives
  130  interrupted; all results up to then are kept

Results go to standard output, everything else to standard error. NO_COLOR turns colours off.";

/// Train deep classifiers by layer separation: every report shows the original loss, the separated loss that bounds it, and
/// a certificate
#[derive(Debug, Parser)]
#[command(
    name = "layersep",
    version,
    arg_required_else_help = true,
    styles = styling::Styles::styled(),
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    /// Show results and errors only
    #[arg(
        long,
        short,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Messages"
    )]
    pub(crate) quiet: bool,
    /// Say more on standard error: the data that were read, and the memory that a run needs
    #[arg(long, short, global = true, help_heading = "Messages")]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
