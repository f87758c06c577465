//! The devices of a run: one, or a list that shares the samples.

use core::time::Duration;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use burn::tensor::Device;
use ls_core::shards::Shards;
use ls_train::config::RunConfig;

use super::backend::{Backend, Present};
use super::rate::shares;
use super::remote;
use super::{backend, make_default, open, rate};
use crate::failure::Failure;

/// Time that a worker has to answer the question whether it is still there.
const ANSWER: Duration = Duration::from_secs(5);

/// The device of weights and small systems, with the devices that share the samples.
pub(crate) struct DeviceSet {
    /// The named device, or flex where a list is named.
    pub(crate) home: Present,
    /// The devices of a list.
    pub(crate) shards: Option<Shards>,
    /// Names and devices of the workers among them.
    workers: Vec<(String, Device)>,
    /// Whether one of them compiles its kernels when they are first needed.
    pub(crate) compiles_kernels: bool,
}

impl DeviceSet {
    /// Opens the devices of a configuration. Where shares are to be measured, they stand in the configuration afterwards. It must be
    /// called once in a process, before anything is computed.
    ///
    /// # Errors
    /// Exit code 2 for a token that cannot be read or that no worker asks for, and as [`find`](super::find) for each device.
    pub(crate) fn open(
        config: &mut RunConfig,
        token_file: Option<&Path>,
        measures_shares: bool,
    ) -> Result<Self, Failure> {
        let names = config.devices();
        if measures_shares && names.len() == 1 {
            return Err(Failure::new(format!(
                "shares = measured is not possible: device `{}` has all samples",
                config.device
            )));
        }
        let backends = names.iter().map(|name| backend(name));
        let backends = backends.collect::<Result<Vec<_>, _>>()?;
        let token = token(&config.device, &backends, token_file)?;
        make_default(&config.device);
        let find = |name: &str| open(name, config.precision, token.as_deref());
        let mut found = names
            .iter()
            .map(|name| find(name))
            .collect::<Result<Vec<_>, _>>()?;
        let own = found.iter().zip(&backends);
        let workers = own.filter(|(_, backend)| backend.is_remote());
        let workers = workers.map(|(own, _)| (own.name.clone(), own.device.clone()));
        let workers = workers.collect();
        let compiles_kernels = backends.iter().any(|backend| backend.compiles_kernels);
        let (home, shards) = match found.len() {
            1 => (found.remove(0), None),
            _ => {
                let devices: Vec<_> = found.into_iter().map(|own| own.device).collect();
                if measures_shares {
                    let rates = devices.iter().map(rate);
                    config.shares = Some(shares(&rates.collect::<Result<Vec<_>, _>>()?));
                }
                let shards = Shards::new(devices, config.shares());
                let shards = shards.map_err(ls_train::Error::from)?;
                (find("flex")?, Some(shards))
            }
        };
        Ok(Self {
            home,
            shards,
            workers,
            compiles_kernels,
        })
    }

    /// Returns the names of the workers whose connections say nothing when they hang; those over Iroh break by themselves.
    pub(crate) fn silent_workers(&self) -> Vec<String> {
        let names = self.workers.iter().map(|(name, _)| name.clone());
        names.filter(|name| !remote::is_iroh(name)).collect()
    }

    /// Returns the failure of a run that ended because a worker is gone; `None` where all workers answer.
    pub(crate) fn lost_worker(&self) -> Option<Failure> {
        let lost = self.workers.iter().find(|(_, device)| !answers(device));
        lost.map(|(name, _)| Failure::lost_worker(name, "no longer answers"))
    }
}

/// Asks a device to finish its work. The question may never return, and may panic.
fn answers(device: &Device) -> bool {
    let (sender, receiver) = mpsc::channel();
    let device = device.clone();
    thread::spawn(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| device.sync()));
        // Nobody waits any more after the time is up.
        let _ = sender.send(matches!(answer, Ok(Ok(()))));
    });
    receiver.recv_timeout(ANSWER).unwrap_or(false)
}

/// Reads the token of the workers among named devices, where a file is given.
///
/// # Errors
/// As [`read_token`], and exit code 2 where none of the devices is a worker's.
pub(super) fn token(
    devices: &str,
    backends: &[&Backend],
    file: Option<&Path>,
) -> Result<Option<String>, Failure> {
    let token = file.map(read_token).transpose()?;
    if token.is_some() && !backends.iter().any(|backend| backend.is_remote()) {
        return Err(Failure::new(format!(
            "--token-file has no meaning with device `{devices}`: tokens are for workers"
        )));
    }
    Ok(token)
}

/// Reads a token without the white space around it.
///
/// # Errors
/// Exit code 2 for a file that cannot be read or is empty.
pub(crate) fn read_token(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format!(
            "cannot read the token in {}: {error}",
            file.display()
        ))
    })?;
    match text.trim() {
        "" => Err(Failure::new(format!(
            "{} is empty; it must hold a token",
            file.display()
        ))),
        token => Ok(token.into()),
    }
}
