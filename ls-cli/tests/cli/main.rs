//! The program as a user meets it: one file per command.

mod experiment;
mod info;
mod report;
mod resume;
mod train;

use std::path::Path;
use std::process::{Command, Output};

/// Runs `layersep` in a folder.
fn layersep(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layersep"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("BURN_DEVICE");
    command
}

/// Exit code, standard output and standard error, as a snapshot shows them.
fn transcript(folder: &Path, arguments: &[&str]) -> String {
    let output = layersep(folder, arguments);
    format!(
        "exit code: {}\n--- stdout\n{}--- stderr\n{}",
        output
            .status
            .code()
            .map_or("none".into(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
