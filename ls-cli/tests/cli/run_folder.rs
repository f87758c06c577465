//! Files of a run that are damaged, in the way, or not to be had: what is said, and what is still there.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{command, layersep};

/// Trains for a moment.
fn train(folder: &Path, run: &str, options: &[&str]) {
    let small = [
        "train",
        "--limit",
        "100",
        "--hidden",
        "8",
        "--sweeps",
        "2",
        "--checkpoint-every",
        "1",
        "--quiet",
        "--run",
        run,
    ];
    let output = layersep(folder, &[&small[..], options].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Exit code and standard error.
fn outcome(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = layersep(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error.matches("error: ").count(),
        usize::from(!output.status.success()),
        "{error}"
    );
    (output.status.code(), error)
}

fn assert_refused(folder: &Path, arguments: &[&str], why: &str) {
    let (code, error) = outcome(folder, arguments);
    assert_eq!(code, Some(2), "{arguments:?}: {error}");
    assert!(error.contains(why), "{arguments:?}: {error}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &place),
            false => drop(fs::copy(&path, &place).unwrap()),
        }
    }
}

/// Numbers of the sweeps in a history, and whether its header describes every column.
fn sweeps(run: &Path) -> Vec<usize> {
    let table = ls_train::run_dir::HistoryTable::read(run).unwrap();
    let points = table.points("sweep", "sweep");
    points.iter().map(|point| point.0 as usize).collect()
}

#[test]
fn results_replace_no_file_but_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    fs::write(folder.join("note.txt"), "mine").unwrap();
    // It stands for a device, which a test must not put at risk.
    #[cfg(unix)]
    let _listener = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let before = fs::read(folder.join("r/model.bpk")).unwrap();
    let commands = [
        &["report", "r"][..],
        &["export", "--run", "r"],
        &["problem"],
        &["bench", "--repeats", "1"],
    ];
    for command in commands {
        let to = |file, more: &[&'static str]| [command, &["--output", file], more].concat();
        for file in [
            "r/model.bpk",
            "r/history.csv",
            "r/checkpoints/00000002/model.bpk",
        ] {
            assert_refused(
                folder,
                &to(file, &["--overwrite"]),
                "is a file of the run itself",
            );
        }
        assert_refused(folder, &to("note.txt", &[]), "note.txt exists already");
        assert_refused(folder, &to("r", &["--overwrite"]), "r is no regular file");
        #[cfg(unix)]
        assert_refused(
            folder,
            &to("socket", &["--overwrite"]),
            "socket is no regular file",
        );
    }
    assert_eq!(fs::read_to_string(folder.join("note.txt")).unwrap(), "mine");
    assert!(fs::read(folder.join("r/model.bpk")).unwrap() == before);
    let report = ["report", "r", "--output", "note.txt"];
    for arguments in [&[&report[..], &["--overwrite"]].concat()[..], &report] {
        assert_eq!(
            outcome(folder, arguments).0,
            Some(0),
            "a report replaces a report"
        );
    }
    fs::create_dir(folder.join("c")).unwrap();
    for file in ["comparison.md", "figures.csv"] {
        fs::write(folder.join("c").join(file), "mine").unwrap();
        let compare = ["compare", "--seeds", "1", "--sweeps", "1", "--run", "c"];
        assert_refused(folder, &compare, file);
        fs::remove_file(folder.join("c").join(file)).unwrap();
    }
}

#[test]
fn a_damaged_history_is_restored_from_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    let text = fs::read_to_string(folder.join("r/history.csv")).unwrap();
    let cut = &text[..text.len() - 20];
    for (name, damaged) in [
        ("emptied", String::new()),
        ("cut", cut.into()),
        ("cut-line", format!("{cut}\n")),
        ("semicolons", text.replace(',', ";")),
    ] {
        let run = folder.join(name);
        copy(&folder.join("r"), &run);
        fs::write(run.join("history.csv"), damaged).unwrap();
        // Nothing more is asked of the run, and nothing is silent.
        let (code, said) = outcome(folder, &["train", "--resume", name]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("history.csv was damaged"), "{name}: {said}");
        assert_eq!(fs::read_to_string(run.join("history.csv")).unwrap(), text);
        fs::write(run.join("history.csv"), "").unwrap();
        let (_, said) = outcome(folder, &["report", name]);
        assert!(said.contains("there are no charts"), "{said}");
        let (code, said) = outcome(folder, &["train", "--resume", name, "--sweeps", "4"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("history.csv was damaged"), "{name}: {said}");
        assert_eq!(sweeps(&run), [0, 1, 2, 3, 4], "{name}");
    }
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("1,"))
        .collect();
    fs::write(folder.join("r/history.csv"), rows.join("\n") + "\n").unwrap();
    let (_, said) = outcome(folder, &["report", "r"]);
    assert!(said.contains("lacks 1 rows from sweep 1 to 1"), "{said}");
}

#[test]
fn weights_that_are_damaged_or_of_another_run_are_refused_until_they_are_restored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    train(folder, "other", &["--seed", "2"]);
    fs::write(folder.join("image.csv"), ["1"; 64].join(",")).unwrap();
    let path = folder.join("r/model.bpk");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let other = fs::read(folder.join("other/model.bpk")).unwrap();
    assert_eq!(other.len(), whole.len());
    for bytes in [flipped, other, Vec::new()] {
        fs::write(&path, bytes).unwrap();
        for arguments in [
            &["eval", "--run", "r"][..],
            &["predict", "--run", "r", "image.csv"],
            &["export", "--run", "r"],
            &["report", "r"],
        ] {
            assert_refused(
                folder,
                arguments,
                "r/model.bpk: its checksum is not the one",
            );
        }
    }
    assert!(!folder.join("r/model.safetensors").exists());
    let (code, said) = outcome(folder, &["train", "--resume", "r"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("model.bpk was damaged"), "{said}");
    assert!(fs::read(&path).unwrap() == whole);
    assert_eq!(outcome(folder, &["eval", "--run", "r"]).0, Some(0));
}

#[test]
fn equal_options_give_equal_weight_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for options in [
        &["--validation", "20"][..],
        &[
            "--method",
            "backprop",
            "--optimizer",
            "muon",
            "--batch-size",
            "40",
        ],
        &["--method", "alternating", "--optimizer", "adam"],
    ] {
        let [a, b] = ["a", "b"].map(|run| {
            train(folder, run, &[options, &["--overwrite"]].concat());
            let export = ["export", "--run", run, "--format", "burn", "--quiet"];
            assert_eq!(outcome(folder, &export), (Some(0), String::new()));
            ["model.bpk", "model-export.bpk"]
                .map(|file| fs::read(folder.join(run).join(file)).unwrap())
        });
        assert!(a == b, "{options:?}");
        assert!(a[0] == a[1], "one format, one file");
    }
}

#[test]
fn a_run_that_has_ended_says_so_and_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    train(folder, "target", &["--target-loss", "100"]);
    let files = |run: &str| {
        let names = ["config.toml", "history.csv", "model.bpk", "summary.json"];
        names.map(|name| fs::read(folder.join(run).join(name)).unwrap())
    };
    for (run, options, reason) in [
        (
            "r",
            &[][..],
            "2 sweeps of 2 are done; continue with a larger --sweeps",
        ),
        ("r", &["--sweeps", "1"], "2 sweeps of 1 are done"),
        ("target", &[], "its loss has reached the target"),
    ] {
        let before = files(run);
        let arguments = [&["train", "--resume", run, "--json"], options].concat();
        let output = layersep(folder, &arguments);
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(&format!("note: {run} has ended: {reason}")),
            "{said}"
        );
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["run"], run);
        assert!(files(run) == before, "nothing is written again");
    }
    let further = [
        "train",
        "--resume",
        "target",
        "--target-loss",
        "1e-9",
        "--quiet",
    ];
    assert_eq!(outcome(folder, &further), (Some(0), String::new()));
    assert_eq!(sweeps(&folder.join("target")), [0, 1, 2]);
}

/// A name that leads nowhere stands for a folder without permissions, which the system's administrator may read.
#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    symlink("loop", folder.join("loop")).unwrap();
    fs::set_permissions(folder.join("r"), fs::Permissions::from_mode(0o0)).unwrap();
    let is_closed = fs::read_dir(folder.join("r")).is_err();
    let folders = [("loop", "symbolic links"), ("r", "Permission denied")];
    for (run, reason) in folders.into_iter().take(1 + usize::from(is_closed)) {
        for arguments in [
            &["eval", "--run", run][..],
            &["predict", "--run", run, "image.csv"],
            &["export", "--run", run],
            &["report", run],
            &["train", "--resume", run],
        ] {
            assert_refused(folder, arguments, reason);
        }
    }
    fs::set_permissions(folder.join("r"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_damaged_header_of_a_checkpoint_is_refused_with_the_way_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    let last = folder.join("r/checkpoints/00000002");
    let path = last.join("checkpoint.toml");
    let text = fs::read_to_string(&path).unwrap();
    let seconds = text
        .lines()
        .find(|line| line.starts_with("seconds = "))
        .unwrap();
    let resume = ["train", "--resume", "r", "--sweeps", "3"];
    for damaged in [
        &text[..text.len() / 2],
        "",
        &text.replace("sweep = 2", "sweep = 3"),
        &text.replace(seconds, "seconds = -1e300"),
    ] {
        assert_ne!(damaged, text);
        fs::write(&path, damaged).unwrap();
        assert_refused(folder, &resume, "remove it to go on from sweep 1");
        assert_refused(folder, &resume, "checkpoint.toml is damaged");
    }
    for file in ["history.csv", "checksums.toml", "checkpoint.toml"] {
        fs::write(&path, &text).unwrap();
        fs::remove_file(last.join(file)).unwrap();
        assert_refused(folder, &resume, "remove it to go on from sweep 1");
    }
    fs::remove_dir_all(&last).unwrap();
    assert_eq!(outcome(folder, &resume).0, Some(0));
    assert_eq!(sweeps(&folder.join("r")), [0, 1, 2, 3]);
}

#[test]
fn a_batch_size_that_is_none_is_named_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for value in ["nan", "-3", "1.5", "0", "true", "\"many\""] {
        let allowed = format!(
            "`{}` is neither `full` nor a number",
            value.trim_matches('"')
        );
        let text = format!("batch-size = {value}\n");
        fs::write(folder.join("c.toml"), text).unwrap();
        let config = ["train", "--config", "c.toml"];
        assert_refused(folder, &config, &allowed.replace("nan", "NaN"));
        let set = format!("batch-size={value}");
        assert_refused(
            folder,
            &["train", "--set", &set],
            &allowed.replace("nan", "NaN"),
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_without_memory_ends_the_run_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -v 4000000; exec \"$0\" train --hidden 30000x3 --ignore-memory --run r";
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(folder.path()).args(["-c", script]);
    let output = shell.arg(env!("CARGO_BIN_EXE_layersep")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.starts_with("error: the system has no memory left: "),
        "{error}"
    );
    assert_eq!(error.lines().count(), 2, "an error and a hint: {error}");
}

#[test]
#[cfg(unix)]
fn results_on_a_full_disk_leave_no_draft() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    let names = || {
        let entries = fs::read_dir(folder.join("r")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for command in ["report r", "export --run r", "export --run r --format burn"] {
        // No file may grow; the system refuses the same calls as on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f 0; exec \"$0\" {command} 2>&1 | cat");
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(folder).args(["-c", &script]);
        let output = shell.arg(env!("CARGO_BIN_EXE_layersep")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with("error: cannot write r/"),
            "{command}: {said}"
        );
        assert!(said.contains("File too large"), "{command}: {said}");
        assert_eq!(said.lines().count(), 1, "{command}: {said}");
        assert_eq!(names(), before, "{command}");
    }
}

#[test]
fn a_run_that_goes_on_is_used_by_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("image.csv"), ["1"; 64].join(",")).unwrap();
    let mut process = command(
        folder,
        &[
            "train",
            "--hidden",
            "256x4",
            "--method",
            "backprop",
            "--sweeps",
            "1000000",
            "--checkpoint-every",
            "4",
            "--run",
            "r",
        ],
    );
    let mut process = process
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // A checkpoint stays for seconds, long enough to be read.
    let has_checkpoint = || {
        let mut found = fs::read_dir(folder.join("r/checkpoints"))
            .into_iter()
            .flatten();
        found.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_none()))
    };
    while !has_checkpoint() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10));
    }
    let outcomes: Vec<_> = [
        &["eval", "--run", "r"][..],
        &["predict", "--run", "r", "image.csv"],
        &["export", "--run", "r"],
    ]
    .map(|arguments| outcome(folder, arguments))
    .to_vec();
    process.kill().unwrap();
    process.wait().unwrap();
    for (code, said) in outcomes {
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("these are the weights of its checkpoint"),
            "{said}"
        );
    }
}

/// The files of a run are replaced only where all of them can be.
#[test]
fn a_resumption_that_cannot_write_leaves_all_files_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    let before = fs::read(folder.join("r/config.toml")).unwrap();
    fs::remove_file(folder.join("r/fingerprint.toml")).unwrap();
    fs::create_dir(folder.join("r/fingerprint.toml")).unwrap();
    // Damage that a resumption mends, if it can go on.
    fs::write(folder.join("r/preprocessing.toml"), "damaged").unwrap();
    let more = ["train", "--resume", "r", "--sweeps", "4"];
    assert_refused(folder, &more, "r/fingerprint.toml");
    assert_eq!(fs::read(folder.join("r/config.toml")).unwrap(), before);
    let untouched = fs::read_to_string(folder.join("r/preprocessing.toml"));
    assert_eq!(untouched.unwrap(), "damaged");
}

/// To open a pipe would wait for somebody who reads it.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_lock_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train(folder, "r", &[]);
    let lock = folder.join("r/lock");
    fs::remove_file(&lock).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&lock).status();
    assert!(made.unwrap().success());
    let more = ["train", "--resume", "r", "--sweeps", "4"];
    assert_refused(folder, &more, "it is no regular file");
}

#[test]
fn messages_escape_the_control_characters_that_they_quote() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("run.toml"), "se\u{1b}[31med = 1\n").unwrap();
    let (code, error) = outcome(folder, &["train", "--config", "run.toml"]);
    assert_eq!(code, Some(2), "{error}");
    let controls = error.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0, "{error:?}");
}
