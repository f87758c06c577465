//! The application of `tests/application` as a crate outside of the workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "builds Burn with the features of this crate alone, which takes minutes the first time"]
fn an_application_outside_of_the_workspace_builds_and_its_loss_falls() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = own.join("tests/application");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("application");
    fs::create_dir_all(copy.join("src")).unwrap();
    let manifest = fs::read_to_string(source.join("Cargo.toml")).unwrap();
    let path = format!("{:?}", own.display().to_string());
    fs::write(
        copy.join("Cargo.toml"),
        manifest.replace("\"../..\"", &path),
    )
    .unwrap();
    fs::copy(source.join("src/main.rs"), copy.join("src/main.rs")).unwrap();
    // The versions of the workspace, which are there.
    fs::copy(own.join("../Cargo.lock"), copy.join("Cargo.lock")).unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["run", "--offline"])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
