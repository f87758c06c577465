//! Figures that several methods report.

use crate::figure::{Better, Figure, FigureScale, Figures};

/// Number of steps that a sweep took.
pub const ACCEPTED: Figure = Figure::new("Accepted")
    .unit("steps")
    .scale(FigureScale::Linear)
    .chart("Trials")
    .detail()
    .sum();

/// Number of steps that a sweep tried and did not take.
pub const REJECTED: Figure = Figure::new("Rejected")
    .unit("steps")
    .scale(FigureScale::Linear)
    .chart("Trials")
    .detail()
    .sum();

/// Length `τ` of the step that a sweep took.
pub const STEP: Figure = Figure::new("Step").chart("Steps").detail();

/// Damping `μ` of the step that a sweep took.
pub const DAMPING: Figure = Figure::new("Damping").chart("Steps").detail();

/// Scaling of the displacements in the step that a sweep took.
pub const SCALING: Figure = Figure::new("Scaling").detail();

/// Estimate of the condition of the Gram matrix of a stage with its ridge.
pub const CONDITION: Figure = Figure::new("Condition").detail();

/// `F + λ/2 Σ ‖W_l‖²` over the kernels of the fitted stages: the loss that never rises with weight decay.
pub const PENALIZED_LOSS: Figure = Figure::new("Penalized loss")
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses")
    .detail();

/// Counts of steps taken and steps rejected.
pub(crate) fn counts(accepted: usize, rejected: usize) -> Figures {
    Figures::default()
        .with(ACCEPTED, accepted as f64)
        .with(REJECTED, rejected as f64)
}

/// Records the condition of every stage whose Gram matrix was factored; the others hold NaN.
pub(super) fn record_conditions(figures: &mut Figures, conditions: &[f64]) {
    for (l, &condition) in conditions.iter().enumerate() {
        let condition = Some(condition).filter(|condition| !condition.is_nan());
        figures.record_some(CONDITION.at(l + 1), condition);
    }
}
