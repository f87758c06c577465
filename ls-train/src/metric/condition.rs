//! *Condition l*: estimate of the condition of stage `l`'s Gram matrix with its ridge.

use super::Figure;

pub(super) fn figure(stage: usize) -> Figure {
    Figure::new(format!("Condition {stage}"), move |figures| {
        figures.report.conditions.get(stage - 1).copied()
    })
}
