//! Observers of a run: history, checkpoints, summary, lines for a log, a full-screen view of the losses
//! (feature `dashboard`), and burn-train's dashboard and metric logs.
//!
//! Every observer is one file and takes the events of [`ls_core::fit`]. A run always has the ones that write its folder; what it
//! shows is up to its [`Session`](crate::Session).

pub mod burn;
mod checkpoint;
mod history;
mod lines;
#[cfg(feature = "dashboard")]
mod losses;
mod summary;

pub use checkpoint::{CheckpointRule, WriteCheckpoints};
pub use history::History;
pub use lines::Lines;
#[cfg(feature = "dashboard")]
pub use losses::LossesDashboard;
pub use summary::WriteSummary;

use ls_core::figure::{Figure, FigureValue};

/// Unit of figures that people read in percent.
const SHARE: &str = "share";

/// Returns the number of a figure as people read it: shares in percent.
fn shown_number(figure: &Figure, value: FigureValue) -> Option<f64> {
    let number = value.number()?;
    Some(if figure.unit == SHARE {
        100.0 * number
    } else {
        number
    })
}
