//! The program as a user meets it: one file per command.

mod application;
mod bench;
mod compare;
mod data;
mod devices;
mod experiment;
mod info;
mod inputs;
mod manners;
mod outputs;
mod precision;
mod problem;
mod properties;
mod report;
mod resume;
mod run_folder;
mod train;
mod trained;

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
        // Downloads of the user who runs the tests must not matter.
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("BURN_DEVICE");
    for proxy in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
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
