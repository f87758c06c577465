//! `layersep bench`.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{layersep, transcript};

/// A measurement that takes a moment.
const SMALL: [&str; 9] = [
    "bench",
    "--limit",
    "60",
    "--hidden",
    "8",
    "--repeats",
    "2",
    "--batch-size",
    "20",
];

#[test]
fn results_are_a_file_that_later_results_are_set_against() {
    let folder = tempfile::tempdir().unwrap();
    let bench = |more: &[&str]| layersep(folder.path(), &[&SMALL[..], more].concat());
    let output = bench(&["--output", "old.json"]);
    assert_eq!(output.status.code(), Some(0));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.starts_with("mlp 64-8-10 relu on 60 samples of digits\n"),
        "{table}"
    );
    assert!(
        table.contains("median") && table.contains("exact@full"),
        "{table}"
    );
    let file = folder.path().join("old.json");
    let mut old: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let timings = old["timings"].as_array().unwrap();
    let names: Vec<_> = timings
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    let expected = [
        "forward",
        "forward+backward",
        "gram",
        "factor",
        "evaluation",
        "exact@full",
        "foof@full",
        "foof@20",
        "alternating@full",
        "alternating@20",
        "backprop@full",
        "backprop@20",
        "lbfgs@full",
        "bcd@full",
        "admm@full",
        "predictive-coding@full",
        "predictive-coding@20",
        "locoprop@full",
        "locoprop@20",
        "target-propagation@full",
        "target-propagation@20",
    ];
    assert_eq!(names, expected);
    // 60 samples through 64 to 8 to 10.
    assert_eq!(timings[0]["flops"], 2 * 60 * (64 * 8 + 8 * 10));
    assert!(timings[0]["share"].as_f64().unwrap() > 0.0);
    assert!(timings[5]["flops"].is_null());
    assert!(timings.iter().all(|timing| timing["repeats"] == 2));
    for key in [
        "processor",
        "threads",
        "system",
        "version",
        "device",
        "precision",
    ] {
        assert!(!old["machine"][key].is_null(), "{key}");
    }

    // Old results of another machine, with a measurement that the new ones lack.
    old["machine"]["processor"] = "an abacus".into();
    old["timings"][0]["seconds"] = serde_json::json!({"median": 1e9, "min": 1e9, "max": 1e9});
    old["timings"][1]["name"] = "backward".into();
    fs::write(&file, old.to_string()).unwrap();
    let output = bench(&["--methods", "exact", "--against", "old.json", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.contains("note: not measured on equal terms: processor: an abacus before"),
        "{notes}"
    );
    let new: Value = serde_json::from_slice(&output.stdout).unwrap();
    let against = &new["against"];
    let forward = &against["ratios"][0];
    assert_eq!(forward["name"], "forward");
    assert_eq!(forward["old"]["median"], 1e9);
    let median = forward["new"]["median"].as_f64().unwrap();
    assert_eq!(
        median,
        new["timings"][0]["seconds"]["median"].as_f64().unwrap()
    );
    let ratio = forward["ratio"].as_f64().unwrap();
    // Numbers of JSON are read to within a rounding of f64.
    assert!((ratio * 1e9 / median - 1.0).abs() < 1e-12, "{ratio}");
    assert_eq!(forward["ranges_overlap"], false);
    assert_eq!(against["only_new"], serde_json::json!(["forward+backward"]));
    let only_old = against["only_old"].as_array().unwrap();
    assert!(only_old.contains(&"backward".into()) && only_old.contains(&"foof@20".into()));

    // What --json printed is a file of results, too.
    fs::write(&file, &output.stdout).unwrap();
    let output = bench(&["--methods", "exact", "--against", "old.json"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("new/old") && !table.contains("only in"),
        "{table}"
    );
}

#[test]
fn mistakes_are_named_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("broken.json"), "{\"format\": \"layer").unwrap();
    fs::write(path.join("foreign.json"), "{\"sweeps\": 30}").unwrap();
    let bench = |more: &[&str]| transcript(path, &[&["bench", "--quiet"], more].concat());
    assert_snapshot!("bench-broken", bench(&["--against", "broken.json"]));
    assert_snapshot!("bench-foreign", bench(&["--against", "foreign.json"]));
    assert_snapshot!("bench-nowhere", bench(&["--against", "nowhere.json"]));
    assert_snapshot!("bench-method", bench(&["--methods", "exact,foo"]));
    assert_snapshot!("bench-twice", bench(&["--methods", "foof,foof"]));
    assert_snapshot!(
        "bench-over-data",
        bench(&["--over", "width", "--limit", "9"])
    );
    assert_snapshot!(
        "bench-sizes",
        bench(&["--over", "width,depth", "--sizes", "9"])
    );
    assert_snapshot!(
        "bench-huge",
        bench(&["--over", "width", "--sizes", "100001"])
    );
    assert!(!path.join("runs").exists());
}

#[test]
fn growth_leaves_tables_and_a_picture_for_each_quantity() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "bench",
        "--over",
        "width",
        "--sizes",
        "4,8",
        "--repeats",
        "1",
        "--run",
        "g",
        "--json",
    ];
    let output = layersep(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    let growth: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = growth["rows"].as_array().unwrap();
    let keys: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["size"].as_u64().unwrap(),
                row["method"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        keys,
        [
            (4, "exact@full"),
            (4, "foof@250"),
            (8, "exact@full"),
            (8, "foof@250")
        ]
    );
    let exponents = growth["exponents"].as_array().unwrap();
    assert_eq!(exponents.len(), 2);
    assert!(exponents.iter().all(|own| own["seconds"]["all"].is_f64()));
    // Auxiliary variables of two layers grow with the width, inputs do not.
    let memory = exponents[0]["memory"]["all"].as_f64().unwrap();
    assert!(memory > 0.0 && memory < 1.0, "{memory}");
    let read = |name: &str| fs::read_to_string(folder.path().join("g").join(name)).unwrap();
    assert_eq!(read("growth.csv").lines().count(), 1 + 4);
    assert!(read("growth.md").contains("| width | 8 | foof@250 |"));
    assert!(read("growth-width.svg").contains("foof@250"));
    assert!(folder.path().join("g/growth-width.png").exists());
    let again = transcript(folder.path(), &[&arguments[..], &["--quiet"]].concat());
    assert_snapshot!("bench-growth-twice", again);
}
