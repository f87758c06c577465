//! *Separated loss*: `S`, what is minimized.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Separated loss";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| {
        Some(figures.measured.separated.as_ref()?.separated_loss_mean)
    })
}
