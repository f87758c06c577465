//! Requests of the system to end.

use ls_core::fit::StopSignal;

use ls_train::observe::LossesDashboard;

use crate::failure::{Failure, INTERRUPTED};
use crate::ui::terminal;

/// Ends the run after the current sweep on the first Ctrl-C or other request of the system to end, and at once on the second.
///
/// # Errors
/// Exit code 2 where the system does not let a program watch for signals.
pub(in crate::commands) fn stop_on_signal(signal: &StopSignal) -> Result<(), Failure> {
    let signal = signal.clone();
    ctrlc::set_handler(move || {
        if signal.is_given() {
            LossesDashboard::restore_terminal();
            terminal::restore();
            std::process::exit(i32::from(INTERRUPTED));
        }
        signal.stop();
    })
    .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))
}
