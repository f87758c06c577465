//! Requests of the system to end.

use burn::train::Interrupter;

use crate::failure::{Failure, INTERRUPTED};

/// Ends the run after the current sweep on the first Ctrl-C or other request of the system to end, and at once on the second.
///
/// # Errors
/// Exit code 2 where the system does not let a program watch for signals.
pub(in crate::commands) fn stop_on_signal(interrupter: &Interrupter) -> Result<(), Failure> {
    let interrupter = interrupter.clone();
    ctrlc::set_handler(move || {
        if interrupter.should_stop() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        interrupter.stop(Some("interrupted"));
    })
    .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))
}
