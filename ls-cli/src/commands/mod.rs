//! One file per command: its arguments, its help and its body.

pub(crate) mod experiment;
pub(crate) mod info;
pub(crate) mod train;

use std::path::PathBuf;

use burn::train::Interrupter;

use crate::failure::{Failure, INTERRUPTED};

/// The first unused folder `runs/FIRST-SECOND-N`.
fn free_folder(first: &str, second: &str) -> PathBuf {
    (1_u64..)
        .map(|number| PathBuf::from(format!("runs/{first}-{second}-{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| PathBuf::from("runs/run"))
}

/// The first Ctrl-C ends the run after the current sweep, the second at once.
fn stop_on_ctrl_c(interrupter: &Interrupter) -> Result<(), Failure> {
    let interrupter = interrupter.clone();
    ctrlc::set_handler(move || {
        if interrupter.should_stop() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        interrupter.stop(Some("interrupted"));
    })
    .map_err(|error| Failure::new(format!("cannot watch for Ctrl-C: {error}")))
}
