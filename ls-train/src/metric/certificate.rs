//! *Certificate*: `C`, with `F ≤ C`, and `C ≤ S` under self-adaptive weights.

use super::Figure;

/// Name in dashboards and logs.
const NAME: &str = "Certificate";

pub(super) fn figure() -> Figure {
    Figure::new(NAME, |figures| {
        figures.measured.separated.as_ref()?.certificate_mean
    })
}
