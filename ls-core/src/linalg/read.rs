//! Reads values from the device; no other code does. Each read waits for the pending work of the device.

use burn::tensor::{Bool, Tensor};

use crate::{Error, Result};

/// Reads all values of a tensor, in row-major order.
///
/// # Errors
/// [`Error::Device`] when the pending work failed.
pub fn to_f64<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    tensor
        .try_into_data_as::<f64>()
        .map_err(|error| Error::Device(error.to_string()))?
        .try_to_vec::<f64>()
        .map_err(|error| Error::Device(format!("{error:?}")))
}

/// Reads a tensor of one element.
///
/// # Errors
/// [`Error::Device`] when the pending work failed.
pub fn scalar_f64(tensor: Tensor<1>) -> Result<f64> {
    Ok(to_f64(tensor)?.first().copied().unwrap_or(f64::NAN))
}

/// Returns whether all entries are true; false where the device failed, which the next number that is read will tell.
pub fn is_all<const D: usize>(flags: Tensor<D, Bool>) -> bool {
    flags.all().try_into_scalar::<bool>().unwrap_or(false)
}

/// Returns the mean over samples, `[samples]`, summed in f64: the rounding of an f32 sum over 60,000 samples would exceed the
/// decrease of late sweeps.
///
/// # Errors
/// [`Error::Device`] when the pending work failed.
pub fn mean_f64(per_sample: Tensor<1>) -> Result<f64> {
    let values = to_f64(per_sample)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}
