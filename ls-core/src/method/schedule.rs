//! Schedules of learning rates and step lengths, on Burn's schedulers.

use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The course of a learning rate over a run.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls linearly to zero.
    Linear,
    /// It falls to zero along half a cosine.
    Cosine,
}

impl Schedule {
    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Starts the schedule for a run of so many steps; it stays at 1 where their number is not known.
    ///
    /// # Errors
    /// [`Error::Settings`] when Burn refuses it.
    pub(super) fn start(self, total_steps: Option<usize>) -> Result<ScheduledFactor> {
        self.start_after(0, total_steps)
    }

    /// Starts the schedule after a warm-up: the factor rises linearly to 1 over so many steps, and then takes its course over the
    /// rest of the run.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(super) fn start_after(
        self,
        warm_up: usize,
        total_steps: Option<usize>,
    ) -> Result<ScheduledFactor> {
        let rest = total_steps.map(|steps| steps.saturating_sub(warm_up).max(1));
        let course = self.course(rest);
        let course = match warm_up {
            0 => course,
            // The first step is one part of the rise, since a step of length zero would be wasted.
            steps => {
                let first = 1.0 / (steps + 1) as f64;
                let rise = LinearLrSchedulerConfig::new(first, 1.0, steps).into();
                let both = SequentialLrSchedulerConfig::new(vec![rise, course], vec![steps]);
                LrSchedulerConfig::Sequential(both)
            }
        };
        let scheduler = ModuleLrSchedulerConfig::new(course).init();
        let scheduler = scheduler.map_err(|reason| Error::Settings {
            of: "schedule".into(),
            reason,
        })?;
        Ok(ScheduledFactor {
            scheduler,
            steps: 0,
        })
    }

    /// The course over so many steps, from a factor of 1.
    fn course(self, steps: Option<usize>) -> LrSchedulerConfig {
        match (self, steps) {
            (Self::Linear, Some(steps)) => LinearLrSchedulerConfig::new(1.0, 0.0, steps).into(),
            (Self::Cosine, Some(steps)) => CosineAnnealingLrSchedulerConfig::new(1.0, steps).into(),
            _ => 1.0.into(),
        }
    }
}

/// The factor that a schedule gives the next step, from 1 at the first.
pub(super) struct ScheduledFactor {
    scheduler: ModuleLrScheduler,
    steps: usize,
}

impl ScheduledFactor {
    /// Returns the factor of the next step.
    pub(super) fn advance(&mut self) -> f64 {
        self.steps += 1;
        self.scheduler.step().base()
    }

    /// Returns the number of steps so far: all that a resumed run needs.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Goes to where the schedule is after so many steps.
    pub(super) fn skip_to(&mut self, steps: usize) {
        while self.steps < steps {
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, total: Option<usize>) -> Vec<f64> {
        let mut factor = schedule.start(total).unwrap();
        (0..5).map(|_| factor.advance()).collect()
    }

    #[test]
    fn schedules_start_at_one_and_end_at_zero() {
        assert_eq!(factors(Schedule::Constant, Some(4)), [1.0; 5]);
        for schedule in [Schedule::Linear, Schedule::Cosine] {
            assert_eq!(factors(schedule, None), [1.0; 5]);
            let found = factors(schedule, Some(4));
            // f64 arithmetic of a few operations.
            let expected = match schedule {
                Schedule::Linear => [1.0, 0.75, 0.5, 0.25, 0.0],
                _ => [0.0, 1.0, 2.0, 3.0, 4.0]
                    .map(|i: f64| 0.5 * (1.0 + (core::f64::consts::PI * i / 4.0).cos())),
            };
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_warm_up_rises_to_one_and_leaves_the_rest_of_the_run_to_the_course() {
        let mut factor = Schedule::Linear.start_after(3, Some(7)).unwrap();
        let found: Vec<f64> = (0..7).map(|_| factor.advance()).collect();
        let expected = [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25];
        for (found, expected) in found.iter().zip(expected) {
            // f64 arithmetic of a few operations.
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        let mut factor = Schedule::Constant.start_after(1, None).unwrap();
        assert_eq!([factor.advance(), factor.advance()], [0.5, 1.0]);
    }

    #[test]
    fn a_resumed_schedule_continues_where_it_was() {
        let mut first = Schedule::Cosine.start(Some(7)).unwrap();
        first.advance();
        first.advance();
        let mut second = Schedule::Cosine.start(Some(7)).unwrap();
        second.skip_to(first.steps());
        assert_eq!(first.advance(), second.advance());
    }
}
