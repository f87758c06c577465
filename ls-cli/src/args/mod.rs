//! Groups of options that several commands share, and the readers of single values.
//!
//! Each group is a struct with clap's derive and a method that lays the given values over a configuration: an option that is
//! absent leaves the configuration's own value. A module imports only from the ones above it in this list:
//!
//! | module | holds |
//! | --- | --- |
//! | `values` | readers of single values, refusals of options without a meaning |
//! | `schema`, `derived` | options that are derived from the schemas of configurations |
//! | `samples`, `model`, `weighting` | the data set, the network, the weights of the residuals |
//! | `method` | the method and its settings |
//! | `overrides` | `--set`: single keys of the configuration |
//! | `run` | all options that decide a run |
//! | `session` | folder, checkpoints and display of a run |

mod derived;
mod method;
mod model;
mod overrides;
mod run;
mod samples;
mod schema;
mod session;
pub(crate) mod values;
mod weighting;

pub(crate) use model::ModelArgs;
pub(crate) use overrides::SetArgs;
pub(crate) use run::{ComputeArgs, RunArgs, TokenArgs};
pub(crate) use samples::SampleArgs;
pub(crate) use session::{Display, SessionArgs};
pub(crate) use weighting::WeightingArgs;
