//! *Accepted*: steps of the sweep that were taken; one in full batch, unless nothing lowered the loss.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Accepted";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| Some(figures.report.accepted as f64))
}
