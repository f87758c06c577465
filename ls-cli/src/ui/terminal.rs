//! The terminal: its width, and Ctrl-C in a full-screen display that reads the keys itself.

use terminal_size::{Width, terminal_size_of};

/// Returns the number of columns of the terminal behind standard output, or of that behind standard error; `None` without a terminal.
pub(crate) fn width(of_stderr: bool) -> Option<usize> {
    let size = match of_stderr {
        true => terminal_size_of(std::io::stderr()),
        false => terminal_size_of(std::io::stdout()),
    };
    size.map(|(Width(columns), _)| columns.into())
}

pub(crate) use keys::{restore, send_interrupts};

/// burn-train's dashboard turns off the signals of the keys, and ignores Ctrl-C.
#[cfg(unix)]
mod keys {
    use core::time::Duration;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::{io, thread};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// Settings of the terminal before a display took it over.
    static BEFORE: OnceLock<Termios> = OnceLock::new();

    /// Time between two looks at the terminal, and their number.
    const LOOKS: (Duration, usize) = (Duration::from_millis(20), 500);

    /// Makes Ctrl-C a signal again, once the display that is about to start has taken the terminal over.
    pub(crate) fn send_interrupts() {
        let Ok(before) = tcgetattr(io::stdin()) else {
            return;
        };
        let _ = BEFORE.set(before);
        thread::spawn(|| {
            let (pause, looks) = LOOKS;
            for _ in 0..looks {
                thread::sleep(pause);
                let Ok(mut now) = tcgetattr(io::stdin()) else {
                    return;
                };
                if !now.local_modes.contains(LocalModes::ICANON) {
                    now.local_modes.insert(LocalModes::ISIG);
                    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &now);
                    return;
                }
            }
        });
    }

    /// Gives the terminal back, where the display has no time left to do so.
    pub(crate) fn restore() {
        let Some(before) = BEFORE.get() else {
            return;
        };
        // No mouse, the former screen, a cursor.
        let _ = io::stdout().write_all(
            b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h",
        );
        let _ = io::stdout().flush();
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}

/// On other systems the keys of a display stay as they are.
#[cfg(not(unix))]
mod keys {
    pub(crate) fn send_interrupts() {}

    pub(crate) fn restore() {}
}
