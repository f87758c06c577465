#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! A module imports only from the modules above it in this table, and in its own row only from the left:
//!
//! | module | contents |
//! | --- | --- |
//! | `shape`, `error` | shape of an image; every failure as one line |
//! | `input` | files as bounded streams of bytes |
//! | `scale` | the pixels of the numbers in a table |
//! | `samples`, `split`, `dataset` | labelled images; the draw of a test split; both splits of a data set |
//! | `idx`, `table`, `picture` | readers of one format each |
//! | `images` | images without labels |
//! | `source` | the registry of data sets, one file each |
//! | `download` | downloads and checksums |
//! | `fuzzing` | the readers on bytes, for tests |

mod dataset;
#[cfg(feature = "download")]
pub mod download;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod idx;
mod images;
mod input;
mod picture;
mod samples;
mod scale;
mod shape;
mod source;
mod split;
mod table;
#[cfg(test)]
mod testing;

pub use dataset::Dataset;
pub use error::Error;
pub use images::Images;
pub use samples::Samples;
pub use scale::PixelScale;
pub use shape::ImageShape;
pub use source::{Distribution, Facts, KnownFile, Located, Source, Unpacked};
pub use split::SplitRule;
pub use table::{LabelColumn, TableRule};
