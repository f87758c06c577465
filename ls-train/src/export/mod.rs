//! Weights for other programs: one file per format, one line each in [`Format::ALL`]. Auxiliary variables stay out of all of them.

mod burnpack;
mod safetensors;

use std::path::Path;

use crate::{Result, Trained};

/// A file format of weights.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Ending of its files.
    pub extension: &'static str,
    write: fn(&Trained, &Path) -> Result<()>,
}

impl Format {
    /// All formats, in the order in which help lists them.
    pub const ALL: [Self; 2] = [safetensors::FORMAT, burnpack::FORMAT];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Writes the weights of a network to a file, beside its place first, so that nobody ever reads half of it.
    ///
    /// # Errors
    /// [`crate::Error::File`] when it cannot be written.
    pub fn write(self, trained: &Trained, path: &Path) -> Result<()> {
        (self.write)(trained, path)
    }
}
