//! The numbers that tensors hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{DType, Device, FloatDType, Tensor};
use ls_core::linalg::scalar_f64;
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

/// Whether a device computes in such numbers: graphics drivers may store f64 and have no exponential of it.
///
/// The first tensor on a device fixes its precision, and this makes one.
pub fn computes_in(device: &Device, number: FloatDType) -> bool {
    let exponential = || {
        let one = Tensor::<1>::ones([1], (device, number.into()));
        scalar_f64(one.exp())
    };
    // A driver refuses by a panic.
    let value = match device.supports_dtype(number) {
        true => catch_unwind(AssertUnwindSafe(exponential)),
        false => return false,
    };
    // bf16, the coarsest, has three digits.
    matches!(value, Ok(Ok(value)) if (value - core::f64::consts::E).abs() < 0.02)
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
    /// tensor there. [`RunConfig::precision`](super::RunConfig::precision) has to be the same, which [`train`](crate::train) checks.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when the device has no such numbers, [`Error::PrecisionFixed`] when it computes in others already.
    pub fn set(self, device: &mut Device) -> Result<()> {
        const MISSING: &str = "the device does not compute in it";
        if !device.supports_dtype(self.number()) {
            return Err(self.refused(MISSING));
        }
        if self.ensure_set(device).is_err() {
            let set = device.configure(self.number());
            set.map_err(|_| self.fixed(device))?;
        }
        match computes_in(device, self.number()) {
            true => Ok(()),
            false => Err(self.refused(MISSING)),
        }
    }

    /// Checks that a device computes in this precision.
    ///
    /// # Errors
    /// [`Error::PrecisionFixed`] when it does not.
    pub(crate) fn ensure_set(self, device: &Device) -> Result<()> {
        match device.settings().float_dtype == self.number() {
            true => Ok(()),
            false => Err(self.fixed(device)),
        }
    }

    fn fixed(self, device: &Device) -> Error {
        Error::PrecisionFixed {
            planned: self.name(),
            found: DType::from(device.settings().float_dtype).name(),
        }
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
