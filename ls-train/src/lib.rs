#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! A module imports only from the ones above it in this list:
//!
//! | module | holds |
//! | --- | --- |
//! | [`error`], [`format`](mod@format) | errors of a run; numbers for people |
//! | `files` | whole files and rows of tables on the disk, and their failures |
//! | [`config`] | the configuration of a run, as TOML, checked once |
//! | [`data`] | a data set, or the samples of an application, on a device |
//! | `device` | devices and precisions that must agree |
//! | [`memory`] | the memory that a run will need |
//! | [`run_dir`] | the folder of a run |
//! | [`trained`] | a trained network, ready to be used |
//! | [`observe`] | observers: history, checkpoints, summary, lines, a view of the losses (feature `dashboard`), burn-train's dashboard and metric logs |
//! | `session`, `training_method`, `run_label`, `resume`, `run` | one run from plan to run folder |
//! | `folds` | a weight decay chosen by cross-validation: a run for each fold, and the last one |
//! | [`export`] | weights for other programs, one file per format, and what a run starts from (feature `export`) |
//! | [`chart`] | line charts as SVG and PNG (feature `chart`) |
//! | [`report`] | run folders as a page to read (feature `report`) |
//! | [`experiment`] | comparisons over contenders and seeds, one file each (feature `experiment`) |
//! | [`bench`](mod@bench) | seconds of passes and sweeps, their share of the machine's rate, their growth (feature `bench`) |
//!
//! [`train`] and [`Training`] run a plan in a [`Session`]; a [`Trained`] network is loaded from the run folder.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "chart")]
pub mod chart;
pub mod config;
pub mod data;
mod device;
pub mod error;
#[cfg(feature = "experiment")]
pub mod experiment;
#[cfg(feature = "export")]
pub mod export;
mod files;
mod folds;
pub mod format;
pub mod memory;
pub mod observe;
#[cfg(feature = "report")]
pub mod report;
mod resume;
mod run;
pub mod run_dir;
mod run_label;
mod session;
pub mod trained;
mod training_method;

pub use error::{Error, Result};
pub use folds::train_folds;
pub use run::{Outcome, Training, train};
pub use session::{Session, Start};
pub use trained::{Evaluation, Prediction, Trained};
pub use training_method::TrainingMethod;

/// Pages of the guide, so that their code is compiled and run. They are not part of the package.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/backends.md")]
    mod backends {}
    #[doc = include_str!("../../docs/guide/embedding.md")]
    mod embedding {}
}
