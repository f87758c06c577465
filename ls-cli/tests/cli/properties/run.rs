//! A command with its output, memory and time.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command;

/// Time after which a command counts as hanging: the longest takes a second or two on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a command ended.
pub(super) struct Ended {
    /// Exit code; `None` after a signal.
    pub(super) code: Option<i32>,
    /// Standard error.
    pub(super) error: String,
    /// Most resident memory in KiB, as seen every few milliseconds; 0 where the system does not say.
    pub(super) memory: u64,
    pub(super) seconds: f64,
    is_late: bool,
}

/// Runs a command; its output goes to files, so that no pipe can fill up.
pub(super) fn run(folder: &Path, words: &[String]) -> Ended {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outputs = tempfile::tempdir().unwrap();
    let file = |name: &str| fs::File::create(outputs.path().join(name)).unwrap();
    let started = Instant::now();
    let mut child = command(folder, &words)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("error"))
        .spawn()
        .unwrap();
    let (mut memory, mut is_late) = (0, false);
    let status = loop {
        memory = memory.max(peak(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE {
            is_late = true;
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(3));
    };
    let error = fs::read(outputs.path().join("error")).unwrap();
    Ended {
        code: status.code(),
        error: String::from_utf8_lossy(&error).into_owned(),
        memory,
        seconds: started.elapsed().as_secs_f64(),
        is_late,
    }
}

/// Returns the most memory that the process has had, in KiB.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

impl Ended {
    /// Names the law that the command broke, if any.
    pub(super) fn broken_law(&self, memory: u64) -> Option<String> {
        let lines = || self.error.lines();
        let errors = lines().filter(|line| line.starts_with("error: ")).count();
        let is_failure = matches!(self.code, Some(1 | 2));
        let word = [
            "panicked",
            "internal error",
            "stack backtrace",
            "RUST_BACKTRACE",
        ];
        let longest = lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let is_control = |c: char| c.is_control() && c != '\n' && c != '\t';
        if self.is_late {
            return Some(format!("it did not end within {PATIENCE:?}"));
        }
        if !matches!(self.code, Some(0 | 1 | 2 | 130)) {
            return Some("the exit code is another one".into());
        }
        if let Some(word) = word.iter().find(|word| self.error.contains(**word)) {
            return Some(format!("standard error holds `{word}`"));
        }
        if errors != usize::from(is_failure) {
            return Some(format!("{errors} lines of errors"));
        }
        if longest > 1_000 {
            return Some(format!("a line of {longest} characters"));
        }
        if self.error.contains(is_control) {
            return Some("a control character on standard error".into());
        }
        (self.memory > memory).then(|| format!("{} MiB of memory", self.memory >> 10))
    }
}
