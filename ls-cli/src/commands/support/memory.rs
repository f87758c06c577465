//! The check that a run fits into memory.

use crate::failure::Failure;
use crate::ui::format::bytes;

/// Refuses a run that needs more than the available memory, before it takes the memory of other programs.
///
/// `need` is the whole need, `auxiliary` the share of the auxiliary variables, both in bytes.
///
/// # Errors
/// Exit code 2, with the need and the available memory.
pub(in crate::commands) fn ensure_fits(need: u64, auxiliary: u64) -> Result<(), Failure> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let available = system.available_memory();
    // Zero means that the platform does not state it.
    if available == 0 || need <= available {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the run needs about {}, of which {} are auxiliary variables; {} are available",
        bytes(need),
        bytes(auxiliary),
        bytes(available)
    ))
    .hint("use --limit or --batch-size, or `train --ignore-memory` to try it nevertheless"))
}
