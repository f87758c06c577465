//! Repeated measurements of one piece of work.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::Device;
use ls_core::fit::StopSignal;

use crate::experiment::Spread;
use crate::{Error, Result};

/// Measures work on a device.
#[derive(Clone, Copy)]
pub(super) struct Timer<'a> {
    /// Number of measurements after one that does not count.
    pub repeats: usize,
    pub device: &'a Device,
    /// Ends the measurements.
    pub signal: &'a StopSignal,
}

impl Timer<'_> {
    /// Does a piece of work once to warm up, then again and again; returns the seconds of each.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal, and errors of the work and of the device.
    pub(super) fn time<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<Spread> {
        self.once(&mut work)?;
        let seconds = (0..self.repeats).map(|_| self.once(&mut work));
        let seconds: Vec<f64> = seconds.collect::<Result<_>>()?;
        Ok(Spread::new(seconds.into_iter()))
    }

    fn once<T>(&self, work: &mut impl FnMut() -> Result<T>) -> Result<f64> {
        if self.signal.is_given() {
            return Err(Error::Interrupted);
        }
        self.wait()?;
        let started = Instant::now();
        let result = work()?;
        self.wait()?;
        let seconds = started.elapsed().as_secs_f64();
        black_box(result);
        Ok(seconds)
    }

    /// Waits for the queue of an accelerator to be empty.
    fn wait(&self) -> Result<()> {
        let device = self.device.clone().inner();
        let done = device.sync();
        Ok(done.map_err(|error| ls_core::Error::Device(error.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_more_than_it_is_measured_and_a_signal_ends_it() {
        let (device, signal) = (Device::flex(), StopSignal::new());
        let timer = Timer {
            repeats: 3,
            device: &device,
            signal: &signal,
        };
        let mut done = 0;
        let mut work = || {
            done += 1;
            Ok(())
        };
        let seconds = timer.time(&mut work).unwrap();
        assert!(seconds.min <= seconds.median && seconds.median <= seconds.max);
        signal.stop();
        assert!(matches!(timer.time(&mut work), Err(Error::Interrupted)));
        assert_eq!(done, 4);
    }
}
