//! Where a run computes, and in which numbers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};
use ls_core::network::Network;

use crate::config::RunConfig;
use crate::data::Splits;
use crate::{Error, Result};

/// Words in the debug form of a device that say how it is reached and not what it is.
const WRAPPERS: [&str; 4] = ["Device", "Autodiff", "device", "Cube"];

/// What a run folder calls a device: by its planned name, which may have an index, if that is of the backend on which the run is, and
/// else by its backend, such as `flex`, `ndarray`, `wgpu` or `cuda`. A list of devices keeps its name where the samples are in shards.
pub(crate) fn name(device: &Device, planned: &str, is_sharded: bool) -> String {
    let backend = backend(&format!("{device:?}"));
    match is_sharded || planned.split(':').next() == Some(&backend) {
        true => planned.into(),
        false => backend,
    }
}

/// Burn tells the backend of a device in its debug form only, such as `Device<Cube(Cuda(Cuda(0)))>`.
fn backend(debug: &str) -> String {
    let mut words = debug.split(|c: char| !c.is_alphanumeric());
    let own = words.find(|word| !word.is_empty() && !WRAPPERS.contains(word));
    own.unwrap_or("unknown").to_lowercase()
}

/// Checks that network and samples are on a device, and in its precision: Burn panics over tensors that do not fit each other.
///
/// # Errors
/// [`Error::PrecisionFixed`] where the configuration has another precision than the device, [`Error::OtherDevice`] and
/// [`Error::OtherPrecision`], naming what is elsewhere or otherwise.
pub(crate) fn ensure_same(
    device: &Device,
    config: &RunConfig,
    network: &Network,
    splits: &Splits,
) -> Result<()> {
    const NETWORK: &str = "the network";
    config.precision.ensure_set(device)?;
    let expected = DType::from(device.settings().float_dtype);
    let own = network.devices().into_iter();
    let mut devices: Vec<_> = own.map(|device| (NETWORK, device)).collect();
    let mut numbers = Numbers(Vec::new());
    network.visit(&mut numbers);
    let mut numbers: Vec<_> = numbers.0.into_iter().map(|own| (NETWORK, own)).collect();
    for (name, samples) in [
        ("the training split", Some(&splits.train)),
        ("the validation split", splits.validation.as_ref()),
        ("the test split", Some(&splits.test)),
    ] {
        let Some(samples) = samples else { continue };
        devices.extend([
            (name, samples.inputs.device()),
            (name, samples.labels.device()),
        ]);
        numbers.push((name, samples.inputs.dtype()));
    }
    if let Some((what, found)) = devices.into_iter().find(|(_, own)| own != device) {
        // With and without autodiff it is the same device.
        let text = |device: &Device| format!("{:?}", device.clone().inner());
        return Err(Error::OtherDevice {
            what,
            found: text(&found),
            expected: text(device),
        });
    }
    match numbers.into_iter().find(|(_, own)| *own != expected) {
        None => Ok(()),
        Some((what, found)) => Err(Error::OtherPrecision {
            what,
            found: found.name(),
            expected: expected.name(),
        }),
    }
}

/// Collects the kinds of numbers of a module's weights.
struct Numbers(Vec<DType>);

impl ModuleVisitor for Numbers {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.push(parameter.val().dtype());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_by_its_backend_unless_the_plan_knows_more() {
        let flex = Device::flex();
        for device in [flex.clone(), flex.autodiff()] {
            assert_eq!(name(&device, "flex", false), "flex");
            assert_eq!(name(&device, "wgpu:discrete:1", false), "flex");
            assert_eq!(name(&device, "cuda:0,cuda:1", true), "cuda:0,cuda:1");
        }
        // As Burn writes devices of backends that a build of the tests need not have.
        let cases = [
            ("Device<NdArray(Cpu)>", "ndarray"),
            ("Device<Cube(Cuda(Cuda(1)))>", "cuda"),
            (
                "Device<Cube(Wgpu(WgpuDevice { kind: DefaultDevice, backend: Auto }))>",
                "wgpu",
            ),
            (
                "Device<Autodiff { device: Cube(Hip(AmdDevice { index: 0 })), checkpointing: Disabled }>",
                "hip",
            ),
            ("", "unknown"),
        ];
        for (debug, expected) in cases {
            assert_eq!(backend(debug), expected);
        }
    }
}
