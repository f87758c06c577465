//! *Validation loss*: the original loss of the validation split, a mean over its samples.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Validation loss";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| {
        Some(figures.validation.as_ref()?.original_loss_mean)
    })
}
