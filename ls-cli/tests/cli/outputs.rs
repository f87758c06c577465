//! Standard input and output in place of files, and folders of comparisons.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::{command, layersep, transcript};

/// A folder with a small run in `r`.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let train = [
        "train", "--limit", "200", "--hidden", "4", "--sweeps", "1", "--run", "r", "--quiet",
    ];
    assert!(layersep(folder.path(), &train).status.success());
    folder
}

/// Runs the program with bytes on standard input.
fn fed(folder: &Path, arguments: &[&str], bytes: &[u8]) -> Output {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_dash_is_standard_output() {
    let folder = trained();
    let folder = folder.path();
    for format in ["safetensors", "burn"] {
        let arguments = ["export", "--run", "r", "--format", format];
        let output = layersep(folder, &[&arguments[..], &["-o", "-"]].concat());
        assert!(output.status.success() && output.stderr.is_empty());
        let named = layersep(folder, &[&arguments[..], &["-o", "file"]].concat());
        assert!(named.status.success());
        assert!(
            output.stdout == fs::read(folder.join("file")).unwrap(),
            "{format}"
        );
        fs::remove_file(folder.join("file")).unwrap();
    }
    let output = layersep(folder, &["report", "r", "--output", "-"]);
    assert!(output.status.success() && output.stdout.starts_with(b"<!DOCTYPE html>"));
    let problem = ["problem", "--limit", "50", "--hidden", "4", "-o"];
    let output = layersep(folder, &[&problem[..], &["-"]].concat());
    assert!(
        layersep(folder, &[&problem[..], &["file"]].concat())
            .status
            .success()
    );
    assert!(output.stdout == fs::read(folder.join("file")).unwrap());
    for arguments in [
        &["export", "--run", "r", "-o", "-", "--json"][..],
        &["report", "r", "-o", "-", "--json"],
        &["problem", "-o", "-", "--json"],
        &["bench", "--output", "-"],
    ] {
        let text = transcript(folder, arguments);
        assert!(
            text.starts_with("exit code: 2\n--- stdout\n--- stderr\n"),
            "{text}"
        );
        assert!(text.contains("error: --output "), "{text}");
    }
    assert!(!folder.join("-").exists());
}

#[test]
fn a_dash_is_standard_input_in_the_format_of_its_contents() {
    let folder = trained();
    let folder = folder.path();
    let line = (0..64)
        .map(|i| (i % 17).to_string())
        .collect::<Vec<_>>()
        .join(",");
    let pixels: Vec<u8> = (0..64).map(|i| i % 17).collect();
    let idx = [
        &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 8],
        &pixels[..],
    ]
    .concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&idx).unwrap();
    let packed = packed.finish().unwrap();
    let predict = ["predict", "--run", "r", "-"];
    let table = fed(folder, &predict, line.as_bytes());
    let text = String::from_utf8(table.stdout.clone()).unwrap();
    assert!(text.starts_with("-: ") && text.ends_with(" %\n"), "{text}");
    for bytes in [&idx, &packed] {
        assert_eq!(fed(folder, &predict, bytes).stdout, table.stdout);
    }
    let image = image::GrayImage::from_pixel(8, 8, image::Luma([90]));
    image.save(folder.join("a.png")).unwrap();
    let png = fs::read(folder.join("a.png")).unwrap();
    let output = fed(folder, &predict, &png);
    let named = layersep(folder, &["predict", "--run", "r", "a.png"]);
    let named = String::from_utf8(named.stdout).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        named.replace("a.png", "-")
    );
    let output = fed(folder, &predict, b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"error: standard input holds no samples\n");
}

#[test]
fn json_lists_as_many_classes_as_were_asked_for() {
    let folder = trained();
    fs::write(folder.path().join("a.csv"), ["1"; 64].join(",")).unwrap();
    let line = |options: &[&str]| -> Value {
        let predict = [&["predict", "--run", "r", "--json", "a.csv"], options].concat();
        serde_json::from_slice(&layersep(folder.path(), &predict).stdout).unwrap()
    };
    let two = line(&["--top", "2"]);
    let top = two["top"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["class"]), (2, &two["class"]));
    assert_eq!(top[0]["probability"], two["probability"]);
    assert!(top[0]["probability"].as_f64() >= top[1]["probability"].as_f64());
    assert_eq!(line(&["--top", "99"])["top"].as_array().unwrap().len(), 10);
    assert!(line(&[]).get("top").is_none());
}

#[test]
fn a_comparison_has_a_page_and_an_evaluation_names_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let compare = [
        "compare",
        "--methods",
        "exact,sgd",
        "--rates",
        "0.1,0.2",
        "--seeds",
        "1",
        "--sweeps",
        "1",
        "--hidden",
        "4",
        "--limit",
        "100",
        "--run",
        "c",
        "--quiet",
    ];
    assert!(layersep(folder, &compare).status.success());
    let output = layersep(folder, &["report", "c"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "c/report.html\n");
    let page = fs::read_to_string(folder.join("c/report.html")).unwrap();
    assert!(
        page.contains("2 runs"),
        "the runs of the search for rates are left out"
    );
    let text = transcript(folder, &["eval", "--run", "c"]);
    let expected = "error: c holds a comparison, and --run names one run\nhint: name one of its runs, such as c/runs/digits/";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn an_example_of_a_stage_file_is_printed_and_trained() {
    let folder = tempfile::tempdir().unwrap();
    let example = layersep(folder.path(), &["config", "--stages"]).stdout;
    fs::write(folder.path().join("net.toml"), example).unwrap();
    let train = [
        "train",
        "--model",
        "net.toml",
        "--limit",
        "50",
        "--sweeps",
        "1",
        "--run",
        "r",
        "--quiet",
        "--method",
        "foof",
        "--batch-size",
        "25",
    ];
    let text = transcript(folder.path(), &train);
    assert!(text.starts_with("exit code: 0\n"), "{text}");
    let text = transcript(folder.path(), &["config", "--stages", "--hidden", "3"]);
    assert!(
        text.contains("error: --stages prints the same for all options"),
        "{text}"
    );
    let wrong = transcript(folder.path(), &["train", "--model", "nothing"]);
    assert!(
        wrong.contains("`layersep config --stages` prints"),
        "{wrong}"
    );
}
