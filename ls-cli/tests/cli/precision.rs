//! Runs in f64, from training to the report.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::layersep;

/// Runs a command that has to succeed, and reads the JSON it prints.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = layersep(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn train(folder: &Path, run: &str, arguments: &[&str]) -> Value {
    let small = ["train", "--json", "--limit", "300", "--run", run];
    json(folder, &[&small[..], arguments].concat())
}

fn loss(summary: &Value, split: &str) -> f64 {
    summary[split]["original_loss"].as_f64().unwrap()
}

/// One column of a run's history, by sweep.
fn column(run: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(run.join("history.csv")).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let place = lines
        .next()
        .unwrap()
        .split(',')
        .position(|own| own == name)
        .unwrap();
    lines
        .map(|line| line.split(',').nth(place).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_run_in_f64_starts_as_one_in_f32_does_and_never_rises() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for model in [&["--hidden", "32x2"][..], &["--model", "cnn"]] {
        let of = |precision| {
            let run = format!("{}-{precision}", model[1]);
            let precise = ["--sweeps", "8", "--precision", precision];
            train(folder, &run, &[model, &precise].concat());
            column(&folder.join(run), "train_original_loss")
        };
        let (single, double) = (of("f32"), of("f64"));
        // The same initial weights, rounded or not, and one exact fit of every stage: f32's 1e-7, times the condition of the fits.
        let off = (single[0] - double[0]).abs() / double[0];
        assert!(off > 0.0 && off < 1e-4, "{model:?}: {off:e}");
        assert!(
            double.windows(2).all(|pair| pair[1] <= pair[0]),
            "{double:?}"
        );
    }
}

#[test]
fn every_method_resumes_in_f64_bit_for_bit_and_is_evaluated_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let methods: [&[&str]; 5] = [
        &["--method", "exact"],
        &["--method", "foof", "--batch-size", "100"],
        &["--method", "alternating", "--activation", "tanh"],
        &[
            "--method",
            "alternating",
            "--optimizer",
            "adam",
            "--batch-size",
            "100",
        ],
        &[
            "--method",
            "backprop",
            "--optimizer",
            "adamw",
            "--batch-size",
            "100",
        ],
    ];
    for (i, method) in methods.into_iter().enumerate() {
        let run = i.to_string();
        let arguments = "--hidden 16x2 --precision f64 --sweeps 6 --checkpoint-every 1 --keep 6";
        let shared: Vec<_> = arguments.split(' ').collect();
        let whole = train(folder, &run, &[method, &shared].concat());
        let run = folder.join(run);
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        assert!(config.contains("precision = \"f64\""), "{config}");
        // As if it had been stopped after three sweeps.
        for sweep in 4..=6 {
            fs::remove_dir_all(run.join(format!("checkpoints/{sweep:08}"))).unwrap();
        }
        let run = run.to_str().unwrap();
        let resumed = json(folder, &["train", "--json", "--resume", run]);
        for split in ["train", "test"] {
            assert_eq!(resumed[split], whole[split], "{method:?}");
        }
        let evaluated = json(folder, &["eval", "--json", "--run", run]);
        let (found, expected) = (
            evaluated["original_loss"].as_f64().unwrap(),
            loss(&whole, "test"),
        );
        // Another formula for the same sums; f32 weights or logits would be off by 1e-7.
        assert!(
            (found - expected).abs() <= 1e-12 * expected,
            "{method:?}: {found}, {expected}"
        );
    }
}

#[test]
fn bounds_hold_in_f64() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--method",
        "alternating",
        "--hidden",
        "16x3",
        "--activation",
        "tanh",
        "--sweeps",
        "10",
        "--precision",
        "f64",
    ];
    train(folder.path(), "r", &arguments);
    let of = |name| column(&folder.path().join("r"), name);
    let (original, separated, certificate) = (
        of("train_original_loss"),
        of("train_separated_loss"),
        of("train_certificate"),
    );
    for sweep in 0..original.len() {
        assert!(
            original[sweep] <= certificate[sweep] && certificate[sweep] <= separated[sweep],
            "sweep {sweep}"
        );
        // The sum of 300 terms in another order.
        assert!(
            sweep == 0 || separated[sweep] <= separated[sweep - 1] * (1.0 + 1e-13),
            "sweep {sweep}"
        );
    }
}

#[test]
fn exports_keep_f64_in_burns_format_alone_and_reports_take_runs_of_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for precision in ["f32", "f64"] {
        train(
            folder,
            precision,
            &["--hidden", "32", "--sweeps", "2", "--precision", precision],
        );
        for format in ["safetensors", "burn"] {
            json(
                folder,
                &["export", "--json", "--run", precision, "--format", format],
            );
        }
    }
    let bytes = |run: &str, file| fs::read(folder.join(run).join(file)).unwrap().len();
    for (file, width) in [("model.safetensors", 4), ("model-export.bpk", 8)] {
        // The weights of 64-32-10 and their biases.
        let numbers = 32 * 65 + 10 * 33;
        let (single, double) = (bytes("f32", file), bytes("f64", file));
        let more = double.abs_diff(single + numbers * (width - 4));
        // Burn's format puts each of the four tensors at a multiple of 256 bytes.
        assert!(more < 4 * 256, "{file}: {single}, {double}");
    }
    let written = json(folder, &["report", "--json", "f32", "f64"]);
    assert_eq!(written["notes"], Value::Array(Vec::new()));
}

/// The growth factors of 60 stages multiply to weights of the residuals beyond f32.
#[test]
fn weights_that_f32_refuses_fit_into_f64() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let deep =
        "train --method alternating --hidden 8x60 --init kaiming --limit 40 --sweeps 2 --json";
    let arguments = |precision| {
        let own = ["--precision", precision, "--run", precision];
        let arguments: Vec<_> = deep.split(' ').chain(own).collect();
        arguments
    };
    let refused = layersep(folder, &arguments("f32"));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(
        text.contains("exceeds half the largest number that is computed in"),
        "{text}"
    );
    let train = &json(folder, &arguments("f64"))["train"];
    let figure = |name: &str| train[name].as_f64().unwrap();
    assert!(figure("original_loss") <= figure("certificate"));
    assert!(figure("certificate") <= figure("separated_loss"));
}
