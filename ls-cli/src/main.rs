//! `layersep`: train deep classifiers by layer separation.
//!
//! Exit codes: 0 done, 1 failed on the way, 2 could not start, 130 interrupted.

mod cli;
mod commands;
mod device;
mod failure;
mod ui;

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::ui::{Level, Ui};

/// Training maps and unmaps many buffers of a few megabytes; this allocator keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(Level::of(cli.quiet, cli.verbose));
    if std::env::var_os("BURN_DEVICE").is_some() {
        ui.note("BURN_DEVICE is ignored; name the device with --device");
    }
    // A panic is a defect of ours or of a driver: the user gets one line, not a backtrace.
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(|| match &cli.command {
        Command::Train(args) => commands::train::run(args, &ui),
        Command::Eval(args) => commands::eval::run(args, &ui),
        Command::Predict(args) => commands::predict::run(args, &ui),
        Command::Export(args) => commands::export::run(args, &ui),
        Command::Compare(args) => commands::compare::run(args, &ui),
        Command::Report(args) => commands::report::run(args, &ui),
        Command::Experiment(args) => commands::experiment::run(args, &ui),
        Command::Info(args) => commands::info::run(args, &ui),
        Command::Completions(args) => commands::completions::run(args, &ui),
        Command::Man(args) => commands::man::run(args, &ui),
        Command::Config(args) => commands::config::run(args, &ui),
        Command::Data(args) => commands::data::run(args, &ui),
        Command::Devices(args) => commands::devices::run(args, &ui),
    });
    let result = outcome.unwrap_or_else(|cause| Err(Failure::from_panic(cause.as_ref())));
    match result {
        Ok(code) => code,
        Err(failure) => {
            ui.failure(&failure);
            failure.code()
        }
    }
}
