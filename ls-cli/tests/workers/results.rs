//! Runs on workers end where runs on this machine end.

use std::fs;
use std::path::Path;

use crate::worker::Worker;
use crate::{history, layersep, list, train, weights};

/// Convolutions with pooling, a residual block of each kind, and smooth and piecewise linear activations.
const STAGES: &str = r#"
[[stages]]
kind = "convolution"
channels = 3
kernel = 3
padding = 1
activation = "relu"
pooling = { kind = "max", size = 2 }
[[stages]]
kind = "residual-convolution"
kernel = 3
activation = "silu"
[[stages]]
kind = "dense"
width = 9
activation = "tanh"
[[stages]]
kind = "residual-dense"
activation = "gelu"
"#;

/// Settings of short runs of `exact` on seven chunks: of dense networks in all ways to go over the samples, and of convolutions and
/// residual blocks.
fn runs(folder: &Path) -> [Vec<&'static str>; 5] {
    fs::write(folder.join("stages.toml"), STAGES).unwrap();
    let dense = |more: &[&'static str]| {
        let own = [
            "--hidden",
            "12,10",
            "--limit",
            "200",
            "--sweeps",
            "12",
            "--set",
            "method.chunk=30",
        ];
        [&own, more].concat()
    };
    let stages = [
        "--model",
        "stages.toml",
        "--limit",
        "140",
        "--sweeps",
        "4",
        "--set",
        "method.chunk=20",
    ];
    [
        dense(&[
            "--activation",
            "sigmoid",
            "--weight-decay",
            "1e-3",
            "--validation",
            "30",
        ]),
        dense(&["--storage", "recomputed", "--measure-every", "5"]),
        dense(&["--batch-sweeps", "2"]),
        dense(&["--precision", "f64"]),
        stages.to_vec(),
    ]
}

#[test]
fn exact_on_workers_has_the_history_and_the_weights_of_a_local_run_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workers = Worker::several(4);
    let mixed = format!("flex,{}", list(&workers[..1]));
    let places = [
        ("two", list(&workers[..2]), "1,1"),
        ("four", list(&workers), "3,1,2,1"),
        ("mixed", mixed, "1,2"),
    ];
    for (i, settings) in runs(folder).iter().enumerate() {
        let local = format!("local-{i}");
        train(folder, &local, "flex", settings);
        for (name, devices, shares) in &places {
            let run = format!("{name}-{i}");
            let more = ["--shares", shares];
            train(folder, &run, devices, &[&settings[..], &more].concat());
            assert_eq!(history(folder, &local), history(folder, &run), "{run}");
            assert_eq!(weights(folder, &local), weights(folder, &run), "{run}");
            let config = fs::read_to_string(folder.join(&run).join("config.toml")).unwrap();
            assert!(config.contains(devices.as_str()), "{config}");
        }
    }
}

/// Settings of short runs of `alternating` on three parts of at most 256 samples, or in batches on two: dense networks, and one of
/// convolutions and residual blocks.
const ALTERNATING: [&[&str]; 4] = [
    &["--hidden", "9,8", "--limit", "600", "--sweeps", "4"],
    &[
        "--hidden",
        "9,8",
        "--limit",
        "600",
        "--sweeps",
        "2",
        "--batch-size",
        "300",
        "--precision",
        "f64",
    ],
    &[
        "--hidden",
        "9,8",
        "--limit",
        "600",
        "--sweeps",
        "2",
        "--relaxation",
        "3",
        "--auxiliary-passes",
        "2",
        "--measure-every",
        "2",
    ],
    &[
        "--model",
        "stages.toml",
        "--limit",
        "520",
        "--sweeps",
        "2",
        "--validation",
        "20",
    ],
];

#[test]
fn alternating_on_workers_has_the_history_and_the_weights_of_a_local_run_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("stages.toml"), STAGES).unwrap();
    let workers = Worker::several(4);
    let places = [
        ("two", list(&workers[..2]), "1,1"),
        ("four", list(&workers), "1,1,1,1"),
        ("mixed", format!("flex,{}", workers[0].name), "1,2"),
    ];
    for (i, settings) in ALTERNATING.iter().enumerate() {
        let settings = [settings, &["--method", "alternating"][..]].concat();
        let local = format!("local-{i}");
        train(folder, &local, "flex", &settings);
        for (name, devices, shares) in &places {
            let run = format!("{name}-{i}");
            let more = ["--shares", shares];
            train(folder, &run, devices, &[&settings[..], &more].concat());
            assert_eq!(history(folder, &local), history(folder, &run), "{run}");
            assert_eq!(weights(folder, &local), weights(folder, &run), "{run}");
        }
    }
}

#[test]
fn alternating_resumes_on_other_devices_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workers = Worker::several(2);
    let settings = [
        "--method",
        "alternating",
        "--hidden",
        "9,8",
        "--limit",
        "600",
    ];
    let sweeps = |count| [&settings[..], &["--sweeps", count]].concat();
    train(folder, "local", "flex", &sweeps("6"));
    train(folder, "moved", &list(&workers), &sweeps("2"));
    let mixed = format!("flex,{}", workers[1].name);
    for (devices, count) in [(mixed.as_str(), "4"), ("flex", "5"), (&list(&workers), "6")] {
        let resume = ["train", "--quiet", "--resume", "moved", "--sweeps", count];
        let output = layersep(folder, &[&resume[..], &["--device", devices]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
    }
    assert_eq!(history(folder, "local"), history(folder, "moved"));
    assert_eq!(weights(folder, "local"), weights(folder, "moved"));
}

/// A worker does all that a device does: whole methods run on one. The samples are few enough for one chunk here and there, so that not
/// even the order of sums differs.
#[test]
fn other_methods_on_one_worker_have_the_history_of_a_local_run_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("stages.toml"), STAGES).unwrap();
    let worker = Worker::start(&[]);
    let short = ["--limit", "120", "--sweeps", "2"];
    let cases: [&[&str]; 5] = [
        &["--batch-size", "30", "--hidden", "9,8"],
        &["--batch-size", "30", "--model", "stages.toml"],
        &["--method", "alternating", "--hidden", "9,8"],
        &[
            "--method",
            "alternating",
            "--hidden",
            "9,8",
            "--batch-size",
            "30",
        ],
        &[
            "--method",
            "backprop",
            "--optimizer",
            "adam",
            "--hidden",
            "9,8",
        ],
    ];
    for (i, case) in cases.iter().enumerate() {
        let settings = [case, &short[..]].concat();
        let runs = [format!("local-{i}"), format!("remote-{i}")];
        train(folder, &runs[0], "flex", &settings);
        train(folder, &runs[1], &worker.name, &settings);
        assert_eq!(
            history(folder, &runs[0]),
            history(folder, &runs[1]),
            "{case:?}"
        );
        assert_eq!(
            weights(folder, &runs[0]),
            weights(folder, &runs[1]),
            "{case:?}"
        );
    }
}

/// Losses of the training split.
fn losses(folder: &Path, run: &str) -> Vec<f64> {
    let rows = history(folder, run);
    let name = "train_original_loss";
    let column = rows[0].iter().position(|own| own == name).unwrap();
    let losses = rows[1..].iter().map(|row| row[column].parse().unwrap());
    losses.collect()
}

/// A batch has as many parts as devices, wherever they are, and another number of them rounds otherwise.
#[test]
fn batches_on_workers_have_the_history_of_a_list_at_home_to_the_bit_and_of_one_device_up_to_rounding()
 {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("stages.toml"), STAGES).unwrap();
    let workers = Worker::several(2);
    let short = ["--limit", "120", "--sweeps", "3", "--batch-size", "30"];
    // A decay would move weights along directions that few samples leave without a second moment, where any basis is one of
    // eigenvectors.
    let plain = ["--precision", "f64", "--weight-decay", "0"];
    let cases = [
        [&["--hidden", "9,8"], &plain[..]].concat(),
        [&["--model", "stages.toml", "--dropout", "0.1"], &plain[..]].concat(),
        vec!["--model", "cnn", "--augment", "shift"],
    ];
    for (i, case) in cases.iter().enumerate() {
        let settings = [case, &short[..]].concat();
        let shared = [&settings[..], &["--shares", "2,1"]].concat();
        let [here, remote, one] = ["here", "remote", "one"].map(|name| format!("{name}-{i}"));
        train(folder, &here, "flex,flex", &shared);
        train(folder, &remote, &list(&workers), &shared);
        assert_eq!(history(folder, &here), history(folder, &remote), "{case:?}");
        assert_eq!(weights(folder, &here), weights(folder, &remote), "{case:?}");
        if case.contains(&"f64") {
            train(folder, &one, "flex", &settings);
            let pairs = losses(folder, &one).into_iter().zip(losses(folder, &here));
            for (one, here) in pairs {
                // Steps make some thousand times as much of their rounding.
                assert!((here / one - 1.0).abs() < 1e-11, "{case:?}: {one}, {here}");
            }
            assert_ne!(
                weights(folder, &one),
                weights(folder, &here),
                "{case:?}: nothing was shared"
            );
        }
    }
}

#[test]
fn measured_shares_stand_in_the_run_folder_and_change_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workers = Worker::several(2);
    let settings = &runs(folder)[0];
    train(folder, "local", "flex", settings);
    let measured = ["--shares", "measured"];
    train(
        folder,
        "remote",
        &list(&workers),
        &[&settings[..], &measured].concat(),
    );
    assert_eq!(history(folder, "local"), history(folder, "remote"));
    let config = fs::read_to_string(folder.join("remote/config.toml")).unwrap();
    let config: toml::Table = config.parse().unwrap();
    assert_eq!(config["shares"].as_array().unwrap().len(), 2);
}
