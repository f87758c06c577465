//! Samples over several devices: where their chunks are, and how sums over them come back.
//!
//! A split in shards ([`Batch::sharded`](crate::batch::Batch::sharded)) keeps its home, the device on which weights and small systems are.
//! Full-batch passes of `exact` and measurements work on its chunks where they are, with copies of the weights, and sums over chunks are
//! formed in the order of the chunks. So neither the devices nor their number change a bit of the result, as long as the devices round
//! alike. The same holds for the auxiliary passes of `alternating`. A batch of `foof` has one part for each device instead.

use core::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::device::runs_on_host;
use crate::error::ensure;
use crate::{Error, Result};

/// Devices that share the samples of a split.
#[derive(Clone, Debug)]
pub struct Shards {
    devices: Vec<Device>,
    shares: Vec<u32>,
}

impl Shards {
    /// Gives every device a share of the samples, relative to the sum of all shares.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] without a device, for another number of shares than devices, and for a share of 0.
    pub fn new(devices: Vec<Device>, shares: Vec<u32>) -> Result<Self> {
        let count = devices.len();
        ensure(count > 0, "devices", count as f64, "1 or more")?;
        let given = shares.len();
        ensure(
            given == count,
            "shares",
            given as f64,
            "one for each device",
        )?;
        ensure(!shares.contains(&0), "shares", 0.0, "1 or more")?;
        Ok(Self { devices, shares })
    }

    /// Returns the devices in the order of their chunks.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Returns the device of chunk `c` of `count`. The chunks of a device are neighbours, so that a sum over all chunks visits it once.
    pub(crate) fn device_of(&self, c: usize, count: usize) -> &Device {
        let total: u64 = self.shares.iter().copied().map(u64::from).sum();
        // The middle of the chunk as a share of all, in whole numbers: (c + 1/2) / count < (sum of the first shares) / total.
        let middle = (2 * c as u64 + 1) * total;
        let mut end = 0;
        let place = self.shares.iter().position(|&share| {
            end += u64::from(share);
            middle < 2 * end * count as u64
        });
        &self.devices[place.unwrap_or(self.devices.len() - 1)]
    }

    /// Parts samples among the devices by their shares. Returns the devices that get any, in order, with the consecutive ones of each.
    pub(crate) fn parts(&self, samples: usize) -> Vec<(&Device, Range<usize>)> {
        let total: u128 = self.shares.iter().copied().map(u128::from).sum();
        let (mut given, mut start) = (0, 0);
        let pairs = self.devices.iter().zip(&self.shares);
        let parts = pairs.map(|(device, &share)| {
            given += u128::from(share);
            // No more than the number of samples.
            let end = (samples as u128 * given / total) as usize;
            (device, core::mem::replace(&mut start, end)..end)
        });
        parts.filter(|(_, part)| !part.is_empty()).collect()
    }
}

/// A value made of tensors that are all on one device.
pub(crate) trait OnDevice: Sized {
    /// Returns the device.
    fn device(&self) -> Device;

    /// Returns the value on a device, without a copy if it is there.
    fn on(self, device: &Device) -> Self;
}

impl<const D: usize> OnDevice for Tensor<D> {
    fn device(&self) -> Device {
        Tensor::device(self)
    }

    fn on(self, device: &Device) -> Self {
        match Tensor::device(&self) == *device {
            true => self,
            false => self.to_device(device),
        }
    }
}

/// Adds the part of a chunk to a sum on the chunk's device. On its way from another device the sum passes through its home: so it works
/// between devices that cannot reach each other.
pub(crate) fn add<T: OnDevice>(
    sum: &mut Option<T>,
    part: T,
    home: &Device,
    plus: impl FnOnce(T, T) -> T,
) {
    let device = part.device();
    *sum = Some(match sum.take() {
        Some(sum) if sum.device() == device => plus(sum, part),
        Some(sum) => plus(sum.on(home).on(&device), part),
        None => part,
    });
}

/// Joins the tensors of consecutive chunks at home, with one transfer from each device.
pub(crate) fn joined<const D: usize>(
    parts: Vec<Tensor<D>>,
    dimension: usize,
    home: &Device,
) -> Tensor<D> {
    let runs = parts.chunk_by(|a, b| Tensor::device(a) == Tensor::device(b));
    let runs = runs.map(|run| cat(run.to_vec(), dimension).on(home));
    cat(runs.collect(), dimension)
}

/// Brings tensors of one device home in a single transfer.
pub(crate) fn at_once(tensors: Vec<Tensor<2>>, home: &Device) -> Vec<Tensor<2>> {
    if tensors.iter().all(|own| Tensor::device(own) == *home) {
        return tensors;
    }
    let dims: Vec<_> = tensors.iter().map(Tensor::dims).collect();
    let flat: Vec<Tensor<1>> = tensors.into_iter().map(|own| own.flatten(0, 1)).collect();
    let all = cat(flat, 0).on(home);
    let mut start = 0;
    let tensors = dims.into_iter().map(|[rows, columns]| {
        let own = all.clone().narrow(0, start, rows * columns);
        start += rows * columns;
        own.reshape([rows, columns])
    });
    tensors.collect()
}

fn cat<const D: usize>(mut parts: Vec<Tensor<D>>, dimension: usize) -> Tensor<D> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, dimension),
    }
}

/// Computes something for the chunk on each of the devices, and hands the results over in order. All devices work at the same time, and
/// the processors of this machine work on several chunks at once.
pub(crate) fn for_each_chunk<T: Send>(
    devices: &[Device],
    compute: impl Fn(usize) -> Result<T> + Sync,
    mut take: impl FnMut(T),
) -> Result<()> {
    let mut results: Vec<Option<Result<T>>> = devices.iter().map(|_| None).collect();
    let compute = &compute;
    let (mut rest, mut start) = (results.as_mut_slice(), 0);
    thread::scope(|scope| {
        let (mut own, mut threads) = (Vec::new(), Vec::new());
        for run in devices.chunk_by(|a, b| a == b) {
            let (slots, after) = rest.split_at_mut(run.len());
            let first = start;
            (rest, start) = (after, start + run.len());
            if runs_on_host(&run[0]) {
                own.push((first, slots));
                continue;
            }
            threads.push(scope.spawn(move || {
                for (i, slot) in slots.iter_mut().enumerate() {
                    *slot = Some(compute(first + i));
                }
                // What is still queued starts now, while nobody waits for it yet.
                run[0].flush()
            }));
        }
        for (first, slots) in own {
            let slots = slots.par_iter_mut().enumerate();
            slots.for_each(|(i, slot)| *slot = Some(compute(first + i)));
        }
        for thread in threads {
            let flushed = thread.join().unwrap_or_else(|cause| resume_unwind(cause));
            flushed.map_err(|error| Error::Device(error.to_string()))?;
        }
        Ok::<_, Error>(())
    })?;
    for result in results.into_iter().flatten() {
        take(result?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flex(count: usize) -> Vec<Device> {
        vec![Device::flex(); count]
    }

    fn places(shares: &[u32], count: usize) -> Vec<usize> {
        let shards = Shards::new(flex(shares.len()), shares.to_vec()).unwrap();
        (0..count)
            .map(|c| {
                let devices = shards.devices();
                let found: *const Device = shards.device_of(c, count);
                devices
                    .iter()
                    .position(|own| core::ptr::eq(own, found))
                    .unwrap()
            })
            .collect()
    }

    #[test]
    fn chunks_are_dealt_in_order_and_by_share() {
        assert_eq!(places(&[1, 1], 4), [0, 0, 1, 1]);
        assert_eq!(places(&[2, 1], 6), [0, 0, 0, 0, 1, 1]);
        assert_eq!(places(&[1, 1, 1, 1], 2), [1, 3]);
        assert_eq!(places(&[1, 3], 1), [1]);
        assert_eq!(places(&[u32::MAX, u32::MAX], 2), [0, 1]);
    }

    #[test]
    fn samples_are_parted_in_order_and_by_share() {
        let parts = |shares: &[u32], samples| {
            let shards = Shards::new(flex(shares.len()), shares.to_vec()).unwrap();
            let parts = shards.parts(samples).into_iter();
            parts.map(|(_, part)| part).collect::<Vec<_>>()
        };
        assert_eq!(parts(&[1, 1], 7), [0..3, 3..7]);
        assert_eq!(parts(&[2, 1], 6), [0..4, 4..6]);
        // Two of four have none of so few.
        assert_eq!(parts(&[1, 1, 1, 1], 2), [0..1, 1..2]);
        assert_eq!(parts(&[u32::MAX, u32::MAX], 4), [0..2, 2..4]);
    }

    #[test]
    fn impossible_shares_are_refused() {
        for (devices, shares) in [(0, vec![]), (2, vec![1]), (2, vec![1, 0])] {
            assert!(Shards::new(flex(devices), shares).is_err());
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_chunks_and_the_first_error_ends_them() {
        let mut taken = Vec::new();
        for_each_chunk(&flex(9), Ok, |c| taken.push(c)).unwrap();
        assert_eq!(taken, (0..9).collect::<Vec<_>>());
        taken.clear();
        let failing = |c| match c {
            5 => Err(Error::Device("gone".into())),
            c => Ok(c),
        };
        assert!(for_each_chunk(&flex(9), failing, |c| taken.push(c)).is_err());
        assert_eq!(taken, [0, 1, 2, 3, 4]);
    }
}
