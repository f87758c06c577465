//! Changes of the disk that fail, for tests.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Result};

/// The changes that fail, of the thread that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The n-th change, counted from 1: the disk is full for a moment. Files can still be removed, and such changes do not count.
    FullAt(usize),
    /// The n-th change and all that follow: the process is killed, and cannot tidy up either.
    KilledAt(usize),
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    static CHANGES: Cell<usize> = const { Cell::new(0) };
}

/// Runs something under a fault; also returns whether the fault has occurred.
pub(crate) fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> (T, bool) {
    FAULT.set(Some(fault));
    CHANGES.set(0);
    let result = run();
    FAULT.set(None);
    let (Fault::FullAt(n) | Fault::KilledAt(n)) = fault;
    (result, CHANGES.get() >= n)
}

/// Counts a change that takes room.
///
/// # Errors
/// That of a full disk, where the fault says so.
pub(super) fn next() -> Result<()> {
    CHANGES.set(CHANGES.get() + 1);
    let changes = CHANGES.get();
    let fails = match FAULT.get() {
        None => false,
        Some(Fault::FullAt(n)) => changes == n,
        Some(Fault::KilledAt(n)) => changes >= n,
    };
    match fails {
        true => Err(Error::new(
            ErrorKind::StorageFull,
            "no space left on device",
        )),
        false => Ok(()),
    }
}

/// Counts a change that frees room.
///
/// # Errors
/// That of a process that is not there any more, where the fault says so.
pub(super) fn next_removal() -> Result<()> {
    match FAULT.get() {
        Some(Fault::KilledAt(_)) => next(),
        _ => Ok(()),
    }
}
