//! What a method remembers between sweeps, in a form that can be written down.

use std::collections::VecDeque;

use burn::optim::OptimizerRecord;
use burn::tensor::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The memory of a method: with it, the same weights and the same batches, the next sweep is the same, bit for bit.
///
/// What a stage draws while it trains, such as dropout, comes from the device's own stream and is no part of it.
///
/// Numbers and choices are a TOML table, which keeps every f64 exactly; arrays and optimizer states are read in the order in
/// which they were written.
#[derive(Debug, Default)]
pub struct MethodState {
    /// Numbers and choices.
    pub values: toml::Table,
    /// Arrays with their shapes, row by row.
    pub arrays: VecDeque<(Vec<usize>, Tensor<1>)>,
    /// States of Burn's optimizers.
    pub optimizers: VecDeque<OptimizerRecord>,
}

impl MethodState {
    /// A state of numbers and choices alone, to add arrays to.
    ///
    /// # Errors
    /// [`Error::MethodState`] for values that TOML cannot hold.
    pub fn new(values: &impl Serialize) -> Result<Self> {
        let values = toml::Table::try_from(values).map_err(|error| mismatch(&error))?;
        Ok(Self {
            values,
            ..Self::default()
        })
    }

    /// The numbers and choices.
    ///
    /// # Errors
    /// [`Error::MethodState`] when they are another method's.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let values = self.values.clone();
        values.try_into().map_err(|error| mismatch(&error))
    }

    /// Adds an array.
    pub fn push<const D: usize>(&mut self, array: Tensor<D>) {
        let dims = array.dims();
        let flat = array.reshape([dims.iter().product::<usize>()]);
        self.arrays.push_back((dims.to_vec(), flat));
    }

    /// Takes the next array.
    ///
    /// # Errors
    /// [`Error::MethodState`] when there is none, or one of another rank.
    pub fn take<const D: usize>(&mut self) -> Result<Tensor<D>> {
        let (dims, flat) = self
            .arrays
            .pop_front()
            .ok_or_else(|| mismatch(&"too few arrays"))?;
        let dims: [usize; D] = dims
            .try_into()
            .map_err(|_| mismatch(&"an array has another rank"))?;
        Ok(flat.reshape(dims))
    }

    /// Takes the next optimizer's state.
    ///
    /// # Errors
    /// [`Error::MethodState`] when there is none.
    pub fn take_optimizer(&mut self) -> Result<OptimizerRecord> {
        self.optimizers
            .pop_front()
            .ok_or_else(|| mismatch(&"too few optimizers"))
    }
}

pub(super) fn mismatch(reason: &dyn core::fmt::Display) -> Error {
    Error::MethodState(reason.to_string().trim().to_owned())
}
