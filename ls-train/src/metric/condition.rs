//! *Condition l*: estimate of the condition of stage `l`'s Gram matrix with its ridge; nothing for a stage without one.

use super::Figure;

pub(super) fn figure(stage: usize) -> Figure {
    Figure::new(format!("Condition {stage}"), move |figures| {
        figures.report.condition(stage - 1)
    })
}
