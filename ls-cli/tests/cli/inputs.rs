//! Files and numbers of the user: tables, configurations, values of options.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{layersep, transcript};

/// Three classes of eight images of two by two pixels from 0 to 16, with the label in front.
fn lines() -> Vec<[String; 5]> {
    let line = |i: usize| {
        let pixel = |p: usize| ((3 * i + 5 * p * (i % 3)) % 17).to_string();
        [(i % 3).to_string(), pixel(0), pixel(1), pixel(2), pixel(3)]
    };
    (0..24).map(line).collect()
}

/// The table with another separator, with the label in the last column if `is_last`.
fn table(separator: &str, is_last: bool) -> String {
    let lines = lines().into_iter().map(|mut line| {
        if is_last {
            line.rotate_left(1);
        }
        line.join(separator) + "\n"
    });
    lines.collect()
}

/// Trains on a table for one sweep; returns the exit code and everything that was written.
fn train_on(folder: &Path, text: &str, options: &[&str]) -> String {
    fs::write(folder.join("own.csv"), text).unwrap();
    let train = [
        "train",
        "--dataset",
        "csv",
        "--data-dir",
        "own.csv",
        "--hidden",
        "4",
        "--sweeps",
        "1",
        "--run",
        "r",
        "--overwrite",
    ];
    transcript(folder, &[&train[..], options].concat())
}

fn loss_of(folder: &Path) -> f64 {
    let summary = fs::read_to_string(folder.join("r/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    summary["train"]["original_loss"].as_f64().unwrap()
}

#[test]
fn tables_of_every_form_are_the_same_data_and_a_note_says_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut losses = Vec::new();
    for (text, options, found) in [
        (
            table(",", false),
            &[][..],
            "commas, 3 classes in column 1, full intensity 16;",
        ),
        (
            table(";", false),
            &[],
            "semicolons, 3 classes in column 1, full intensity 16;",
        ),
        (
            table("\t", false),
            &[],
            "tabs, 3 classes in column 1, full intensity 16;",
        ),
        (
            table(",", true),
            &["--label-column", "last"],
            "commas, 3 classes in column 5, full intensity 16;",
        ),
        (
            table(",", true),
            &["--label-column", "5"],
            "commas, 3 classes in column 5, full intensity 16;",
        ),
    ] {
        let text = train_on(folder, &text, options);
        assert!(text.starts_with("exit code: 0\n"), "{text}");
        assert!(text.contains(&format!("separated by {found}")), "{text}");
        losses.push(loss_of(folder));
    }
    assert!(losses.iter().all(|&loss| loss == losses[0]), "{losses:?}");
    let text = train_on(folder, &table(",", false), &["--pixel-max", "255"]);
    assert!(text.contains("full intensity 255;"), "{text}");
}

#[test]
fn fractions_are_pixels_and_predictions_read_them_in_the_same_scale() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let divided = lines().into_iter().map(|mut line| {
        for value in &mut line[1..] {
            *value = (value.parse::<f64>().unwrap() / 16.0).to_string();
        }
        line
    });
    let divided: Vec<_> = divided.collect();
    let text: String = divided.iter().map(|line| line.join(",") + "\n").collect();
    let text = train_on(folder, &text, &[]);
    assert!(text.contains("full intensity 1, in 255 steps;"), "{text}");
    // Within half a step of 255 per pixel, the data are those of the integers.
    let loss = loss_of(folder);
    train_on(folder, &table(",", false), &[]);
    assert!((loss / loss_of(folder) - 1.0).abs() < 0.05, "{loss}");

    let text: String = divided
        .iter()
        .map(|line| line[1..].join(",") + "\n")
        .collect();
    fs::write(folder.join("fractions.csv"), text).unwrap();
    let refused = transcript(folder, &["predict", "--run", "r", "fractions.csv"]);
    assert!(
        refused.contains("is not an integer from 0 to 16"),
        "{refused}"
    );
    let labelled: String = divided.iter().map(|line| line.join(",") + "\n").collect();
    train_on(folder, &labelled, &[]);
    let text = transcript(folder, &["predict", "--run", "r", "fractions.csv"]);
    assert!(text.starts_with("exit code: 0\n"), "{text}");
    assert_eq!(text.matches(" %").count(), 24, "{text}");
    // An evaluation finds the same full intensity, also where the numbers of another file are smaller.
    fs::write(
        folder.join("dark.csv"),
        "0,0,0,0,0\n1,0,0,0,0\n2,0,0.5,0,0\n0,0,0,0,0\n",
    )
    .unwrap();
    let arguments = ["eval", "--run", "r", "--data-dir", "dark.csv"];
    let text = transcript(folder, &arguments);
    assert!(text.starts_with("exit code: 0\n"), "{text}");
}

#[test]
fn mistakes_with_tables_are_one_line_that_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |text: &str, options: &[&str], expected: &str| {
        let text = train_on(folder, text, options);
        assert!(text.starts_with("exit code: 2\n"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!folder.join("r").exists());
    };
    let zeros = "0,1,a\n0,2,b\n0,3,a\n0,4,b\n"
        .replace('a', "7")
        .replace('b', "8");
    refused(
        &zeros,
        &[],
        "error: own.csv: every label in column 1 is `0`; if the labels are in another column, name it by label-column",
    );
    refused(
        "a,300\nb,1\n",
        &[],
        "`300` is not a number from 0 to 255 (pixel-max can name another end)",
    );
    refused(
        "a,1\nb,2\n",
        &["--label-column", "7"],
        "error: own.csv: label-column = 7 is not possible: columns are numbered from 1 to 2",
    );
    refused(
        "a,1\nb,2\n",
        &["--pixel-max", "0"],
        "error: pixel-max = 0 is not possible: it must be greater than 0",
    );
    refused(
        "a,1\nb,2\n",
        &["--pixel-max", "1e400"],
        "it must be a finite number",
    );
    let text = transcript(folder, &["train", "--label-column", "last"]);
    assert!(
        text.contains(
            "label-column = last is not possible: it is only for tables, the data set csv"
        ),
        "{text}"
    );
}

#[test]
fn a_file_that_is_gone_on_resume_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    train_on(folder, &table(",", false), &[]);
    fs::remove_file(folder.join("own.csv")).unwrap();
    let text = transcript(folder, &["train", "--resume", "r", "--sweeps", "3"]);
    assert!(text.starts_with("exit code: 2\n"), "{text}");
    assert!(text.contains("own.csv does not exist\n"), "{text}");
}

/// A pipe without a writer would keep a reader waiting for ever; a device would fill the memory.
#[cfg(unix)]
#[test]
fn devices_pipes_and_huge_files_are_no_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(
        Command::new("mkfifo")
            .arg(folder.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    fs::write(folder.join("huge"), vec![b'#'; (1 << 20) + 1]).unwrap();
    for option in ["--config", "--model"] {
        for (file, reason) in [
            ("/dev/zero", "it is not a regular file"),
            ("pipe", "it is not a regular file"),
            (".", "it is not a regular file"),
            ("huge", "it is larger than 1 MiB"),
        ] {
            let output = layersep(folder, &["train", option, file]);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{error}");
            let first = error.lines().next().unwrap();
            assert!(
                first.starts_with("error: ") && first.contains(reason),
                "{error}"
            );
        }
    }
}

#[test]
fn numbers_in_refusals_are_short_and_as_they_were_given() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (
            ["train", "--time-limit", "1e300"],
            "error: time-limit = 1e300 is not possible: it must be greater than 0 and at most 1e12\n",
        ),
        (
            ["train", "--target-loss", "-2.5"],
            "error: target-loss = -2.5 is not possible: it must be greater than 0 and at most 1e12\n",
        ),
        (
            ["train", "--damping", "1e400"],
            "error: invalid value '1e400' for '--damping <NUMBER>': it must be a finite number",
        ),
        (
            ["train", "--time-limit", "inf"],
            "error: invalid value 'inf' for '--time-limit <SECONDS>': it must be a finite number",
        ),
        (
            ["compare", "--seconds", "1e300"],
            "error: time-limit = 1e300 is not possible",
        ),
        (
            ["compare", "--rates", "1e400"],
            "error: invalid value '1e400' for '--rates <RATE,...>': it must be a finite number",
        ),
    ] {
        let output = layersep(folder.path(), &arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with(expected), "{error}");
    }
}

/// The size of the batches decides what kind of baseline a run is: in full batch Adam makes one step in each sweep.
#[test]
fn backprop_trains_on_batches_of_128_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let batch_size = |options: &[&str]| {
        let output = layersep(folder.path(), &[&["config", "--json"], options].concat());
        let config: Value = serde_json::from_slice(&output.stdout).unwrap();
        config["batch-size"].clone()
    };
    let backprop = ["--method", "backprop", "--optimizer", "adam"];
    assert_eq!(batch_size(&backprop), 128);
    assert_eq!(
        batch_size(&[&backprop[..], &["--batch-size", "full"]].concat()),
        "full"
    );
    assert_eq!(batch_size(&[]), "full");
    let train = [
        &["train", "--sweeps", "1", "--limit", "300", "--run", "r"][..],
        &backprop,
    ]
    .concat();
    assert_eq!(layersep(folder.path(), &train).status.code(), Some(0));
    let written = fs::read_to_string(folder.path().join("r/config.toml")).unwrap();
    assert!(written.contains("\nbatch-size = 128\n"), "{written}");
}
