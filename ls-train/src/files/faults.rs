//! Changes of the disk that fail, for tests.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Result};

/// The changes that fail, of the thread that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The one after so many others, as where another process takes the last of the disk for a moment.
    Once(usize),
    /// That one and all that follow, as where the process is killed: it cannot tidy up either.
    Onwards(usize),
}

impl Fault {
    /// Lets the n-th change fail, counted from 1.
    pub(crate) fn full_at(n: usize) -> Self {
        Self::Once(n - 1)
    }

    /// Lets the n-th change fail and all after it.
    pub(crate) fn killed_at(n: usize) -> Self {
        Self::Onwards(n - 1)
    }
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Runs something under a fault; also returns whether the fault has occurred.
pub(crate) fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> (T, bool) {
    FAULT.set(Some(fault));
    let result = run();
    let left = FAULT.take();
    (result, matches!(left, None | Some(Fault::Onwards(0))))
}

/// Counts a change.
///
/// # Errors
/// That of a full disk, where the fault says so.
pub(super) fn next() -> Result<()> {
    let (failed, left) = match FAULT.get() {
        None => (false, None),
        Some(Fault::Once(0)) => (true, None),
        Some(Fault::Once(n)) => (false, Some(Fault::Once(n - 1))),
        Some(Fault::Onwards(0)) => (true, Some(Fault::Onwards(0))),
        Some(Fault::Onwards(n)) => (false, Some(Fault::Onwards(n - 1))),
    };
    FAULT.set(left);
    match failed {
        true => Err(Error::new(ErrorKind::StorageFull, "no space left on device")),
        false => Ok(()),
    }
}
