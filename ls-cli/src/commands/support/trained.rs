//! The network of a run.

use std::path::Path;

use burn::tensor::Device;
use ls_train::Trained;
use ls_train::config::Precision;
use ls_train::run_dir::RunDir;

use crate::device;
use crate::failure::Failure;
use crate::ui::Ui;

/// Loads the network of a run onto the device of a name, which a worker may lend for a token, in the precision of the run. A note names the
/// checkpoint of a run that has not ended.
///
/// # Errors
/// Exit code 2 for a folder without a run that has weights, and for a device that cannot be opened.
pub(in crate::commands) fn load(
    run: &Path,
    name: &str,
    token_file: Option<&Path>,
    ui: &Ui,
) -> Result<(Trained, Device), Failure> {
    let device = device::find_with_token(name, precision_of(run)?, token_file)?.device;
    let trained = Trained::load(run, &device)?;
    if let Some(sweep) = trained.checkpoint {
        ui.note(&format!(
            "{} holds no model.bpk, which a run writes at its end; these are the weights of its checkpoint of sweep {sweep}",
            run.display()
        ));
    }
    Ok((trained, device))
}

/// Reads the precision of a run.
///
/// # Errors
/// Exit code 2 for a folder without a run.
pub(in crate::commands) fn precision_of(run: &Path) -> Result<Precision, Failure> {
    Ok(RunDir::read_config(run)?.precision)
}
