#![doc = include_str!("../README.md")]
// The map links to every module; without its feature a module has no page.
#![cfg_attr(
    not(all(feature = "report", feature = "export", feature = "experiment")),
    allow(rustdoc::broken_intra_doc_links)
)]
//!
//! # Map of the crate
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | everything that decides a run, as TOML, checked once |
//! | [`data`] | a data set or the samples of an application on a device, in blocks of samples |
//! | [`metric`] | what the dashboards show: one file per metric |
//! | [`memory`] | what a run will need |
//! | [`renderer`] | the line renderer, for logs and pipes |
//! | [`learner`] | the strategy that lets burn-train drive a method of `ls-core` |
//! | [`run_dir`] | what a run leaves behind |
//! | [`chart`] | line charts as SVG and PNG; feature `chart` |
//! | [`export`] | weights for other programs, one file per format; feature `export` |
//! | [`experiment`] | comparisons of methods over several seeds, one file each; feature `experiment` |
//! | [`report`] | run folders as one page of HTML; feature `report` |
//!
//! [`train`] puts them together, [`train_network`] for a network of an application's own; a [`Trained`] network is what comes out,
//! ready to be used.

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
pub mod learner;
pub mod memory;
pub mod metric;
pub mod renderer;
#[cfg(feature = "report")]
pub mod report;
pub mod run_dir;
mod train;
mod trained;
#[cfg(any(feature = "export", feature = "report"))]
mod weight_shape;

pub use error::{Error, Result};
pub use train::{CheckpointRule, Dashboard, Outcome, Session, Start, train, train_network};
pub use trained::{Evaluation, Prediction, Trained};

/// Pages of the guide, so that their code is compiled and run. They are not part of the package.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/backends.md")]
    mod backends {}
    #[doc = include_str!("../../docs/guide/embedding.md")]
    mod embedding {}
}
