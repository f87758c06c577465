//! Runs on real workers, processes of their own on this machine: `cargo test --workspace --features remote --test workers`.

mod bytes;
mod faults;
mod iroh;
mod own_stage;
mod proxy;
mod results;
mod worker;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use worker::Worker;

fn layersep(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layersep"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("BURN_DEVICE")
        .env_remove("RUST_LOG");
    command
}

/// Trains into a new run folder, which must succeed.
fn train(folder: &Path, run: &str, device: &str, settings: &[&str]) {
    let own = ["train", "--quiet", "--run", run, "--device", device];
    let output = layersep(folder, &[&own, settings].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{device}: {told}");
}

/// The lines of a history without its seconds, beginning with the names of the columns.
fn history(folder: &Path, run: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join(run).join("history.csv")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<String>> = lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect();
    let seconds = rows[0].iter().position(|name| name == "seconds").unwrap();
    let without = |mut row: Vec<String>| {
        row.remove(seconds);
        row
    };
    rows.into_iter().map(without).collect()
}

/// The bytes of the weights that a run left.
fn weights(folder: &Path, run: &str) -> Vec<u8> {
    fs::read(folder.join(run).join("model.bpk")).unwrap()
}

/// The only line of standard error, which no hint follows but one.
fn one_error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("hint: "))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].starts_with("error: "), "{text}");
    lines[0].into()
}

/// Several workers as one list for `--device`.
fn list(workers: &[Worker]) -> String {
    let names: Vec<_> = workers.iter().map(|worker| worker.name.as_str()).collect();
    names.join(",")
}
