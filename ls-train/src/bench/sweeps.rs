//! Sweeps of the methods.

use ls_core::batch::{Batch, BatchSize};
use ls_core::fit::Batches;
use ls_core::method::{ExactConfig, MethodConfig, Separated, Task};
use ls_core::network::Network;

use super::timer::Timer;
use crate::Result;
use crate::experiment::Spread;

/// A method with the size of its batches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sweeps {
    pub method: MethodConfig,
    pub batch_size: BatchSize,
}

impl Sweeps {
    /// Returns the sweeps of a method in full batch and in batches, where it allows them.
    pub(super) fn of(method: &MethodConfig, batch_size: usize) -> Vec<Self> {
        let sizes = [BatchSize::Full, BatchSize::Samples(batch_size)];
        let sizes = sizes.into_iter();
        let allowed = sizes.filter(|&size| method.check_batch_size(size).is_ok());
        let sweeps = allowed.map(|batch_size| Self {
            method: method.clone(),
            batch_size,
        });
        sweeps.collect()
    }

    /// Returns the name of a measurement: `exact@full`, or `foof@250` for batches of 250.
    pub(super) fn name(&self) -> String {
        match self.batch_size {
            BatchSize::Full => format!("{}@full", self.method.name()),
            BatchSize::Samples(count) => format!("{}@{count}", self.method.name()),
        }
    }

    /// Measures consecutive sweeps of a run, after a first one that does not count.
    ///
    /// That is what a user of a run waits for: later sweeps may need more trials or fewer, and start from what the earlier ones left.
    ///
    /// # Errors
    /// Errors of the method.
    pub(super) fn time(
        &self,
        network: &Network,
        split: &Batch,
        seed: u64,
        timer: &Timer<'_>,
    ) -> Result<Spread> {
        let batches = Batches::new(split.len(), self.batch_size, seed);
        let mut method = without_start(&self.method).init(&Task {
            network,
            split,
            total_steps: Some(batches.len() * (1 + timer.repeats)),
            seed,
        })?;
        let mut model = Separated::for_method(&*method, network.clone(), split);
        let mut done = 0;
        timer.time(|| {
            done += 1;
            for index in batches.order(done) {
                method.sweep(&mut model, &batches.pick(split, index))?;
            }
            Ok(method.end_sweep(&mut model)?)
        })
    }
}

/// The method without a start in batches, whose epochs are not the sweeps that are measured.
fn without_start(method: &MethodConfig) -> MethodConfig {
    match method {
        MethodConfig::Exact(own) => MethodConfig::Exact(ExactConfig {
            batch_sweeps: own.batch_sweeps.or(Some(0)),
            ..*own
        }),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named_by_the_batches_that_they_allow() {
        let names = |name: &str| {
            let sweeps = Sweeps::of(&MethodConfig::named(name).unwrap(), 250);
            sweeps.iter().map(Sweeps::name).collect::<Vec<_>>()
        };
        assert_eq!(names("exact"), ["exact@full"]);
        assert_eq!(names("backprop"), ["backprop@full", "backprop@250"]);
    }
}
