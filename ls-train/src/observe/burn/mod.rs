//! burn-train's displays and files: its dashboards as observers, its metric logs, and a strategy for its `SupervisedTraining`.
//!
//! This folder alone knows burn-train's types. A run of this crate drives a [`Dashboard`] with its own events. An application
//! that trains with burn-train's `SupervisedTraining` plugs in a [`SeparatedLearner`], by [`MethodStrategy`] with a method of
//! `ls-core`, or by burn-train's own strategies with an optimizer, and registers figures as [`FigureMetric`]s.

mod dashboard;
mod learner;
mod logs;
mod metric;
mod strategy;

pub use dashboard::{Dashboard, MakeRenderer};
pub use learner::{SeparatedLearner, SplitLoader, SweepOutput};
pub use logs::MetricLogs;
pub use metric::FigureMetric;
pub use strategy::MethodStrategy;
