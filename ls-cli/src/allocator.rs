//! The allocator of the process.

#![expect(unsafe_code, reason = "the trait of allocators has no safe methods")]

use std::alloc::{GlobalAlloc, Layout};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use ls_train::observe::LossesDashboard;
use mimalloc::MiMalloc;

use crate::failure::FAILED;

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
