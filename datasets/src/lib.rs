#![doc = include_str!("../README.md")]

mod dataset;
mod error;
mod idx;
mod images;
mod input;
mod samples;
mod source;
#[cfg(test)]
mod testing;

pub use dataset::Dataset;
pub use error::Error;
pub use images::Images;
pub use samples::{ImageShape, Samples};
pub use source::{Facts, Source};
