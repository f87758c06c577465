//! A full-screen view of a run on a terminal: all losses on one chart.
//!
//! The observer keeps what the view shows; a thread of its own draws it and reads the keys, so that both react while a sweep
//! computes. A module imports only from the ones above it in this list:
//!
//! | module | holds |
//! | --- | --- |
//! | `state` | what the view shows, without a terminal |
//! | `axis` | the logarithmic axis |
//! | `dots` | lines of braille dots |
//! | `chart` | the chart of the losses |
//! | `panels` | the residuals and the figures |
//! | `view` | the whole screen |
//! | `terminal` | the terminal: taken over, always given back |
//! | `screen` | the thread that draws and reads the keys |

mod axis;
mod chart;
mod dots;
mod panels;
mod screen;
mod state;
mod terminal;
mod view;

#[cfg(test)]
mod testing;

use ls_core::fit::{Observer, RunStart, Snapshot, Stop, SweepProgress, SweepRecord};

use self::screen::Screen;
use self::state::{Request, State};
use crate::{Error, Result};

/// Shows a run on the whole terminal: its losses on one chart, residuals, figures and progress.
///
/// The chart has a logarithmic axis and a line for each loss that the run reports: `F`, `C`, `S`, the test loss and the validation
/// loss. A line connects the sweeps that have a value, and numbers that are not finite are left out. A loss of zero has no place on
/// a logarithmic axis; its point lies at the smallest positive value of all lines so far, while the legend shows the true number.
/// The chart of a resumed run starts with its first new sweep.
///
/// Each hidden stage has a bar for its residual, on a logarithmic scale. Where the stages are more than the rows, the bars become
/// columns, and where they are more than the columns, one column shows the largest residual of several neighbours.
///
/// `q` or Ctrl-C ends the run after the current sweep. The same key once more gives the terminal back at once, and the next event
/// returns [`Error::DashboardClosed`].
///
/// The terminal is given back when the run ends, when this value is dropped, and before the message of a panic. A terminal that
/// fails later, as when its window is closed, does not end the training.
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use ls_train::Session;
/// use ls_train::observe::LossesDashboard;
///
/// let session = Session::new(Device::flex(), Path::new("runs/mine")).observe(LossesDashboard::new());
/// ```
#[derive(Default)]
pub struct LossesDashboard {
    screen: Option<Screen>,
}

impl LossesDashboard {
    /// A view that takes the terminal over when the run starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the terminal back, if a view has it: for programs that end without dropping their values, as by
    /// [`std::process::exit`].
    pub fn restore_terminal() {
        terminal::restore();
    }

    /// Changes what is shown.
    ///
    /// # Errors
    /// [`Error::DashboardClosed`] once the view was closed.
    fn show(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        let Some(screen) = &self.screen else {
            return Ok(());
        };
        screen.update(change);
        match screen.request() {
            Request::Close => Err(Error::DashboardClosed),
            Request::None | Request::Stop => Ok(()),
        }
    }
}

impl Observer<Error> for LossesDashboard {
    fn started(&mut self, start: &RunStart<'_>) -> Result<()> {
        // The screen of an earlier run is given back first.
        self.screen = None;
        let screen = Screen::open(State::new(start)).map_err(|error| Error::Terminal {
            reason: error.to_string(),
        })?;
        self.screen = Some(screen);
        Ok(())
    }

    fn progressed(&mut self, progress: SweepProgress) -> Result<()> {
        self.show(|state| state.progressed(progress))
    }

    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<()> {
        self.show(|state| state.sweep_ended(record))
    }

    fn checkpoint(&mut self, _snapshot: Snapshot<'_>, stop: Option<Stop>) -> Result<()> {
        if stop.is_some() {
            self.screen = None;
        }
        Ok(())
    }

    fn wants_stop(&self) -> bool {
        let request = self.screen.as_ref().map(Screen::request);
        request.is_some_and(|request| request != Request::None)
    }
}
