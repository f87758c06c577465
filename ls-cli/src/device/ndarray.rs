//! The CPU backend on the ndarray crate.

use super::backend::Backend;

pub(super) const BACKEND: Backend = Backend {
    name: "ndarray",
    forms: &["ndarray"],
    compiles_kernels: false,
    #[cfg(feature = "ndarray")]
    enumerate: Some(enumerate),
    #[cfg(not(feature = "ndarray"))]
    enumerate: None,
    connect: None,
};

#[cfg(feature = "ndarray")]
#[allow(
    deprecated,
    reason = "kept for users of the ndarray ecosystem while Burn has it"
)]
fn enumerate() -> Vec<super::backend::Present> {
    use super::backend::{Kind, Present};

    let device = burn::tensor::Device::ndarray();
    vec![Present::new("ndarray", Kind::Cpu, device)]
}
