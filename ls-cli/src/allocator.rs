//! The allocator of the process.

#![expect(
    unsafe_code,
    reason = "the trait of allocators has no safe methods, and mimalloc is in C"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_long;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use ls_train::observe::LossesDashboard;
use mimalloc::MiMalloc;

use crate::failure::FAILED;

/// The option of mimalloc that says after how many milliseconds freed memory goes back to the system; its bindings have no name for it.
const PURGE_DELAY: mi_option_t = 15;

/// Ten seconds. A sweep frees what the next one takes; mimalloc's own second costs up to a tenth of the time of a training, in which the
/// system clears pages again and again.
const KEPT_FOR: c_long = 10_000;

/// Keeps freed memory for a while.
pub(crate) fn keep_freed_memory() {
    // SAFETY: the call stores a number.
    unsafe { mi_option_set_default(PURGE_DELAY, KEPT_FOR) }
}

/// Ends the process in order where the system has no memory left; the standard library would abort it with a backtrace.
///
/// Training maps and unmaps many buffers of a few megabytes; mimalloc keeps them.
pub(crate) struct Allocator;

/// Whether the process is ending, whose last steps may ask for memory, too.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

// SAFETY: every call goes to mimalloc unchanged, and its answer comes back unchanged unless there is none.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        some(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        some(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        some(unsafe { MiMalloc.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

fn some(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() && !IS_ENDING.swap(true, Ordering::SeqCst) {
        end(bytes);
    }
    pointer
}

/// Ends the process with a line that says why. What was asked for was usually large, so the little that this takes is there.
#[cold]
fn end(bytes: usize) -> ! {
    LossesDashboard::restore_terminal();
    let mebibytes = bytes as f64 / f64::from(1_u32 << 20);
    let mut out = std::io::stderr();
    // A closed standard error has no reader.
    let _ = writeln!(
        out,
        "error: the system has no memory left: {mebibytes:.0} MiB more were needed\n\
         hint: a smaller network, --limit or --batch-size take less; --resume goes on from the last checkpoint"
    );
    std::process::exit(i32::from(FAILED));
}
