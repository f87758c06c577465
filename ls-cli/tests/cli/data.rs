//! `layersep data`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use insta::assert_snapshot;

use crate::{layersep, transcript};

/// A transcript without the names of temporary folders and without ports.
fn shown(folder: &Path, arguments: &[&str]) -> String {
    let text = transcript(folder, arguments).replace(&folder.display().to_string(), "DIR");
    match text.find("127.0.0.1:") {
        Some(at) => {
            let port: String = text[at + 10..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            text.replace(&port, "PORT")
        }
        None => text,
    }
}

/// Answers `count` requests with 404.
fn empty_server(count: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(count) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

/// Two classes of three images of two by two pixels, as lines of a table.
fn table() -> String {
    (0..6)
        .map(|i| format!("{},{i},{},{},200\n", ["cat", "dog"][i % 2], 10 * i, 255 - i))
        .collect()
}

#[test]
fn all_data_sets_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(shown(folder.path(), &["data", "list"]));
    let output = layersep(folder.path(), &["data", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[1]["name"], "mnist");
    assert_eq!(list[1]["train_samples"], 60_000);
    assert!(list[1]["cached"].is_null() && list[4]["shape"].is_null());
}

#[test]
fn help_has_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["verify", "download"] {
        let text = shown(folder.path(), &["data", command, "--help"]);
        let example = format!("  layersep data {command} mnist");
        assert!(
            text.starts_with("exit code: 0\n") && text.contains(&example),
            "{text}"
        );
    }
    let text = shown(folder.path(), &["data", "verify", "--help"]);
    assert!(
        text.contains("Exit code 1 if a file is damaged or missing"),
        "{text}"
    );
}

#[test]
fn damaged_and_missing_files_are_listed_with_their_sums() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data/mnist");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("train-labels-idx1-ubyte.gz"), "x").unwrap();
    let arguments = ["data", "verify", "--data-dir", "data"];
    assert_snapshot!(shown(folder.path(), &arguments));
    assert_eq!(
        shown(folder.path(), &[&arguments[..], &["mnist"]].concat()),
        shown(folder.path(), &arguments)
    );
    let output = layersep(folder.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results[0]["dataset"], "mnist");
    assert_eq!(results[0]["files"][0]["state"], "missing");
    assert_eq!(results[0]["files"][1]["state"], "damaged");
}

#[test]
fn data_without_sums_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(
        "verify_digits",
        shown(folder.path(), &["data", "verify", "digits"])
    );
    fs::write(folder.path().join("own.csv"), table()).unwrap();
    assert_snapshot!(
        "verify_csv",
        shown(
            folder.path(),
            &["data", "verify", "csv", "--data-dir", "own.csv"]
        )
    );
}

#[test]
fn data_that_cannot_be_verified_get_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let text = shown(folder.path(), &[&["data"], arguments].concat());
        assert!(text.starts_with("exit code: 2\n"), "{text}");
        text
    };
    assert_snapshot!(
        "verify_no_folder",
        refused(&["verify", "--data-dir", "nowhere"])
    );
    assert_snapshot!(
        "verify_nothing_known",
        refused(&["verify", "--data-dir", "."])
    );
    assert_snapshot!("verify_csv_nowhere", refused(&["verify", "csv"]));
    assert_snapshot!("verify_unknown", refused(&["verify", "mnits"]));
    assert_snapshot!("download_digits", refused(&["download", "digits"]));
    assert_snapshot!(
        "download_mirror",
        refused(&["download", "mnist", "--mirror", "ftp://here"])
    );
}

#[cfg(target_os = "linux")]
#[test]
fn without_downloads_there_is_nothing_to_verify() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!(shown(folder.path(), &["data", "verify"]));
}

#[test]
fn a_download_without_the_files_on_any_mirror_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "data",
        "download",
        "mnist",
        "--data-dir",
        "data",
        "--mirror",
    ];
    let missing = empty_server(1);
    assert_snapshot!(
        "download_missing",
        shown(
            folder.path(),
            &[&arguments[..], &[missing.as_str()]].concat()
        )
    );
    // Nobody listens on this port any more.
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let text = shown(folder.path(), &[&arguments[..], &[gone.as_str()]].concat());
    assert!(text.starts_with("exit code: 2\n"), "{text}");
    assert!(text.contains("can be put into data by hand"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn training_finds_what_was_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache/layersep/mnist");
    fs::create_dir_all(&cache).unwrap();
    for split in ["train", "t10k"] {
        for part in ["images-idx3", "labels-idx1"] {
            fs::write(cache.join(format!("{split}-{part}-ubyte")), "not the data").unwrap();
        }
    }
    assert_snapshot!(
        "cached",
        shown(folder.path(), &["train", "--dataset", "mnist"])
    );
    let list = shown(folder.path(), &["data", "list"]);
    assert!(list.contains("is in DIR/cache/layersep/mnist"), "{list}");
}

/// Trains on the user's own data and returns the transcript.
fn trained(folder: &Path, data: &[&str]) -> String {
    let small = [
        "train",
        "--hidden",
        "4",
        "--sweeps",
        "1",
        "--run",
        "r",
        "--overwrite",
    ];
    let text = shown(folder, &[&small[..], data].concat());
    assert!(text.starts_with("exit code: 0\n"), "{text}");
    text
}

#[test]
fn a_table_of_the_user_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.csv"), table()).unwrap();
    let data = ["--dataset", "csv", "--data-dir", "own.csv"];
    let text = trained(
        folder.path(),
        &[&data[..], &["--test-share", "0.3"]].concat(),
    );
    let note = "note: own.csv: values separated by commas, 2 classes in column 1, full intensity 255; the data has no test split: 2 of 6 \
                samples were held out by seed 1";
    assert!(text.contains(note), "{text}");
    let config = fs::read_to_string(folder.path().join("r/config.toml")).unwrap();
    assert!(config.contains("test-share = 0.3"), "{config}");
}

#[test]
fn images_of_the_user_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    for (class, value) in [("cat", 10), ("dog", 200)] {
        for split in ["train", "test"] {
            let below = folder.path().join("own").join(split).join(class);
            fs::create_dir_all(&below).unwrap();
            for number in 0..2 {
                let image = image::GrayImage::from_pixel(3, 2, image::Luma([value + number]));
                image.save(below.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    let data = ["--dataset", "folder", "--data-dir", "own"];
    assert!(trained(folder.path(), &data).contains("6-4-2"));
    let share = [&["train"], &data[..], &["--test-share", "0.3"]].concat();
    assert_snapshot!("test_share_not_used", shown(folder.path(), &share));
}

#[test]
fn a_wrong_test_share_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| shown(folder.path(), &[&["train"], arguments].concat());
    assert_snapshot!("test_share_of_digits", refused(&["--test-share", "0.5"]));
    assert_snapshot!(
        "test_share_of_one",
        refused(&["--dataset", "csv", "--data-dir", ".", "--test-share", "1"])
    );
}
