//! One file per command: its arguments, its help and its body.

pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod eval;
pub(crate) mod experiment;
pub(crate) mod export;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod train;

use std::path::{Path, PathBuf};
use std::{fs, io};

use burn::train::Interrupter;
use ls_train::memory::bytes;

use crate::failure::{Failure, INTERRUPTED};

/// Makes the first folder `runs/FIRST-SECOND-N` that nobody has; two processes never get the same one.
fn new_folder(first: &str, second: &str) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::new(format!("cannot create {}: {error}", path.display()))
            .hint("name another folder with --run DIR")
    };
    let parent = Path::new("runs");
    fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    let mut number = 1_u64;
    loop {
        let path = parent.join(format!("{first}-{second}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

/// Takes back a folder made for something that then did not start; one that holds anything stays.
fn remove_if_empty(folder: &Path) {
    // Nothing is lost if it stays.
    let _ = fs::remove_dir(folder);
}

/// Refuses what will not fit into memory, before it has taken the memory of others.
fn ensure_fits(need: u64, auxiliary: u64) -> Result<(), Failure> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let available = system.available_memory();
    // Zero means that the platform does not tell.
    if available == 0 || need <= available {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the run needs about {}, of which auxiliary variables are {}; {} are available",
        bytes(need),
        bytes(auxiliary),
        bytes(available)
    ))
    .hint("use --limit or --batch-size, or train --ignore-memory to try all the same"))
}

/// The first Ctrl-C, or any other request of the system to end, ends the run after the current sweep, the second at once.
fn stop_on_signal(interrupter: &Interrupter) -> Result<(), Failure> {
    let interrupter = interrupter.clone();
    ctrlc::set_handler(move || {
        if interrupter.should_stop() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        interrupter.stop(Some("interrupted"));
    })
    .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))
}
