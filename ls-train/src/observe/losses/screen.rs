//! The thread that draws and reads the keys.

use core::time::Duration;
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::{Request, State};
use super::terminal::{TakenTerminal, restore};
use super::view;

/// Time between two looks at the state.
const TICK: Duration = Duration::from_millis(100);

/// Longest wait for the end of the thread: crossterm never returns from reading a terminal whose window was closed.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the run and the thread share.
struct Shared {
    state: State,
    is_over: bool,
}

/// A view on the terminal; gives it back when dropped.
pub(super) struct Screen {
    shared: Arc<Mutex<Shared>>,
    /// Closed when the thread ends.
    thread: Receiver<()>,
}

impl Screen {
    /// Takes the terminal over and starts the thread.
    pub(super) fn open(state: State) -> io::Result<Self> {
        let terminal = TakenTerminal::take()?;
        let shared = Arc::new(Mutex::new(Shared {
            state,
            is_over: false,
        }));
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("losses".into());
        let (sender, receiver) = channel();
        thread.spawn(move || {
            let _sender = sender;
            // A terminal that fails ends the view, not the training.
            let _ = show(&own, terminal);
        })?;
        Ok(Self {
            shared,
            thread: receiver,
        })
    }

    /// Changes what is shown.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.shared).state);
    }

    /// Returns what the user asked for.
    pub(super) fn request(&self) -> Request {
        lock(&self.shared).state.request
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        lock(&self.shared).is_over = true;
        // Nothing is ever sent: the wait ends with the thread or with the patience.
        let _ = self.thread.recv_timeout(PATIENCE);
        restore();
    }
}

/// Locks the state. A panic in an update leaves numbers that can still be shown.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws every change, and the time each second, until the run is over or the view is closed.
fn show(shared: &Mutex<Shared>, mut terminal: TakenTerminal) -> io::Result<()> {
    let mut shown = None;
    loop {
        // A copy: a slow terminal does not hold the training up.
        let state = {
            let shared = lock(shared);
            let state = &shared.state;
            if shared.is_over || state.request == Request::Close {
                return Ok(());
            }
            let now = Some((state.changes, state.elapsed().as_secs()));
            let is_new = shown != now;
            shown = now;
            is_new.then(|| state.clone())
        };
        if let Some(state) = state {
            let is_taken =
                terminal.draw(|area, buffer| view::draw(&state, state.elapsed(), area, buffer))?;
            if !is_taken {
                return Ok(());
            }
        }
        if event::poll(TICK)? {
            match event::read()? {
                Event::Key(key) if asks_to_end(key) => lock(shared).state.ask_to_end(),
                Event::Resize(..) => shown = None,
                _ => {}
            }
        }
    }
}

/// Whether a key is `q` or Ctrl-C, pressed rather than held or let go.
fn asks_to_end(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('q') => !is_control,
            KeyCode::Char('c') => is_control,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_q_and_control_c_end_a_run() {
        let end = [
            (KeyCode::Char('q'), KeyModifiers::NONE),
            (KeyCode::Char('c'), KeyModifiers::CONTROL),
        ];
        for (code, modifiers) in end {
            let mut key = KeyEvent::new(code, modifiers);
            assert!(asks_to_end(key));
            key.kind = KeyEventKind::Release;
            assert!(!asks_to_end(key));
        }
        for code in [KeyCode::Char('c'), KeyCode::Esc, KeyCode::Enter] {
            assert!(!asks_to_end(KeyEvent::new(code, KeyModifiers::NONE)));
        }
    }
}
