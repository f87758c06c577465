//! Copies of a network where its samples are.

use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::Device;

use super::Network;

/// A network with its copies on the devices of shards. A copy is made when it is first needed, and stays as long as the value: the
/// weights go to each device once.
pub(crate) struct Replicas<'a> {
    network: &'a Network,
    home: Device,
    copies: Mutex<Vec<(Device, Network)>>,
}

impl<'a> Replicas<'a> {
    /// No copies yet of a network on a device.
    pub(crate) fn new(network: &'a Network, home: Device) -> Self {
        Self {
            network,
            home,
            copies: Mutex::default(),
        }
    }

    /// Returns the network on a device. A copy shares its tensors with all others there.
    pub(crate) fn on(&self, device: &Device) -> Network {
        if *device == self.home {
            return self.network.clone();
        }
        // A panic of a device in another thread leaves no half of an entry behind.
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, copy)) = copies.iter().find(|(own, _)| own == device) {
            return copy.clone();
        }
        let copy = self.network.clone().fork(device);
        copies.push((device.clone(), copy.clone()));
        copy
    }
}
