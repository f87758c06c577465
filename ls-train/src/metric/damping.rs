//! *Damping*: `μ` of the accepted step.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Damping";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| Some(figures.report.candidate?.damping))
}
