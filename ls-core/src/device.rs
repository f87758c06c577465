//! How devices like to be fed.

use burn::tensor::Device;

/// Tells whether a device computes on the processors of this machine, where several arrays can be worked on at the same time.
/// Any other device works through one queue and is best fed large arrays.
pub fn runs_on_host(device: &Device) -> bool {
    let device = device.clone().inner();
    device == Device::flex() || is_ndarray(&device)
}

#[cfg(feature = "ndarray")]
#[allow(
    deprecated,
    reason = "Burn keeps the ndarray backend for its users, and so do we"
)]
fn is_ndarray(device: &Device) -> bool {
    *device == Device::ndarray()
}

#[cfg(not(feature = "ndarray"))]
fn is_ndarray(_device: &Device) -> bool {
    false
}
