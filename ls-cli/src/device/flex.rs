//! Burn's own CPU backend, which every build holds.

use burn::tensor::Device;

use super::backend::{Backend, Kind, Present};

pub(super) const BACKEND: Backend = Backend {
    name: "flex",
    forms: &["flex"],
    compiles_kernels: false,
    enumerate: Some(|| vec![Present::new("flex", Kind::Cpu, Device::flex())]),
    connect: None,
};
