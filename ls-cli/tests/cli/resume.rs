//! `layersep train --resume`, and processes that are killed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::Device;
use insta::assert_snapshot;
use ls_core::linalg::to_f64;
use ls_core::shape::FeatureShape;
use ls_train::run_dir::RunDir;

use super::{command, layersep, transcript};

const SETTINGS: [&str; 9] = [
    "--limit",
    "300",
    "--hidden",
    "32x3",
    "--sweeps",
    "60",
    "--batch-size",
    "100",
    "--json",
];

/// Weights of a finished run, by its own files.
fn weights(run: &Path) -> Vec<f64> {
    let config = RunDir::read_config(run).unwrap();
    let shape = FeatureShape::Image {
        channels: 1,
        height: 8,
        width: 8,
    };
    let network = config.model.init(shape, 10, 0, &Device::flex()).unwrap();
    let network = network.try_load_file(run.join("model.bpk")).unwrap();
    let of = |l: usize| {
        let coefficients = network.stages()[l].affine().unwrap().coefficients();
        let bias = to_f64(coefficients.bias).unwrap();
        [to_f64(coefficients.kernel).unwrap(), bias].concat()
    };
    (0..network.stages().len()).flat_map(of).collect()
}

/// A file that cannot grow represents a full disk: the operating system refuses the same calls.
#[test]
#[cfg(unix)]
fn a_full_disk_is_an_error_and_the_previous_checkpoint_survives() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let go = |limit: &str, arguments: &[&str]| {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(folder).args(["-c", &script]);
        shell.arg(env!("CARGO_BIN_EXE_layersep")).args(arguments);
        shell.output().unwrap()
    };
    let short = |run| {
        let train = ["train", "--checkpoint-every", "1", "--run", run];
        let settings = SETTINGS.map(|setting| if setting == "60" { "3" } else { setting });
        [&train[..], &settings].concat()
    };
    let resume = |run| ["train", "--resume", run, "--sweeps", "6", "--json"];
    for run in ["parts", "whole"] {
        let output = layersep(folder, &short(run));
        assert!(output.status.success());
    }
    // Blocks of 512 bytes: logs and history fit, the weights do not.
    let output = go("16", &resume("parts"));
    let error = String::from_utf8(output.stderr).unwrap();
    let line = error.lines().find(|line| line.starts_with("error: "));
    let line = line.expect(&error);
    assert!(line.contains("cannot write"), "{error}");
    assert_eq!(output.status.code(), Some(1), "{error}");
    let entries = fs::read_dir(folder.join("parts")).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name());
    assert!(!names.any(|name| name.to_string_lossy().contains("draft")));
    for run in ["parts", "whole"] {
        let output = layersep(folder, &resume(run));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{error}");
    }
    assert_eq!(
        weights(&folder.join("parts")),
        weights(&folder.join("whole"))
    );
}

#[test]
fn twenty_processes_killed_at_random_moments_end_where_one_would_have() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train = |run: &[&str]| {
        let arguments = [&["train", "--checkpoint-every", "1"], run].concat();
        let mut command = command(folder, &arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let new = |run| [&["--run", run], &SETTINGS[..]].concat();
    let started = Instant::now();
    assert!(train(&new("whole")).wait().unwrap().success());
    let whole = started.elapsed();

    // So short that the run is not done before the last of them, also where the machine was busier at first.
    let longest = whole / 24;
    let mut random = 1_u64;
    let mut kills = 0;
    let next = || match folder.join("parts/config.toml").exists() {
        true => train(&["--resume", "parts"]),
        false => train(&new("parts")),
    };
    while kills < 20 {
        let mut process = next();
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        sleep(longest.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64));
        // SIGKILL; nothing of the process can tidy up after it.
        process.kill().unwrap();
        kills += usize::from(!process.wait().unwrap().success());
        assert!(
            !folder.join("parts/summary.json").exists(),
            "done too early"
        );
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while !folder.join("parts/summary.json").exists() {
        assert!(Instant::now() < deadline);
        assert!(next().wait().unwrap().success());
    }
    let [parts, whole] = ["parts", "whole"].map(|run| folder.join(run));
    assert_eq!(weights(&parts), weights(&whole));
}

#[test]
fn mistakes_about_run_folders_get_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = [
        "train", "--limit", "50", "--hidden", "4", "--sweeps", "2", "--run", "r",
    ];
    assert!(layersep(folder, &first).status.success());
    fs::write(folder.join("wrong.toml"), "seed = 1\nsweps = 3\n").unwrap();
    fs::write(folder.join("type.toml"), "sweeps = \"many\"\n").unwrap();
    fs::write(folder.join("value.toml"), "sweeps = 0\n").unwrap();
    for (name, arguments) in [
        ("resume-nothing", &["--resume", "none"][..]),
        (
            "resume-other",
            &["--resume", "r", "--sweeps", "4", "--hidden", "5"],
        ),
        ("run-exists", &["--run", "r"]),
        ("overwrite-nothing", &["--overwrite"]),
        ("config-key", &["--config", "wrong.toml"]),
        ("config-type", &["--config", "type.toml"]),
        ("config-value", &["--config", "value.toml"]),
        ("config-missing", &["--config", "none.toml"]),
    ] {
        let arguments = [&["train"], arguments].concat();
        assert_snapshot!(name, transcript(folder, &arguments));
    }
}

#[test]
fn configurations_come_out_as_they_went_in_and_options_override_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let print = |arguments: &[&str]| {
        let output = layersep(folder, &[&["config"], arguments].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let default = print(&["--print-default"]);
    assert_snapshot!("config-default", default);
    assert_eq!(print(&[]), default);
    for options in [
        &["--hidden", "64x3", "--activation", "tanh", "--seed", "4"][..],
        &[
            "--method",
            "alternating",
            "--weighting",
            "frobenius",
            "--eta",
            "2",
        ],
        &[
            "--method",
            "alternating",
            "--optimizer",
            "sgd",
            "--learning-rate",
            "0.5",
        ],
        &[
            "--method",
            "backprop",
            "--optimizer",
            "lion",
            "--schedule",
            "linear",
        ],
        &[
            "--model",
            "cnn",
            "--storage",
            "recomputed",
            "--target-loss",
            "0.1",
        ],
    ] {
        let text = print(options);
        assert_ne!(text, default, "{options:?}");
        fs::write(folder.join("c.toml"), &text).unwrap();
        assert_eq!(print(&["--config", "c.toml"]), text, "{options:?}");
        let changed = print(&["--config", "c.toml", "--seed", "9"]);
        assert_eq!(
            changed,
            text.replacen("seed = ", "seed = 9 #", 1)
                .replace(" #1", "")
                .replace(" #4", "")
        );
    }
}
