//! Methods: the order in which the blocks of a separated network move.
//!
//! A [`Method`] moves a [`Separated`] network over one batch at a time. Its configuration never changes; its memory (step sizes,
//! optimizer states, factors) is its own. It states the loss that it lowers ([`Method::objective`]) and the figures that it reports
//! ([`Method::figures`]), so that loops, dashboards and files serve a new method without knowing it.
//!
//! A new method is one file here, with a configuration that implements [`MethodSettings`], its `mod` line below, and its line in
//! [`MethodConfig`].

mod admm;
mod alternating;
mod backprop;
mod backward;
mod bcd;
mod chunks;
mod dropout;
mod exact;
mod figures;
mod foof;
mod interface;
mod lbfgs;
mod locoprop;
mod objective;
mod optimizer;
mod predictive_coding;
mod registry;
mod scaling;
mod schedule;
mod separate;
mod separated;
mod separation;
mod settings;
mod split_blocks;
mod split_variables;
mod stage_role;
mod state;
mod sweeps;
mod target_propagation;
mod wide_samples;

pub use admm::{Admm, AdmmConfig};
pub use alternating::{Alternating, AlternatingConfig};
pub use backprop::{Backprop, BackpropConfig, gradients};
pub use bcd::{Bcd, BcdConfig, BcdLoss};
pub use exact::{Exact, ExactConfig, Link, StageTraffic, SweepSeconds, SweepTraffic, WEIGHT_DECAY};
pub(crate) use figures::counts;
pub use figures::{ACCEPTED, CONDITION, DAMPING, PENALIZED_LOSS, REJECTED, SCALING, STEP};
pub use foof::{Foof, FoofConfig};
pub use interface::Method;
pub use lbfgs::{Lbfgs, LbfgsConfig};
pub use locoprop::{LocalLoss, LocoProp, LocoPropConfig};
pub use objective::{Objective, ObjectiveLoss};
pub use optimizer::{OptimizerConfig, OptimizerName, Soap, SoapConfig, SoapState};
pub use predictive_coding::{InferredVariables, PredictiveCoding, PredictiveCodingConfig};
pub use registry::{MethodConfig, MethodInfo};
pub use scaling::Scaling;
pub use schedule::Schedule;
pub use separated::Separated;
pub use settings::{MethodSettings, Task};
pub use state::MethodState;
pub use sweeps::{Candidate, FORM, Form, OUTPUT_DAMPING, Storage};
pub use target_propagation::{TargetPropagation, TargetPropagationConfig};
