//! Inputs of a report.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

/// Inputs of a report.
pub struct ReportOptions<'a> {
    /// Folders of the runs, at least one.
    pub runs: &'a [PathBuf],
    /// Folder with the files of the data set, or with a sub-folder of its name; `None` takes the folder of each run's configuration.
    pub data: Option<&'a Path>,
    /// Device that classifies the test images.
    pub device: &'a Device,
}
