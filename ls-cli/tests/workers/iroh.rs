//! Workers over Iroh, dialled on the loopback address: tests reach no relays.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use crate::worker::Worker;
use crate::{history, layersep, one_error, train, weights};

/// An address with a port that was free a moment ago.
fn free_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    format!("127.0.0.1:{}", socket.local_addr().unwrap().port())
}

/// A worker with the identity in a file.
fn start(folder: &Path, key: &str, address: &str) -> Worker {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (key, token) = (path(key), path("token"));
    Worker::with(&["--iroh", &key, "--direct", address, "--token-file", &token])
}

#[test]
fn workers_over_iroh_beside_others_give_the_bits_of_a_local_run_under_names_that_last() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("token"), "4711").unwrap();
    let address = free_address();
    let (own, other) = (start(folder, "key", &address), Worker::start(&[]));
    let settings = [
        "--hidden",
        "9,8",
        "--limit",
        "120",
        "--sweeps",
        "4",
        "--set",
        "method.chunk=20",
    ];
    train(folder, "local", "flex", &settings);
    let devices = format!("{},{},flex", own.name, other.name);
    let shared = [&settings[..], &["--token-file", "token"]].concat();
    train(folder, "shared", &devices, &shared);
    assert_eq!(history(folder, "local"), history(folder, "shared"));
    assert_eq!(weights(folder, "local"), weights(folder, "shared"));
    let name = own.name.clone();
    drop(own);
    assert_eq!(start(folder, "key", &address).name, name);
    assert_ne!(start(folder, "another", &free_address()).name, name);
}

#[test]
fn identities_and_tokens_are_asked_for_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("token"), "4711").unwrap();
    let own = start(folder, "key", &free_address());
    let cases: [(&[&str], &str); 5] = [
        (
            &["worker", "--iroh", "k"],
            "--iroh k lets other machines in",
        ),
        (
            &["worker", "--iroh", "token", "--token-file", "token"],
            "cannot take the identity in token",
        ),
        (&["train", "--device", &own.name], "asks for a token"),
        (
            &["train", "--device", "remote:iroh:7@1.2.3.4:5"],
            "`7` is no identity",
        ),
        (
            &["train", "--device", "remote:iroh:7@host"],
            "malformed device",
        ),
    ];
    for (arguments, expected) in cases {
        let output = layersep(folder, arguments);
        let error = one_error(&output);
        assert!(error.contains(expected), "{error}");
        assert_eq!(output.status.code(), Some(2), "{error}");
    }
}
