//! *Validation accuracy*: share of the validation split whose largest logit is the label's, in percent.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Validation accuracy";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| {
        Some(100.0 * figures.validation.as_ref()?.accuracy)
    })
    .higher_is_better()
}
