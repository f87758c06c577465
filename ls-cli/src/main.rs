//! `layersep`: train deep classifiers by layer separation.
//!
//! Exit codes: 0 done, 1 failed on the way, 2 could not start, 130 interrupted.
//!
//! # Map of the crate
//!
//! A module imports only from the ones above it in this list:
//!
//! | module | holds |
//! | --- | --- |
//! | `failure` | the reason why a command failed: one line, a hint, an exit code |
//! | `allocator` | the allocator, and the end of the process without memory |
//! | `ui` | everything that a user reads: results, messages, progress, numbers for people |
//! | `device` | the devices by name: one file for each backend, and their registry |
//! | `downloads` | the folders that data sets are downloaded to |
//! | `args` | the readers of values, and the groups of options that commands share |
//! | `commands` | one file for each command, and their registry; below it in `support` what several of them do |
//! | `cli` | the parser of the whole program |

mod allocator;
mod args;
mod cli;
mod commands;
mod device;
mod downloads;
mod failure;
mod ui;

use std::panic;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::allocator::Allocator;
use crate::cli::Cli;
use crate::commands::Context;
use crate::failure::Failure;
use crate::ui::{Level, Ui};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let cli = Cli::parse();
    let ui = Ui::new(Level::new(cli.quiet, cli.verbose));
    if std::env::var_os("BURN_DEVICE").is_some() {
        ui.note("BURN_DEVICE is ignored; name the device with --device");
    }
    let context = Context {
        ui: &ui,
        parser: Cli::command,
    };
    // A panic is a defect of ours or of a driver: the user gets one line, not a backtrace.
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(|| cli.command.run(&context));
    let result = outcome.unwrap_or_else(|cause| Err(Failure::from_panic(cause.as_ref())));
    match result {
        Ok(code) => code,
        Err(failure) => {
            ui.failure(&failure);
            failure.code()
        }
    }
}
