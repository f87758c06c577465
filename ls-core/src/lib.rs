#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! A module imports only from the ones above it in this list:
//!
//! | module | holds |
//! | --- | --- |
//! | [`shape`], [`error`], [`device`], [`shards`], [`batch`], [`figure`] | shapes, errors, devices, samples, definitions of reported figures |
//! | [`linalg`] | norms that are true upper bounds, Gram matrices, Cholesky |
//! | [`stage`] | one layer `f_l`, as data and as capabilities |
//! | [`network`], [`model`], [`auxiliary`] | the stages in order; architectures by name; one variable per sample and hidden stage |
//! | [`objective`] | original loss, separated loss, certificate, and the loss of one block |
//! | [`update`] | how one block moves while the others keep their values: a direction times a length |
//! | [`method`] | the order of the blocks in a sweep; configurations by name |
//! | [`fit`] | the training loop |
//!
//! Next to the library's own stages, a network takes any Burn module of yours: see [writing a stage](stage#writing-a-stage). The
//! folder `examples` has small programs that run as they are.
//!
//! The three types to know are [`Network`](network::Network), [`AuxiliaryStore`](auxiliary::AuxiliaryStore) and
//! [`Method`](method::Method): a method moves the first two, held together by [`Separated`](method::Separated), and
//! [`objective::measure`] says what came of it.

pub mod auxiliary;
pub mod batch;
pub mod device;
pub mod error;
pub mod figure;
pub mod fit;
pub mod linalg;
pub mod method;
pub mod model;
pub mod network;
pub mod objective;
pub mod shape;
pub mod shards;
pub mod stage;
pub mod update;

pub use error::{Error, NoLipschitzConstant, Result};

/// Pages of the guide, so that their code is compiled and run. They are not part of the package.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../docs/guide/stage.md")]
    mod stage {}
    #[doc = include_str!("../../docs/guide/method.md")]
    mod method {}
}
