#![doc = include_str!("../README.md")]

mod dataset;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod idx;
mod input;
mod samples;
mod source;
mod split;
#[cfg(test)]
mod testing;

pub use dataset::Dataset;
pub use error::Error;
pub use samples::{ImageShape, Samples};
pub use source::{Facts, Source};
pub use split::SplitRule;
