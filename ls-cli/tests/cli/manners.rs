//! Help, completions, manual pages, messages, exit codes and closed pipes.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{command, layersep};

fn stdout(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(folder.path(), arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_is_in_the_help_and_has_examples() {
    let help = stdout(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| line.starts_with("  "));
    // Continued lines of a description are indented further.
    let names = lines.filter(|line| !line.starts_with("   "));
    let names: Vec<&str> = names
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(
        names.contains(&"train") && names.contains(&"man"),
        "{names:?}"
    );
    for name in names {
        if name != "help" {
            let own = stdout(&[name, "--help"]);
            assert!(own.contains("Examples:"), "{name}");
        }
    }
    assert!(help.contains("Exit codes:"));
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("predict"), "{shell}");
    }
    assert!(stdout(&["man"]).contains(".TH layersep"));
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(folder.path(), &["man", "--dir", "man1"]);
    assert!(output.status.success());
    assert!(folder.path().join("man1/layersep-train.1").exists());
}

#[test]
fn colours_need_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let output = layersep(folder.path(), &["train", "--sweeps", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.contains(&0x1b) && !output.stdout.contains(&0x1b));
}

#[test]
fn a_closed_pipe_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["config"][..], &["experiment"], &["completions", "zsh"]] {
        let mut child = command(folder.path(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_run_that_diverges_fails_on_the_way_and_keeps_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "train",
        "--method",
        "backprop",
        "--optimizer",
        "gd",
        "--learning-rate",
        "1e12",
        "--run",
        "run",
        "--quiet",
    ];
    let output = layersep(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("error: "), "{error}");
    assert!(folder.path().join("run/history.csv").exists());
    assert!(folder.path().join("run/model.bpk").exists());
}

#[test]
fn verbose_describes_the_data_and_quiet_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let train = |level, run| {
        let arguments = [
            "train", "--limit", "100", "--sweeps", "1", level, "--run", run, "--json",
        ];
        let output = layersep(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["sweeps"], 1);
        String::from_utf8(output.stderr).unwrap()
    };
    let said = train("--verbose", "a");
    assert!(said.contains("100 training, 0 validation and 1797 test samples"));
    assert_eq!(train("--quiet", "b"), "");
}

#[test]
fn lists_and_configurations_come_as_json_too() {
    let list: Value = serde_json::from_str(&stdout(&["experiment", "--json"])).unwrap();
    assert_eq!(list[0]["name"], "depth");
    let config: Value = serde_json::from_str(&stdout(&["config", "--json"])).unwrap();
    assert_eq!(config["sweeps"], 30);
}

#[test]
fn a_full_screen_display_needs_a_terminal_and_the_refusal_names_it() {
    for display in ["losses", "tui"] {
        let folder = tempfile::tempdir().unwrap();
        let output = layersep(folder.path(), &["train", "--dashboard", display]);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("error: --dashboard {display} needs standard output");
        assert!(error.starts_with(&expected), "{error}");
        assert!(!folder.path().join("runs").exists());
    }
}

/// Runs `layersep train` with `options` on a terminal of 80 × 24 that `script` makes, hands it `keys` one second after it has
/// taken the screen over, and returns the exit code and what was shown; `None` on systems without `script`.
#[cfg(target_os = "linux")]
fn on_terminal(options: &str, keys: &[&[u8]]) -> Option<(Option<i32>, String)> {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_layersep");
    let line = format!("stty rows 24 cols 80; '{program}' train --limit 100 --run run {options}");
    let child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.ok()?;
    let (mut stdin, mut stdout) = (child.stdin.take()?, child.stdout.take()?);
    let mut shown = Vec::new();
    let mut bytes = [0; 4096];
    let mut keys = keys.iter();
    let mut next = keys.next();
    loop {
        let is_taken = shown.windows(8).any(|own| own == b"\x1b[?1049h");
        if let (true, Some(own)) = (is_taken, next) {
            // The display reads keys a moment after it has taken the screen over.
            std::thread::sleep(Duration::from_secs(1));
            stdin.write_all(own).unwrap();
            next = keys.next();
        }
        match stdout.read(&mut bytes).unwrap() {
            0 => break,
            count => shown.extend_from_slice(&bytes[..count]),
        }
    }
    let status = child.wait().unwrap();
    Some((status.code(), String::from_utf8_lossy(&shown).into_owned()))
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_ends_the_run_on_a_terminal_and_the_summary_follows_the_view() {
    let endless = "--method backprop --sweeps 1000000";
    for (display, key) in [("losses", b"q"), ("losses", b"\x03"), ("tui", b"\x03")] {
        let options = format!("{endless} --dashboard {display}");
        let Some((code, shown)) = on_terminal(&options, &[key]) else {
            return;
        };
        assert_eq!(code, Some(130), "{display}: {shown}");
        let (view, after) = shown.rsplit_once("\u{1b}[?1049l").unwrap();
        assert!(view.contains("\u{1b}[?1049h"), "{display}");
        assert!(after.contains("(interrupted)"), "{display}: {after}");
        assert!(
            after.contains("`layersep train --resume run` continues it"),
            "{after}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_dashboard_that_is_killed_leaves_one_line_and_the_way_on() {
    let options = "--method backprop --sweeps 1000000 --dashboard tui";
    let Some((code, shown)) = on_terminal(options, &[b"q", b"k"]) else {
        return;
    };
    assert_eq!(code, Some(130), "{shown}");
    let (_, after) = shown.rsplit_once("\u{1b}[?1049l").unwrap();
    let (_, after) = after.split_once("error: ").unwrap();
    let lines: Vec<&str> = after.lines().map(str::trim_end).collect();
    let expected = [
        "the dashboard was closed, which ends the run at once",
        "hint: `layersep train --resume run` continues from the last checkpoint",
    ];
    assert_eq!(lines, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn lines_fit_the_width_of_the_terminal() {
    let options = "--sweeps 2 --dashboard plain --hidden 8";
    let Some((code, shown)) = on_terminal(options, &[]) else {
        return;
    };
    assert_eq!(code, Some(0), "{shown}");
    let lines = shown.lines().map(str::trim_end);
    let longest = lines.clone().map(|line| line.chars().count()).max();
    assert!(longest <= Some(80), "{shown}");
    let header = lines.clone().find(|line| line.contains("sweep ")).unwrap();
    for name in [
        "Original loss",
        "Separated loss",
        "Certificate",
        "test accuracy",
        "elapsed",
    ] {
        assert!(header.contains(name), "{header}");
    }
}
