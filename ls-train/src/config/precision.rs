//! The numbers that tensors hold.

use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Floating-point numbers of weights, auxiliary variables and all that is computed from them. Sums over samples and linear systems
/// are in f64 on the host in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits: about seven digits.
    #[default]
    F32,
    /// 64 bits: about sixteen digits, in twice the memory.
    F64,
}

impl Precision {
    /// All precisions, in the order in which help lists them.
    pub const ALL: [Self; 2] = [Self::F32, Self::F64];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Makes a device compute in this precision. Burn keeps one setting per device for the whole process, and fixes it with the first
    /// tensor there.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the device has no such numbers, or computes in others already.
    pub fn set(self, device: &mut Device) -> Result<()> {
        if !device.supports_dtype(self.number()) {
            return Err(self.refused("the device does not compute in it"));
        }
        if self.ensure_set(device).is_ok() {
            return Ok(());
        }
        let set = device.configure(self.number());
        set.map_err(|_| self.refused("the device computes in another precision already"))
    }

    /// Checks that a device computes in this precision.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when it does not.
    pub(crate) fn ensure_set(self, device: &Device) -> Result<()> {
        if device.settings().float_dtype == self.number() {
            return Ok(());
        }
        Err(self
            .refused("the device computes in another one, which is set before its first tensor"))
    }

    fn number(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F64 => FloatDType::F64,
        }
    }

    fn refused(self, allowed: &'static str) -> Error {
        Error::InvalidConfig {
            field: "precision",
            value: self.name().into(),
            allowed,
        }
    }
}
