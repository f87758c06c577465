//! *Rejected*: steps of the sweep that were tried and not taken.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Rejected";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| Some(figures.report.rejected as f64))
}
