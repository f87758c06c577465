//! The speed of devices.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use ls_core::linalg::scalar_f64;

use crate::failure::Failure;

/// Side of the matrices.
const SIDE: usize = 1024;

/// Products that are timed together.
const PRODUCTS: usize = 4;

/// Shares of a device that is as fast as the slowest: others are measured in quarters of it.
const SHARES_OF_SLOWEST: f64 = 4.0;

/// Most shares of a device.
const MOST_SHARES: f64 = 4000.0;

/// Measures operations per second in products of matrices: two for each entry of each sum.
///
/// # Errors
/// Those of the device.
pub(crate) fn rate(device: &Device) -> Result<f64, Failure> {
    let matrix = Tensor::<2>::ones([SIDE, SIDE], device) * (1.0 / SIDE as f64);
    let product = |count: usize| {
        let product = (0..count).fold(matrix.clone(), |own, _| own.matmul(matrix.clone()));
        scalar_f64(product.sum()).map_err(ls_train::Error::from)
    };
    // The first product may compile a kernel.
    product(1)?;
    let started = Instant::now();
    product(PRODUCTS)?;
    let operations = 2.0 * (PRODUCTS * SIDE.pow(3)) as f64;
    Ok(operations / started.elapsed().as_secs_f64())
}

/// Returns shares in proportion to rates.
pub(super) fn shares(rates: &[f64]) -> Vec<u32> {
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let share = |rate: &f64| (SHARES_OF_SLOWEST * rate / slowest).clamp(1.0, MOST_SHARES);
    rates
        .iter()
        .map(|rate| share(rate).round() as u32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_rates_in_quarters_of_the_slowest() {
        assert_eq!(shares(&[2e9, 2.1e9, 5e9]), [4, 4, 10]);
        assert_eq!(shares(&[1e9, 1e15]), [4, 4000]);
    }
}
