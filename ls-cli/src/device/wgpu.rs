//! Graphics cards through Vulkan, Metal, DX12 or WebGPU.

use super::backend::Backend;

pub(super) const BACKEND: Backend = Backend {
    name: "wgpu",
    forms: &[
        "wgpu",
        "wgpu:discrete:N",
        "wgpu:integrated:N",
        "wgpu:virtual:N",
        "wgpu:cpu",
        "wgpu:other:N",
    ],
    compiles_kernels: true,
    #[cfg(feature = "wgpu")]
    enumerate: Some(adapters::enumerate),
    #[cfg(not(feature = "wgpu"))]
    enumerate: None,
    connect: None,
};

#[cfg(feature = "wgpu")]
mod adapters {
    use burn::tensor::{Device, DeviceKind, DeviceType};

    use super::super::backend::{Identity, Kind, Present};

    /// Lists the adapters of the graphics driver. An index past their end would make Burn panic or take another adapter.
    pub(super) fn enumerate() -> Vec<Present> {
        let mut adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
        if adapters.is_empty() {
            return Vec::new();
        }
        let mut named = named(adapters.len());
        named.retain(|named| adapters.contains(&named.device));
        adapters.retain(|adapter| named.iter().all(|named| named.device != *adapter));
        let default = Device::wgpu(DeviceKind::DefaultDevice);
        let mut present = vec![Present::new("wgpu", Kind::Default, default)];
        present.extend(named);
        let others = adapters.into_iter().enumerate();
        present.extend(
            others.map(|(i, device)| Present::new(format!("wgpu:other:{i}"), Kind::Other, device)),
        );
        let present = present.into_iter();
        present
            .map(|present| present.with_identity(identify))
            .collect()
    }

    /// Lists every name that could select one of `count` adapters.
    fn named(count: usize) -> Vec<Present> {
        let indexed = |name: &str, kind, make: fn(usize) -> DeviceKind| -> Vec<Present> {
            let device = |i| Present::new(format!("wgpu:{name}:{i}"), kind, Device::wgpu(make(i)));
            (0..count).map(device).collect()
        };
        let software = Device::wgpu(DeviceKind::Cpu);
        [
            indexed("discrete", Kind::DiscreteGpu, DeviceKind::DiscreteGpu),
            indexed("integrated", Kind::IntegratedGpu, DeviceKind::IntegratedGpu),
            indexed("virtual", Kind::VirtualGpu, DeviceKind::VirtualGpu),
            vec![Present::new("wgpu:cpu", Kind::SoftwareGpu, software)],
        ]
        .concat()
    }

    fn identify(device: &Device) -> Identity {
        device.identity().map_or_else(Identity::default, |own| {
            let card = own.physical.and_then(|card| card.pci_address);
            Identity::card(own.name, card.map(|address| address.to_string()))
        })
    }
}
