//! `layersep compare`.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{layersep, transcript};

#[test]
fn methods_meet_on_the_same_seeds_and_leave_tables_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "compare",
        "--methods",
        "exact,adam@50,sgd@50",
        "--rates",
        "0.001,0.01",
        "--seeds",
        "2",
        "--sweeps",
        "3",
        "--limit",
        "200",
        "--hidden",
        "16",
        "--run",
        "out",
        "--json",
    ];
    let output = layersep(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let contenders = found["contenders"].as_array().unwrap();
    let names: Vec<_> = contenders.iter().map(|s| s["contender"].clone()).collect();
    assert_eq!(names, ["exact", "adam@50", "sgd@50"]);
    assert!(contenders.iter().all(|s| s["runs"] == 2));
    assert!(contenders.iter().all(|s| s["sweeps"]["median"] == 3.0));
    let differences = found["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2);
    for difference in differences {
        assert_eq!(difference["pairs"], 2);
        let factor = |end: &str| difference["loss_factor"][end].as_f64().unwrap();
        assert!(factor("low") <= factor("mean") && factor("mean") <= factor("high"));
    }
    // Two seeds of exact; two rates on a seed of their own and the better one on both for each optimizer.
    let results = fs::read_to_string(folder.path().join("out/results.csv")).unwrap();
    assert_eq!(results.lines().count(), 1 + 2 + 4 + 4);
    // All start from the weights of their seed: all histories have one first row.
    let start = |run: &str| {
        let path = folder.path().join("out/runs/digits").join(run);
        let text = fs::read_to_string(path.join("history.csv")).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let row = lines.nth(1).unwrap().to_owned();
        row.split(',').nth(2).unwrap().to_owned()
    };
    assert_eq!(start("exact_seed-1"), start("adam@50_rate-0.01_seed-1"));
    assert_ne!(start("exact_seed-1"), start("exact_seed-2"));
    for file in [
        "comparison.md",
        "comparison.csv",
        "digits.svg",
        "digits.png",
    ] {
        assert!(folder.path().join("out").join(file).exists(), "{file}");
    }
}

#[test]
fn mistakes_leave_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let compare = |more: &[&str]| transcript(path, &[&["compare"], more].concat());
    assert_snapshot!("compare-no-method", compare(&["--methods", "exact,foo"]));
    assert_snapshot!("compare-twice", compare(&["--methods", "sgd,exact,sgd"]));
    assert_snapshot!("compare-batch", compare(&["--methods", "exact@0"]));
    assert_snapshot!("compare-seconds", compare(&["--seconds", "0"]));
    assert_snapshot!("compare-rate", compare(&["--rates", "-1"]));
    assert_snapshot!("compare-rate-twice", compare(&["--rates", "0.1,0.2,0.1"]));
    assert_snapshot!("compare-no-data", compare(&["--dataset", "mnist"]));
    let left = fs::read_dir(path.join("runs")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}
