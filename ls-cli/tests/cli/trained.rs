//! `layersep eval`, `predict` and `export`.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{layersep, transcript};

/// A folder with a small run in `run` and the first three test images in `images.csv`.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "train", "--limit", "300", "--hidden", "16", "--sweeps", "5", "--run", "run", "--quiet",
    ];
    let output = layersep(folder.path(), &arguments);
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "--quiet says nothing");
    let digits = ls_datasets::Source::DIGITS
        .load(None, &ls_datasets::SplitRule::default())
        .unwrap()
        .test;
    let line = |i: usize| {
        let pixels = digits.image(i).unwrap().iter().map(ToString::to_string);
        pixels.collect::<Vec<_>>().join(",") + "\n"
    };
    let text: String = (0..3).map(line).collect();
    fs::write(folder.path().join("images.csv"), text).unwrap();
    folder
}

fn json_lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = layersep(folder, arguments);
    assert!(output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn an_evaluation_repeats_the_figures_of_the_run() {
    let folder = trained();
    let summary = fs::read_to_string(folder.path().join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let found = json_lines(folder.path(), &["eval", "--run", "run", "--json"]);
    assert_eq!(found[0]["accuracy"], summary["test"]["accuracy"]);
    // Losses of single samples are f64 here and f32 in the run, from the same logits.
    let loss = |value: &Value| value["original_loss"].as_f64().unwrap();
    assert!((loss(&found[0]) / loss(&summary["test"]) - 1.0).abs() < 1e-6);
    let confusion = found[0]["confusion"].as_array().unwrap();
    let rows = confusion.iter().flat_map(|row| row.as_array().unwrap());
    let total: u64 = rows.map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(total, 1797);
    let text = layersep(folder.path(), &["eval", "--run", "run"]).stdout;
    assert!(String::from_utf8(text).unwrap().contains("taken for"));
}

#[test]
fn predictions_are_probabilities_line_by_line() {
    let folder = trained();
    let arguments = ["predict", "--run", "run", "--json", "images.csv"];
    let lines = json_lines(folder.path(), &arguments);
    assert_eq!(lines.len(), 3);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["index"], index);
        let probabilities = line["probabilities"].as_array().unwrap();
        let numbers: Vec<f64> = probabilities.iter().map(|p| p.as_f64().unwrap()).collect();
        assert!((numbers.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let most = numbers.iter().copied().fold(0.0, f64::max);
        assert_eq!(line["probability"], most);
        let class: usize = line["class"].as_str().unwrap().parse().unwrap();
        assert_eq!(numbers[class], most);
    }
    let text = layersep(
        folder.path(),
        &["predict", "--run", "run", "--top", "2", "images.csv"],
    );
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().all(|line| line.matches('%').count() == 2));
}

#[test]
fn an_export_has_the_weights_under_their_documented_names() {
    let folder = trained();
    let output = layersep(folder.path(), &["export", "--run", "run"]);
    assert!(output.status.success());
    let bytes = fs::read(folder.path().join("run/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let shape = |name: &str| header[name]["shape"].to_string();
    assert_eq!(shape("stages.0.weight"), "[16,64]");
    assert_eq!(shape("stages.0.bias"), "[16]");
    assert_eq!(shape("stages.1.weight"), "[10,16]");
    let facts = header["__metadata__"]["layersep"].as_str().unwrap();
    let facts: Value = serde_json::from_str(facts).unwrap();
    assert_eq!(facts["pixel_max"], 16);
    let again = ["export", "--run", "run", "--overwrite"];
    assert!(layersep(folder.path(), &again).status.success());
    let second = fs::read(folder.path().join("run/model.safetensors")).unwrap();
    assert!(bytes == second, "an export can be repeated");
    let own = [
        "export",
        "--run",
        "run",
        "--overwrite",
        "--output",
        "run/config.toml",
    ];
    assert_eq!(layersep(folder.path(), &own).status.code(), Some(2));
    assert_eq!(header.as_object().unwrap().len(), 5, "nothing auxiliary");
    let written = json_lines(
        folder.path(),
        &["export", "--run", "run", "--format", "burn", "--json"],
    );
    assert_eq!(written[0]["format"], "burn");
    assert!(folder.path().join("run/model-export.bpk").exists());
}

#[test]
fn mistakes_are_one_line() {
    let folder = trained();
    let path = folder.path();
    fs::write(path.join("short.csv"), "1,2,3\n").unwrap();
    fs::write(path.join("bright.csv"), ["17"; 64].join(",")).unwrap();
    fs::write(path.join("a.png"), "no picture").unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    let predict = |file| transcript(path, &["predict", "--run", "run", file]);
    assert_snapshot!("predict-short", predict("short.csv"));
    assert_snapshot!("predict-bright", predict("bright.csv"));
    assert_snapshot!("predict-no-picture", predict("a.png"));
    assert_snapshot!("predict-missing", predict("missing.csv"));
    assert_snapshot!("predict-format", predict("run"));
    let arguments = ["predict", "--run", "empty", "images.csv"];
    assert_snapshot!("predict-no-run", transcript(path, &arguments));
    assert!(layersep(path, &["export", "--run", "run"]).status.success());
    assert_snapshot!(
        "export-twice",
        transcript(path, &["export", "--run", "run"])
    );
    fs::write(path.join("run/model.bpk"), "damaged").unwrap();
    let output = layersep(path, &["predict", "--run", "run", "images.csv"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error.starts_with("error: cannot read run/model.bpk: "),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
    fs::remove_file(path.join("run/model.bpk")).unwrap();
    fs::remove_dir_all(path.join("run/checkpoints")).unwrap();
    let arguments = ["predict", "--run", "run", "images.csv"];
    assert_snapshot!("predict-unfinished", transcript(path, &arguments));
}
