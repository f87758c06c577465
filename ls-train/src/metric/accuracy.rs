//! *Accuracy*: share of samples whose largest logit is the label's, in percent.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Accuracy";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| Some(100.0 * figures.measured.accuracy))
        .higher_is_better()
        .on_test()
}
