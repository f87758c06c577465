//! burn-train drives a method of `ls-core`.
//!
//! [`LayerSeparation`] is the custom strategy: the only place that knows burn-train's events. [`SeparatedLearner`] is the
//! module that burn-train sees: the network together with its auxiliary variables.

mod model;
mod strategy;

pub use model::SeparatedLearner;
pub use strategy::{
    Ending, LayerSeparation, Limits, MeasuredSplits, Observer, Position, Standing, Start, Stop,
    SweepRecord,
};
