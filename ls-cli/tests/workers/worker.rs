//! A worker as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};

use crate::command;

/// A worker on a free port, which ends with the value.
pub(crate) struct Worker {
    process: Child,
    /// Its name for `--device`.
    pub(crate) name: String,
}

impl Worker {
    /// Starts a worker on a free port with further arguments, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let worker = Self::with(&[&["--listen", "127.0.0.1:0"], arguments].concat());
        let name = &worker.name;
        assert!(name.starts_with("remote:ws://127.0.0.1:"), "{name}");
        worker
    }

    /// Starts a worker with arguments, and waits until it has said its name.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let own = ["worker", "--quiet"];
        let mut process = command(&std::env::temp_dir(), &[&own, arguments].concat())
            .env("RAYON_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut name = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut name).unwrap();
        let name = name.trim().to_owned();
        Self { process, name }
    }

    /// Starts several workers.
    pub(crate) fn several(count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::start(&[])).collect()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([format!("-{name}"), id])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
