//! Workers that refuse, that end, and that hang.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};

use crate::worker::Worker;
use crate::{command, history, layersep, list, one_error, train, weights};

/// A run long enough to be disturbed, that writes a checkpoint after every sweep.
const LONG: [&str; 10] = [
    "--hidden",
    "16,16",
    "--limit",
    "400",
    "--sweeps",
    "40",
    "--set",
    "method.chunk=50",
    "--checkpoint-every",
    "1",
];

/// Starts a run that ends after a worker has been silent for so many seconds, and waits until it has shown its first sweep.
fn start(folder: &Path, run: &str, devices: &str, limit: &str) -> Child {
    let own = [
        "train",
        "--run",
        run,
        "--device",
        devices,
        "--worker-timeout",
        limit,
    ];
    let mut process = command(folder, &[&own, &LONG[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.as_mut().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.trim_start().starts_with("1/40")));
    process
}

/// Kills of workers at random moments: four, or as many as `LAYERSEP_WORKER_KILLS` says.
#[test]
fn a_worker_that_is_killed_is_named_and_the_run_resumes_elsewhere_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "local", "flex", &LONG);
    let mut workers = Worker::several(3);
    let kills = std::env::var("LAYERSEP_WORKER_KILLS").ok();
    let kills = kills.map_or(4, |text| text.parse().unwrap());
    let mut random = ChaCha12Rng::seed_from_u64(3);
    for kill in 0..kills {
        let (killed, elsewhere) = (random.random_range(0..2), random.random());
        let run = format!("killed-{kill}");
        let devices = list(&workers[..2]);
        let process = start(folder, &run, &devices, "60");
        // The other 39 sweeps take about three seconds in a debug build, and must not be over before.
        thread::sleep(Duration::from_millis(random.random_range(0..300)));
        workers[killed].signal("KILL");
        let output = process.wait_with_output().unwrap();
        let error = one_error(&output);
        assert!(error.contains(&workers[killed].name), "{error}");
        assert_eq!(output.status.code(), Some(1), "{error}");
        workers[killed] = Worker::start(&[]);
        let resume = ["train", "--quiet", "--resume", &run, "--device"];
        let devices = match elsewhere {
            true => "flex".to_owned(),
            false => list(&workers),
        };
        let output = layersep(folder, &[&resume[..], &[&devices]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert_eq!(history(folder, "local"), history(folder, &run));
        assert_eq!(weights(folder, "local"), weights(folder, &run));
    }
}

#[test]
fn a_worker_that_hangs_ends_the_run_after_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workers = Worker::several(2);
    let process = start(folder, "hung", &list(&workers), "5");
    workers[1].signal("STOP");
    let output = process.wait_with_output().unwrap();
    let error = one_error(&output);
    let expected = format!(
        "worker `{}` has not answered for 5 seconds",
        workers[1].name
    );
    assert!(error.contains(&expected), "{error}");
    assert_eq!(output.status.code(), Some(1));
    assert!(folder.join("hung/checkpoints").read_dir().unwrap().count() > 0);
}

#[test]
fn a_worker_that_does_not_listen_is_named_after_some_tries() {
    let folder = tempfile::tempdir().unwrap();
    // The port was free a moment ago.
    let mut worker = Worker::start(&[]);
    let name = worker.name.clone();
    worker.signal("TERM");
    worker.wait();
    let output = layersep(folder.path(), &["train", "--device", &name]);
    let error = one_error(&output);
    assert!(
        error.contains(&format!(
            "worker `{name}` cannot be reached: nothing answered after trying for"
        )),
        "{error}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_worker_ends_cleanly_on_signals() {
    for signal in ["INT", "TERM"] {
        let mut worker = Worker::start(&[]);
        worker.signal(signal);
        assert_eq!(worker.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_token_is_asked_for_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (file, token) in [("right", "4711\n"), ("wrong", "0815"), ("empty", " \n")] {
        fs::write(folder.join(file), token).unwrap();
    }
    let right = folder.join("right");
    let worker = Worker::start(&["--token-file", right.to_str().unwrap()]);
    let run = |more: &[&str]| {
        let own = [
            "train",
            "--hidden",
            "4",
            "--limit",
            "40",
            "--sweeps",
            "1",
            "--quiet",
            "--device",
            &worker.name,
        ];
        layersep(folder, &[&own, more].concat())
    };
    let cases: [(&[&str], &str); 4] = [
        (&[], "asks for a token"),
        (
            &["--token-file", "wrong"],
            "refuses the token of --token-file",
        ),
        (&["--token-file", "empty"], "empty is empty"),
        (
            &["--token-file", "absent"],
            "cannot read the token in absent",
        ),
    ];
    for (more, expected) in cases {
        let output = run(more);
        let error = one_error(&output);
        assert!(error.contains(expected), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
    let output = run(&["--token-file", "right"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn commands_that_read_runs_or_make_several_take_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("right"), "4711").unwrap();
    let right = folder.join("right");
    let worker = Worker::start(&["--token-file", right.to_str().unwrap()]);
    train(
        folder,
        "own",
        "flex",
        &["--hidden", "4", "--limit", "40", "--sweeps", "1"],
    );
    let others: [&[&str]; 2] = [
        &["eval", "--run", "own"],
        &[
            "compare",
            "--methods",
            "exact",
            "--seeds",
            "1",
            "--sweeps",
            "1",
            "--hidden",
            "4",
        ],
    ];
    for command in others {
        let device = ["--device", &worker.name];
        let error = one_error(&layersep(folder, &[command, &device].concat()));
        assert!(error.contains("asks for a token"), "{error}");
        let token = ["--token-file", "right"];
        let output = layersep(folder, &[command, &device, &token].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
    }
}

#[test]
fn a_worker_listens_beyond_this_machine_only_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(folder.path(), &["worker", "--listen", "0.0.0.0:0"]);
    let error = one_error(&output);
    assert!(
        error.contains("--listen 0.0.0.0:0 lets other machines in"),
        "{error}"
    );
    assert_eq!(output.status.code(), Some(2));
    // Without --listen it is the loopback address, which the help states as the default.
    let help = layersep(folder.path(), &["worker", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("[default: 127.0.0.1:3000]"), "{help}");
}

#[test]
fn devices_that_cannot_share_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (
            &["--shares", "measured"],
            "shares = measured is not possible",
        ),
        (
            &["--device", "remote:ws://a:1,flex", "--shares", "1"],
            "shares = 1 is not possible",
        ),
        (
            &["--device", "flex", "--shares", "1"],
            "shares = 1 is not possible",
        ),
        (
            &["--device", "flex,flex", "--method", "backprop"],
            "device = flex,flex is not possible",
        ),
        (
            &[
                "--device",
                "flex,flex",
                "--method",
                "alternating",
                "--optimizer",
                "adam",
            ],
            "`alternating` without an optimizer share samples among devices; name one device",
        ),
        (
            &["--device", "remote:ws://a"],
            "malformed device `remote:ws://a`",
        ),
        (&["--token-file", "t"], "--token-file"),
    ];
    fs::write(folder.path().join("t"), "t").unwrap();
    for (more, expected) in cases {
        let output = layersep(folder.path(), &[&["train"], more].concat());
        let error = one_error(&output);
        assert!(error.contains(expected), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
}
