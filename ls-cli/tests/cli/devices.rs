//! `layersep devices`, and names of devices and precisions that are refused.

use std::path::Path;

use serde_json::Value;

use crate::{layersep, transcript};

fn listing(folder: &Path) -> Value {
    let output = layersep(folder, &["devices", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names in a list of strings.
fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn flex_is_listed_with_its_precisions_and_every_other_backend_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let listing = listing(folder.path());
    let devices = listing["devices"].as_array().unwrap();
    assert_eq!(devices[0]["name"], "flex");
    assert_eq!(devices[0]["kind"], "CPU");
    assert_eq!(names(&devices[0]["precisions"])[..2], ["f64", "f32"]);
    assert!(
        devices[0]["memory"]
            .as_u64()
            .is_none_or(|bytes| bytes > 1 << 20)
    );
    // Workers are named, and not found.
    let is_listed = names(&listing["not_compiled_in"]).contains(&"remote");
    assert_eq!(is_listed, !cfg!(feature = "remote"));
    assert!(!names(&listing["without_device"]).contains(&"remote"));
    let table = layersep(folder.path(), &["devices"]);
    let table = String::from_utf8(table.stdout).unwrap();
    for (backend, is_compiled_in) in [
        ("ndarray", cfg!(feature = "ndarray")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ] {
        assert_eq!(
            names(&listing["not_compiled_in"]).contains(&backend),
            !is_compiled_in
        );
        let is_present = devices.iter().any(|device| device["name"] == backend);
        let is_absent = names(&listing["without_device"]).contains(&backend);
        assert_eq!(is_present || is_absent, is_compiled_in, "{backend}");
        assert!(table.contains(backend), "{table}");
    }
}

#[test]
fn workers_need_a_feature_of_the_build() {
    if cfg!(feature = "remote") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["worker"][..],
        &["train", "--device", "remote:ws://a:1,flex"],
    ] {
        let output = layersep(folder.path(), arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("not compiled in"), "{told}");
        assert!(told.contains("--features remote"), "{told}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// A configuration may be for another machine, but not for a device that none can have.
#[test]
fn a_configuration_names_a_device_of_some_build() {
    let folder = tempfile::tempdir().unwrap();
    for (name, code) in [
        ("cuda:1", 0),
        ("tpu", 2),
        ("wgpu:foo", 2),
        ("cuda:0,tpu", 2),
    ] {
        let output = layersep(folder.path(), &["config", "--device", name]);
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
}

/// Every listed device has a name that `--device` takes.
#[test]
fn every_listed_device_trains() {
    let folder = tempfile::tempdir().unwrap();
    for device in listing(folder.path())["devices"].as_array().unwrap() {
        let name = device["name"].as_str().unwrap();
        let arguments = [
            "train", "--hidden", "8", "--limit", "50", "--sweeps", "1", "--quiet",
        ];
        let run = name.replace(':', "-");
        let output = layersep(
            folder.path(),
            &[&arguments[..], &["--device", name, "--run", &run]].concat(),
        );
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let config = std::fs::read_to_string(folder.path().join(run).join("config.toml")).unwrap();
        assert!(config.contains(&format!("device = \"{name}\"")), "{config}");
    }
}

/// Standard error of a run that was refused before it began.
fn refused(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = transcript(folder.path(), &[&["train"], arguments].concat());
    assert!(
        text.starts_with("exit code: 2\n--- stdout\n--- stderr\nerror: "),
        "{text}"
    );
    assert!(!folder.path().join("runs").exists(), "{text}");
    text
}

#[test]
fn a_backend_that_is_not_compiled_in_is_refused_with_its_feature() {
    for (backend, is_compiled_in) in [
        ("ndarray", cfg!(feature = "ndarray")),
        ("wgpu:cpu", cfg!(feature = "wgpu")),
        ("cuda:0", cfg!(feature = "cuda")),
    ] {
        if is_compiled_in {
            continue;
        }
        let text = refused(&["--device", backend]);
        assert!(
            text.contains(&format!(
                "`{backend}` is not compiled in; this build has: flex"
            )),
            "{text}"
        );
        let feature = backend.split(':').next().unwrap();
        assert!(
            text.contains(&format!("build with `--features {feature}`")),
            "{text}"
        );
    }
}

#[test]
fn malformed_and_unknown_names_are_refused_with_what_is_allowed() {
    let text = refused(&["--device", "tpu"]);
    assert!(
        text.contains("unknown device `tpu`; this build has: flex"),
        "{text}"
    );
    let text = refused(&["--device", "wgpu:foo"]);
    assert!(
        text.contains("malformed device `wgpu:foo`; allowed: wgpu, wgpu:discrete:N"),
        "{text}"
    );
    let text = refused(&["--device", "cuda:x"]);
    assert!(
        text.contains("malformed device `cuda:x`; allowed: cuda, cuda:N"),
        "{text}"
    );
    let text = refused(&["--device", "flex:1"]);
    assert!(
        text.contains("malformed device `flex:1`; allowed: flex"),
        "{text}"
    );
}

#[cfg(feature = "wgpu")]
#[test]
fn an_adapter_that_is_not_there_is_refused_and_none_takes_its_place() {
    let text = refused(&["--device", "wgpu:discrete:7"]);
    assert!(
        text.contains("device `wgpu:discrete:7` is not on this machine; "),
        "{text}"
    );
}

/// Where neither Vulkan nor OpenGL finds a driver, there is no adapter at all.
#[cfg(all(feature = "wgpu", target_os = "linux"))]
#[test]
fn without_a_driver_there_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let output = |arguments: &[&str]| {
        let mut command = crate::command(folder.path(), arguments);
        for variable in [
            "VK_DRIVER_FILES",
            "VK_ICD_FILENAMES",
            "__EGL_VENDOR_LIBRARY_FILENAMES",
        ] {
            command.env(variable, "/nonexistent");
        }
        command.output().unwrap()
    };
    let listing: Value = serde_json::from_slice(&output(&["devices", "--json"]).stdout).unwrap();
    assert!(
        names(&listing["without_device"]).contains(&"wgpu"),
        "{listing}"
    );
    let train = output(&["train", "--device", "wgpu"]);
    let text = String::from_utf8(train.stderr).unwrap();
    assert_eq!(train.status.code(), Some(2), "{text}");
    assert!(
        text.contains(
            "error: device `wgpu` is not on this machine; `wgpu` finds no device and no driver\n"
        ),
        "{text}"
    );
}

/// Burn would load the states of optimizers to the device that the variable names.
#[test]
fn an_optimizer_resumes_on_the_device_of_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let train = "train --method backprop --limit 60 --hidden 8 --sweeps 1 --quiet --run r";
    let train: Vec<_> = train.split(' ').collect();
    assert!(layersep(folder.path(), &train).status.success());
    let resume = ["train", "--resume", "r", "--sweeps", "2", "--json"];
    let mut command = crate::command(folder.path(), &resume);
    let output = command.env("BURN_DEVICE", "rocm").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("BURN_DEVICE is ignored"), "{text}");
}

#[test]
fn an_unknown_precision_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = transcript(folder.path(), &["train", "--precision", "f16"]);
    assert!(text.starts_with("exit code: 2\n"), "{text}");
    assert!(text.contains("[possible values: f32, f64]"), "{text}");
}
