//! The terminal: taken over, always given back.
//!
//! The lock of standard output guards it. A thread can take that lock twice, so that a panic while the view is drawn gives the
//! terminal back as well.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, Stdout};
use std::panic;
use std::sync::Once;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;

/// Whether a view has the terminal.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Installs the panic hook once for the process.
static HOOK: Once = Once::new();

/// The terminal while a view has it; gives it back when dropped.
pub(super) struct TakenTerminal(Terminal<CrosstermBackend<Stdout>>);

impl TakenTerminal {
    /// Takes the terminal over: another screen, keys without echo.
    pub(super) fn take() -> io::Result<Self> {
        let _guard = io::stdout().lock();
        if IS_TAKEN.load(Ordering::SeqCst) {
            return Err(io::Error::other("another view has it"));
        }
        HOOK.call_once(restore_before_panics);
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let taken = execute!(io::stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        taken.map(Self).inspect_err(|_| restore())
    }

    /// Draws, if the terminal was not given back meanwhile; returns whether it was still there.
    pub(super) fn draw(&mut self, view: impl FnOnce(Rect, &mut Buffer)) -> io::Result<bool> {
        let _guard = io::stdout().lock();
        if !IS_TAKEN.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.0
            .draw(|frame| view(frame.area(), frame.buffer_mut()))?;
        Ok(true)
    }
}

impl Drop for TakenTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, if a view has it.
pub(super) fn restore() {
    let _guard = io::stdout().lock();
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing back.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// Gives the terminal back before the former hook writes the message of a panic.
fn restore_before_panics() {
    let former = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore();
        former(info);
    }));
}
