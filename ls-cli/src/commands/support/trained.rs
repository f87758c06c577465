//! The network of a finished run.

use std::path::Path;

use burn::tensor::Device;
use ls_train::Trained;
use ls_train::config::Precision;
use ls_train::run_dir::RunDir;

use crate::device;
use crate::failure::Failure;

/// Loads the network of a run onto the device of a name, in the precision of the run.
///
/// # Errors
/// Exit code 2 for a folder without a finished run, and for an unknown device.
pub(in crate::commands) fn load(run: &Path, name: &str) -> Result<(Trained, Device), Failure> {
    let device = device::find(name, precision_of(run)?)?.device;
    Ok((Trained::load(run, &device)?, device))
}

/// Reads the precision of a run.
///
/// # Errors
/// Exit code 2 for a folder without a run.
pub(in crate::commands) fn precision_of(run: &Path) -> Result<Precision, Failure> {
    Ok(RunDir::read_config(run)?.precision)
}
