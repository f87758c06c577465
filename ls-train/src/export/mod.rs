//! Weights in file formats of other programs: one file per format, one line each in [`ExportFormat::ALL`]. No format holds auxiliary
//! variables. A [`Problem`] holds what a run starts from.

mod burnpack;
mod problem;
mod safetensors;
mod tensors;

use std::path::Path;

pub use problem::Problem;

use crate::{Result, Trained};

/// A file format of weights.
#[derive(Clone, Copy, Debug)]
pub struct ExportFormat {
    /// Name on the command line.
    pub name: &'static str,
    /// Purpose and contents of the format, for the help.
    pub about: &'static str,
    /// Name of the file inside the folder of its run, unless the user chooses another. It begins with
    /// [`EXPORT_PREFIX`](crate::run_dir::EXPORT_PREFIX), by which a new run in the folder recognizes and removes the old export.
    pub file_name: &'static str,
    write: fn(&Trained, &Path) -> Result<()>,
}

impl ExportFormat {
    /// All formats, in the order of the help.
    pub const ALL: &[Self] = &[safetensors::FORMAT, burnpack::FORMAT];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the description for the help.
    pub fn about(self) -> &'static str {
        self.about
    }

    /// Writes the weights of a network to a file. They go to a draft first, which then takes the place of the file, so that nobody
    /// ever reads half of it.
    ///
    /// # Errors
    /// [`crate::Error::File`] or [`crate::Error::Disk`] when the file cannot be written, [`crate::Error::Core`] when the device failed.
    pub fn write(self, trained: &Trained, path: &Path) -> Result<()> {
        (self.write)(trained, path)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::run_dir;

    #[test]
    fn a_new_run_recognizes_the_files_of_every_format() {
        for format in ExportFormat::ALL {
            let name = format.file_name;
            assert!(run_dir::is_derived(OsStr::new(name)), "{name}");
        }
    }
}
