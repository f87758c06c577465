//! *Original loss*: `F`, the mean cross-entropy of a plain forward pass.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Original loss";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| Some(figures.measured.original_loss_mean)).on_test()
}
