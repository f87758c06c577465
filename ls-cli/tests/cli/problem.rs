//! `layersep problem`.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{layersep, transcript};

#[test]
fn the_file_has_the_data_the_weights_and_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "problem",
        "--limit",
        "300",
        "--hidden",
        "16",
        "--batch-size",
        "64",
        "--sweeps",
        "4",
        "--json",
    ];
    let output = layersep(folder.path(), &arguments);
    assert!(output.status.success());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["file"], "problem.safetensors");
    let bytes = fs::read(folder.path().join("problem.safetensors")).unwrap();
    assert_eq!(printed["bytes"], bytes.len());
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let tensors = header.as_object().unwrap().iter();
    let tensors = tensors.filter(|(name, _)| *name != "__metadata__");
    let lines =
        tensors.map(|(name, facts)| format!("{name} {} {}\n", facts["dtype"], facts["shape"]));
    assert_snapshot!("tensors", lines.collect::<String>());
    let facts = header["__metadata__"]["layersep"].as_str().unwrap();
    let facts: Value = serde_json::from_str(facts).unwrap();
    assert_eq!(facts["pixel_max"], 16);
    assert_eq!(facts["batch_size"], 64);
}

#[test]
fn mistakes_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |options: &[&str]| {
        let arguments = [&["problem", "--limit", "50"], options].concat();
        transcript(folder.path(), &arguments)
    };
    assert!(problem(&[]).starts_with("exit code: 0\n"));
    assert_snapshot!("exists", problem(&[]));
    assert!(problem(&["--overwrite"]).starts_with("exit code: 0\n"));
    assert_snapshot!("folder", problem(&["--output", "nowhere/file"]));
    assert_snapshot!("epochs", problem(&["--overwrite", "--epochs", "0"]));
    let many = ["--overwrite", "--epochs", "1000000000"];
    assert_snapshot!("many_epochs", problem(&many));
    assert_snapshot!(
        "method",
        problem(&["--method", "exact", "--batch-size", "9"])
    );
}
