//! NVIDIA's graphics cards through CUDA.

use super::backend::Backend;

pub(super) const BACKEND: Backend = Backend {
    name: "cuda",
    forms: &["cuda", "cuda:N"],
    compiles_kernels: true,
    #[cfg(feature = "cuda")]
    enumerate: Some(cards::enumerate),
    #[cfg(not(feature = "cuda"))]
    enumerate: None,
    connect: None,
};

#[cfg(feature = "cuda")]
mod cards {
    use burn::tensor::{Device, DeviceType};

    use super::super::backend::{Identity, Kind, Present};

    /// Lists the cards; the bare name selects the first one.
    pub(super) fn enumerate() -> Vec<Present> {
        let cards = Device::enumerate(DeviceType::Cuda).into_vec();
        let first = cards.iter().take(1).map(|card| ("cuda".to_owned(), card));
        let numbered = cards.iter().enumerate();
        let numbered = numbered.map(|(i, card)| (format!("cuda:{i}"), card));
        let present = first.chain(numbered).map(|(name, card)| {
            Present::new(name, Kind::DiscreteGpu, card.clone()).with_identity(identify)
        });
        present.collect()
    }

    fn identify(device: &Device) -> Identity {
        device.identity().map_or_else(Identity::default, |own| {
            let card = own.physical.and_then(|card| card.pci_address);
            Identity::card(own.name, card.map(|address| address.to_string()))
        })
    }
}
