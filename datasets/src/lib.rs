#![doc = include_str!("../README.md")]

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
mod source;
mod split;
mod table;
#[cfg(test)]
mod testing;

pub use dataset::Dataset;
pub use error::Error;
pub use images::Images;
pub use samples::{ImageShape, Samples};
pub use source::{Distribution, Facts, KnownFile, Located, Source, Unpacked};
pub use split::SplitRule;
