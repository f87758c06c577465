//! `layersep info`.

use std::fs;

use insta::assert_snapshot;

use crate::{layersep, transcript};

#[test]
fn the_convolutional_network_for_mnist_is_described_without_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["info", "--model", "cnn", "--dataset", "mnist"];
    let mut settings = insta::Settings::clone_current();
    // Norms of the initial weights, to the digits that all processors agree on.
    settings.add_filter(r"(\d\.\d{2})\d{2}e(-?\d+)", "$1…e$2");
    settings.bind(|| assert_snapshot!(transcript(folder.path(), &arguments)));
}

#[test]
fn json_holds_the_figures_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(
        folder.path(),
        &["info", "--hidden", "100,50", "--limit", "10", "--json"],
    );
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(info["parameters"], 65 * 100 + 101 * 50 + 51 * 10);
    assert_eq!(info["auxiliary_bytes"], 10 * 150 * 4);
    assert_eq!(info["stages"].as_array().unwrap().len(), 3);
    assert!(info["stages"][2]["omega"].is_null());
}

#[test]
fn sweeps_over_many_devices_are_predicted_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["info", "--hidden", "100,50", "--device", "flex"];
    let output = layersep(folder.path(), &[&arguments[..], &["--json"]].concat());
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let sweeps = info["sharing"]["sweeps"].as_array().unwrap();
    let devices: Vec<_> = sweeps
        .iter()
        .map(|own| own["devices"].as_u64().unwrap())
        .collect();
    assert_eq!(devices, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    // The formula of the guide for one trial.
    let sums = (65 * 100 + 100 * 100 + 50 * 50) + (101 * 50 + 101 * 100) + (51 * 10 + 51 * 50);
    // Groups of at most 32 samples, of the training split in chunks of 2048.
    let groups = 2048 / 32 + 56;
    assert_eq!(
        sweeps[0]["home_bytes"],
        4 * (2 * sums + (1 + 3 + 3) * groups + 2 * 57)
    );
    let table = layersep(folder.path(), &arguments);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("100 Gbit/s") && table.lines().last().unwrap().contains("1024"),
        "{table}"
    );
}

#[test]
fn a_file_of_stages_is_a_model_and_its_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.toml");
    let write = |width: &str| {
        let text = format!("[[stages]]\nkind = \"dense\"\n{width} = 12\nactivation = \"gelu\"\n");
        fs::write(&file, text).unwrap();
        transcript(folder.path(), &["info", "--model", "net.toml", "--json"])
    };
    assert!(write("width").starts_with("exit code: 0\n"));
    assert_snapshot!("unknown_key", write("wdth"));
    assert_snapshot!(
        "no_such_model",
        transcript(folder.path(), &["info", "--model", "nowhere.toml"])
    );
    assert_snapshot!(
        "hidden_without_mlp",
        transcript(folder.path(), &["info", "--model", "cnn", "--hidden", "3"])
    );
}

#[test]
fn a_run_that_cannot_fit_is_refused_with_the_figure() {
    let folder = tempfile::tempdir().unwrap();
    // 3,823 samples of 10⁶ features of 4 bytes.
    let stage = "[[stages]]\nkind = \"dense\"\nwidth = 1000000\nactivation = \"relu\"\n";
    fs::write(folder.path().join("big.toml"), stage).unwrap();
    let text = transcript(folder.path(), &["train", "--model", "big.toml"]);
    assert!(text.starts_with("exit code: 2\n"), "{text}");
    assert!(
        text.contains("the run needs about") && text.contains("14.24 GiB"),
        "{text}"
    );
    assert!(!folder.path().join("runs").exists());
}
