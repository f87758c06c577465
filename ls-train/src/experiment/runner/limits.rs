//! Limits of the runs of a contender.

use super::plan::UNLIMITED;
use crate::experiment::Budget;

/// Limit of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    /// The sweeps of its own configuration.
    Own,
    /// So many sweeps.
    Sweeps(usize),
    /// So many seconds.
    Seconds(f64),
}

/// What the limits of a contender's runs depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunLimits<'a> {
    pub budget: Budget,
    /// Seconds of the case.
    pub seconds: f64,
    /// Seconds that the first contender took, by seed from 1.
    pub reference: &'a [f64],
    /// Sweeps, where the method depends on the length of the run.
    pub sweeps: Option<SweepBudget>,
}

/// How seconds become sweeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct SweepBudget {
    /// Seconds of one sweep.
    pub seconds: f64,
    /// Least number of sweeps that the method takes.
    pub least: usize,
}

impl SweepBudget {
    /// Returns the whole sweeps that fit into some seconds.
    fn within(self, seconds: f64) -> usize {
        ((seconds / self.seconds) as usize)
            .max(self.least)
            .min(UNLIMITED)
    }
}

impl RunLimits<'_> {
    /// Returns the limit of the run from a seed.
    pub(super) fn of(&self, seed: u64) -> Limit {
        let seconds = match self.budget {
            Budget::Sweeps => return Limit::Own,
            Budget::Seconds => self.seconds,
            Budget::Times(times) => {
                let place = (seed as usize).checked_sub(1);
                let own = place.and_then(|place| self.reference.get(place));
                let first = own.or(self.reference.first());
                first.map_or(self.seconds, |first| times * first)
            }
        };
        match self.sweeps {
            None => Limit::Seconds(seconds),
            Some(sweeps) => Limit::Sweeps(sweeps.within(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_budget() {
        let limits = |budget, sweeps| RunLimits {
            budget,
            seconds: 5.0,
            reference: &[3.0, 4.0],
            sweeps,
        };
        let limit = |budget, seed| limits(budget, None).of(seed);
        assert_eq!(limit(Budget::Seconds, 1), Limit::Seconds(5.0));
        assert_eq!(limit(Budget::Sweeps, 1), Limit::Own);
        let sweeps = |seconds, least| Some(SweepBudget { seconds, least });
        let whole = |budget| limits(budget, sweeps(0.7, 1)).of(1);
        assert_eq!(whole(Budget::Seconds), Limit::Sweeps(7));
        assert_eq!(whole(Budget::Times(2.0)), Limit::Sweeps(8));
        assert_eq!(whole(Budget::Sweeps), Limit::Own);
        let within = |seconds, least| limits(Budget::Seconds, sweeps(seconds, least)).of(1);
        assert_eq!(within(0.7, 24), Limit::Sweeps(24));
        assert_eq!(within(9.0, 1), Limit::Sweeps(1));
        assert_eq!(within(0.0, 1), Limit::Sweeps(UNLIMITED));
        assert_eq!(limit(Budget::Times(2.0), 2), Limit::Seconds(8.0));
        // Seeds that the first contender did not run from, the tuning seed among them.
        assert_eq!(limit(Budget::Times(2.0), 0), Limit::Seconds(6.0));
        assert_eq!(limit(Budget::Times(2.0), 3), Limit::Seconds(6.0));
    }
}
