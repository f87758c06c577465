//! `layersep train`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;

use crate::{command, layersep, transcript};

/// Arguments of a run that takes a moment.
const SMALL: [&str; 9] = [
    "train", "--limit", "200", "--hidden", "16", "--sweeps", "2", "--run", "r",
];

/// Replaces the values that differ from run to run: seconds, and figures that rounding moves between processors.
fn redacted() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r" +\d+\.\d+(e-?\d+)?%?", " [figure]");
    settings
}

#[test]
fn help_shows_examples() {
    let folder = tempfile::tempdir().unwrap();
    let text = transcript(folder.path(), &["train", "--help"]);
    assert!(text.contains("Examples:") && text.contains("layersep train --hidden 64x10"));
}

#[test]
fn a_small_run_prints_a_line_per_sweep_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    redacted().bind(|| {
        assert_snapshot!(transcript(folder.path(), &SMALL));
    });
}

#[test]
fn a_path_of_decays_needs_samples_to_choose_by_and_ends_with_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = [
        "train", "--limit", "200", "--hidden", "16", "--run", "r", "--path",
    ];
    let refused = |more: &[&str]| {
        let output = layersep(folder.path(), &[&path[..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[]).contains("`validation` or `folds` must be given too"));
    let decay = refused(&["--validation", "40", "--weight-decay", "1e-3"]);
    assert!(
        decay.contains("weight-decay has no meaning with path"),
        "{decay}"
    );
    let short = refused(&[
        "--validation",
        "40",
        "--sweeps",
        "24",
        "--batch-sweeps",
        "13",
    ]);
    assert!(short.contains("twelve more than batch-sweeps"), "{short}");
    // The number is that of --set, not the usual one of a path.
    let output = layersep(
        folder.path(),
        &[&path[..], &["--validation", "40", "--set", "sweeps=24"]].concat(),
    );
    assert!(output.status.success());
    let config = fs::read_to_string(folder.path().join("r/config.toml")).unwrap();
    assert!(config.contains("sweeps = 24\n"), "{config}");
    let text = String::from_utf8(output.stdout).unwrap();
    let table = text.split("validation %").nth(1).unwrap();
    let rows = table
        .lines()
        .skip(1)
        .take_while(|row| !row.contains("run folder"));
    assert_eq!(rows.count(), 12, "{text}");
    assert!(table.contains("kept"), "{text}");
}

#[test]
fn folds_choose_a_decay_which_the_table_and_the_report_mark() {
    let folder = tempfile::tempdir().unwrap();
    let small = [
        "train", "--limit", "60", "--hidden", "4", "--run", "r", "--folds", "2",
    ];
    let go = |more: &[&str]| layersep(folder.path(), &[&small[..], more].concat());
    for (more, reason) in [
        (
            &[][..],
            "folds = 2 is not possible: folds choose the decay of a path",
        ),
        (
            &["--path", "--validation", "9"],
            "folds = 2 is not possible: `validation`",
        ),
        (
            &["--path", "--patience", "2"],
            "patience = 2 is not possible: with `folds`",
        ),
        (
            &["--path", "--time-limit", "2"],
            "time-limit = 2 is not possible: with `folds`",
        ),
    ] {
        let output = go(more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("error: {reason}")), "{text}");
    }
    let output = go(&["--path", "--sweeps", "24"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        ", fold 1 of 2\n",
        ", fold 2 of 2\n",
        ", all 2 folds, down to weight decay ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let table = text.split("means of 2 folds").nth(1).unwrap();
    assert_eq!(table.matches("  chosen\n").count(), 1, "{text}");
    assert!(layersep(folder.path(), &["report", "r"]).status.success());
    let page = fs::read_to_string(folder.path().join("r/report.html")).unwrap();
    assert!(page.contains("mean over folds") && page.contains("<td>chosen</td>"));
    // Every row has as many cells as the head.
    let table = page.split("<h3>Weight decay chosen").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let cells = |row: &str| row.matches("<t").count() - row.matches("<tr").count();
    let rows: Vec<_> = table.lines().filter(|row| row.contains("<tr>")).collect();
    assert_eq!(rows.len(), 13);
    for row in rows {
        assert_eq!(cells(row.split("<thead>").last().unwrap()), 4, "{row}");
    }
}

#[test]
fn images_are_changed_in_batches_alone_and_where_no_variable_belongs_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| layersep(folder.path(), &[&SMALL[..], more].concat());
    for (more, reason) in [
        (&["--augment", "shift"][..], "`batch-size` must be a number"),
        (
            &[
                "--augment",
                "flip",
                "--method",
                "alternating",
                "--batch-size",
                "50",
            ],
            "take method `foof` or `backprop`",
        ),
        (
            &["--augment", "turn"],
            "[possible values: shift, flip, crop]",
        ),
    ] {
        let output = run(more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(reason), "{text}");
        assert!(!folder.path().join("r").exists());
    }
    let output = run(&["--augment", "shift,crop", "--batch-size", "50"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("images with shift, crop"), "{text}");
}

#[test]
fn without_a_run_folder_each_run_makes_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=2 {
        assert!(layersep(folder.path(), &SMALL[..7]).status.success());
        let run = format!("runs/digits-exact-{number}/summary.json");
        assert!(folder.path().join(run).is_file());
    }
}

#[test]
fn json_is_alone_on_standard_output_and_equals_the_file_but_for_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(folder.path(), &[&SMALL[..], &["--json"]].concat());
    let mut printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder_name = printed.as_object_mut().unwrap().remove("run");
    assert_eq!(folder_name, Some("r".into()));
    let file = fs::read(folder.path().join("r/summary.json")).unwrap();
    assert_eq!(
        printed,
        serde_json::from_slice::<serde_json::Value>(&file).unwrap()
    );
    assert!(String::from_utf8(output.stderr).unwrap().contains("2/2"));
}

#[test]
fn mistakes_get_one_clear_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let text = transcript(folder.path(), &[&["train"], arguments].concat());
        assert!(text.starts_with("exit code: 2\n"), "{text}");
        text
    };
    assert_snapshot!("unknown_dataset", refused(&["--dataset", "mnits"]));
    assert_snapshot!("no_folder", refused(&["--dataset", "mnist"]));
    assert_snapshot!(
        "missing_folder",
        refused(&["--dataset", "mnist", "--data-dir", "nowhere"])
    );
    assert_snapshot!("widths", refused(&["--hidden", "64y3"]));
    assert_snapshot!("no_sweeps", refused(&["--sweeps", "0"]));
    assert_snapshot!("batch_size", refused(&["--batch-size", "0"]));
    assert_snapshot!("eta", refused(&["--eta", "-1"]));
    assert_snapshot!("learning_rate", refused(&["--learning-rate", "0.1"]));
    assert_snapshot!(
        "negative_rate",
        refused(&["--method", "backprop", "--learning-rate=-0.1"])
    );
    fs::write(folder.path().join("file"), "").unwrap();
    assert_snapshot!(
        "run_below_a_file",
        refused(&["--run", "file/run", "--limit", "20"])
    );
}

#[test]
fn single_keys_of_the_configuration_are_set_by_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["--set", "method.gram-rows=7", "--set", "seed=5"];
    let output = layersep(folder.path(), &[&SMALL[..], &set].concat());
    assert!(output.status.success());
    let config = fs::read_to_string(folder.path().join("r/config.toml")).unwrap();
    assert!(
        config.contains("gram-rows = 7") && config.contains("seed = 5"),
        "{config}"
    );
    for command in ["train", "config", "compare"] {
        let refused = |assignment| {
            let text = transcript(folder.path(), &[command, "--set", assignment]);
            assert!(text.starts_with("exit code: 2\n"), "{text}");
            text
        };
        assert_snapshot!("set_unknown", refused("method.gram=7"));
        assert_snapshot!("set_type", refused("sweeps=many"));
        assert!(refused("sweeps").contains("write KEY=VALUE, such as"));
    }
}

#[test]
fn a_second_run_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(layersep(folder.path(), &SMALL).status.success());
    assert_snapshot!(transcript(folder.path(), &SMALL));
}

/// An IDX file of `count` images of 2×2 pixels, as its header says.
fn idx_images(count: u32) -> Vec<u8> {
    let header = [2051, count, 2, 2].map(u32::to_be_bytes).concat();
    [header, vec![7; 4 * count as usize]].concat()
}

#[test]
fn a_truncated_idx_file_is_named_with_what_was_found_and_expected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    for split in ["train", "t10k"] {
        let labels = [[2049, 3].map(u32::to_be_bytes).concat(), vec![1, 2, 3]].concat();
        fs::write(data.join(format!("{split}-labels-idx1-ubyte")), labels).unwrap();
        fs::write(
            data.join(format!("{split}-images-idx3-ubyte")),
            idx_images(3),
        )
        .unwrap();
    }
    let images = idx_images(3);
    let cut = &images[..images.len() - 5];
    fs::write(data.join("train-images-idx3-ubyte"), cut).unwrap();
    let arguments = ["train", "--dataset", "mnist", "--data-dir", "data"];
    let text = transcript(folder.path(), &arguments);
    assert!(text.starts_with("exit code: 2\n"), "{text}");
    assert_snapshot!(text);
}

#[cfg(unix)]
#[test]
fn a_signal_to_end_finishes_the_sweep_writes_everything_and_exits_130() {
    // Ctrl-C, the signal of service managers and batch systems, and a terminal that was closed.
    for signal in ["-INT", "-TERM", "-HUP"] {
        ends_in_order(signal);
    }
}

#[cfg(unix)]
fn ends_in_order(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "train", "--limit", "500", "--sweeps", "1000000", "--run", "r",
    ];
    let mut child = command(folder.path(), &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Two header lines and the first sweep: the handler is in place and the run is under way.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        lines.next().unwrap().unwrap();
    }
    let kill = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
    assert!(
        rest.iter().any(|line| line.contains("(interrupted)")),
        "{rest:?}"
    );
    let summary = fs::read_to_string(folder.path().join("r/summary.json")).unwrap();
    assert!(summary.contains("\"stop\": \"interrupted\""), "{summary}");
    assert!(folder.path().join("r/model.bpk").is_file());
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_the_printing_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &SMALL)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(folder.path().join("r/summary.json").is_file());
}

#[test]
fn burn_device_is_ignored_with_a_remark() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &SMALL)
        .env("BURN_DEVICE", "cuda")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("BURN_DEVICE is ignored"), "{text}");
}

#[test]
fn backprop_takes_batches_of_128_where_nothing_names_a_size() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("open.toml"),
        "[method]\nname = \"backprop\"\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("full.toml"),
        "batch-size = \"full\"\n[method]\nname = \"backprop\"\n",
    )
    .unwrap();
    for (arguments, expected) in [
        (&["--method", "backprop"][..], "batch-size = 128"),
        (
            &["--method", "backprop", "--batch-size", "full"],
            "batch-size = \"full\"",
        ),
        (
            &["--method", "backprop", "--set", "batch-size=32"],
            "batch-size = 32",
        ),
        (&["--method", "alternating"], "batch-size = \"full\""),
        (&["--config", "open.toml"], "batch-size = 128"),
        (&["--config", "full.toml"], "batch-size = \"full\""),
    ] {
        let output = layersep(folder.path(), &[&["config"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}
