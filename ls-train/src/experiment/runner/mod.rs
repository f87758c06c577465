//! Runs of an experiment, with the files that they leave.
//!
//! | file | holds |
//! | --- | --- |
//! | `options` | choices of the user, and results |
//! | `limits` | sweeps or seconds of a run |
//! | `plan` | selection of contenders, checks, number of runs |
//! | `single_run` | one run |
//! | `tuning` | choice of a setting |
//! | `table` | `results.csv`, `arrivals.csv`, `figures.csv` |
//! | `medians` | `results.md` |
//! | `plot` | plots of the losses |

mod limits;
mod medians;
mod options;
mod plan;
mod plot;
mod single_run;
mod table;
mod tuning;

pub use options::{Arrival, ExperimentOptions, ExperimentProgress, RunResult};

use super::{Budget, Case, Contender};
use crate::Result;
use crate::config::{MethodConfig, RunConfig};
use crate::run_dir::HistoryTable;
use limits::{Limit, RunLimits, SweepBudget};
use single_run::Purpose;
use table::ResultsTable;

/// Sweeps of the run that measures the seconds of a sweep, at least.
const PILOT_SWEEPS: usize = 4;

/// Seconds to which a history is rounded.
const HISTORY_RESOLUTION: f64 = 1e-3;

/// Runs all contenders of all cases; returns the results that represent them, without those of the tuning.
///
/// A contender with several settings is tuned first: each setting runs once from the tuning seed, and the best one represents the
/// contender. While it has the least or the largest learning rate of its kind, a further rate is tried. It is chosen by accuracy on
/// the validation split, or without one by the [`Choice`](super::Choice) of the case.
///
/// `observer` hears of every run. The folder then holds `results.csv` with every run, `arrivals.csv` with its arrivals at targets,
/// `figures.csv` with the last figures of every run's method, `results.md` with medians over the seeds, a plot of each case from its
/// first seed (SVG and PNG) and all run folders, in `runs/CASE`; those that were only tried are in `runs/CASE/search`.
///
/// # Errors
/// [`Error::ResultsExist`](crate::Error::ResultsExist) for a folder with results, [`Error::InvalidConfig`](crate::Error::InvalidConfig)
/// when no contender is selected or a setting is impossible, [`Error::Interrupted`](crate::Error::Interrupted) for an interruption, and all
/// errors of [`train`](crate::train) except a divergence, which is a result.
pub fn run(
    cases: Vec<Case>,
    options: &ExperimentOptions<'_>,
    observer: &mut dyn FnMut(&ExperimentProgress<'_>),
) -> Result<Vec<RunResult>> {
    ResultsTable::ensure_none(options.folder)?;
    let cases = plan::select(cases, options.only)?;
    plan::check(&cases, options)?;
    let mut runner = Runner {
        options,
        observer,
        table: ResultsTable::create(options.folder)?,
        done: 0,
        total: plan::run_count(&cases, options),
    };
    let mut results = Vec::new();
    for case in &cases {
        results.extend(runner.run_case(case)?);
    }
    medians::write(options.folder, &results)?;
    Ok(results)
}

/// An experiment under way.
struct Runner<'a> {
    options: &'a ExperimentOptions<'a>,
    observer: &'a mut dyn FnMut(&ExperimentProgress<'_>),
    table: ResultsTable,
    done: usize,
    total: usize,
}

impl Runner<'_> {
    /// Runs the contenders of a case and plots them.
    fn run_case(&mut self, case: &Case) -> Result<Vec<RunResult>> {
        let (mut results, mut first_seeds) = (Vec::new(), Vec::new());
        // Seconds of the first contender, by seed.
        let mut reference: Vec<f64> = Vec::new();
        for contender in &case.contenders {
            let own = self.run_contender(case, contender, &reference)?;
            if reference.is_empty() {
                let seconds = own.iter().map(|result| self.seconds(case, result));
                reference = seconds.collect();
            }
            first_seeds.extend(own.first().cloned());
            results.extend(own);
        }
        let path = self.options.folder.join(&case.name);
        plot::losses(&path, &case.name, &first_seeds)?;
        Ok(results)
    }

    /// Returns the seconds of a run, or of the case for a run that diverged.
    fn seconds(&self, case: &Case, result: &RunResult) -> f64 {
        let summary = result.summary.as_ref();
        let all = case.times * self.options.seconds;
        summary.map_or(all, |summary| summary.seconds)
    }

    /// Tunes a contender and runs its best setting from every seed.
    fn run_contender(
        &mut self,
        case: &Case,
        contender: &Contender,
        reference: &[f64],
    ) -> Result<Vec<RunResult>> {
        let limits = self.limits(case, contender, reference)?;
        let mut settings = contender.settings.clone();
        let tuned = self.tune(case, contender, &mut settings, limits)?;
        let chosen = tuning::best(&tuned, case.choice).unwrap_or(0);
        let Some(setting) = settings.get(chosen) else {
            return Ok(Vec::new());
        };
        let known = tuned.get(chosen);
        let seeds = 1..=plan::seeds(contender, self.options);
        seeds
            .map(|seed| match known.filter(|result| result.seed == seed) {
                Some(result) => single_run::keep(result, self.options),
                None => self.run_setting(Purpose::Result, case, contender, setting, seed, limits),
            })
            .collect()
    }

    /// Runs every setting of a contender that has several from the tuning seed. Adds further settings while the best one has the least
    /// or the largest learning rate.
    fn tune(
        &mut self,
        case: &Case,
        contender: &Contender,
        settings: &mut Vec<(String, RunConfig)>,
        limits: RunLimits<'_>,
    ) -> Result<Vec<RunResult>> {
        let mut tuned = Vec::new();
        if settings.len() < 2 {
            return Ok(tuned);
        }
        let seed = self.options.tuning_seed;
        let most = settings.len() + tuning::MOST_FURTHER;
        while tuned.len() < settings.len() {
            let setting = settings[tuned.len()].clone();
            tuned.push(self.run_setting(
                Purpose::Search,
                case,
                contender,
                &setting,
                seed,
                limits,
            )?);
            let all_done = tuned.len() == settings.len() && settings.len() < most;
            if all_done
                && contender.widens
                && let Some(best) = tuning::best(&tuned, case.choice)
                && let Some(further) = tuning::further(settings, best)
            {
                settings.push(further);
                self.total += 1;
            }
        }
        Ok(tuned)
    }

    /// Runs one setting from one seed, and records the result.
    fn run_setting(
        &mut self,
        purpose: Purpose,
        case: &Case,
        contender: &Contender,
        setting: &(String, RunConfig),
        seed: u64,
        limits: RunLimits<'_>,
    ) -> Result<RunResult> {
        let limit = limits.of(seed);
        let result = single_run::run(purpose, case, contender, setting, seed, limit, self.options)?;
        self.table.append(&result)?;
        self.done += 1;
        (self.observer)(&ExperimentProgress {
            done: self.done,
            total: self.total,
            result: &result,
        });
        Ok(result)
    }

    /// Returns what the limits of a contender's runs depend on.
    fn limits<'r>(
        &self,
        case: &Case,
        contender: &Contender,
        reference: &'r [f64],
    ) -> Result<RunLimits<'r>> {
        let seconds = case.times * self.options.seconds;
        let methods = contender.settings.iter();
        let methods = methods.filter_map(|(_, config)| config.method.library());
        let depends = methods.clone().any(MethodConfig::depends_on_length);
        let sweeps = match depends && contender.budget != Budget::Sweeps {
            true => {
                let least = methods.map(MethodConfig::least_sweeps).max().unwrap_or(1);
                let seconds = self.sweep_seconds(case, contender, least)?;
                Some(SweepBudget { seconds, least })
            }
            false => None,
        };
        Ok(RunLimits {
            budget: contender.budget,
            seconds,
            reference,
            sweeps,
        })
    }

    /// Measures the seconds of a sweep of a contender's first setting, after a first sweep that does not count: it compiles kernels, and
    /// may be another one. Those of the case where the pilot diverges.
    fn sweep_seconds(&self, case: &Case, contender: &Contender, least: usize) -> Result<f64> {
        let sweeps = least.max(PILOT_SWEEPS);
        let all = case.times * self.options.seconds;
        let Some((_, config)) = contender.settings.first() else {
            return Ok(all);
        };
        let config = RunConfig {
            target_loss: None,
            patience: None,
            ..config.clone()
        };
        let pilot = ("pilot".to_owned(), config);
        let (limit, seed) = (Limit::Sweeps(sweeps), self.options.tuning_seed);
        let purpose = Purpose::Search;
        let result = single_run::run(purpose, case, contender, &pilot, seed, limit, self.options)?;
        let seconds = HistoryTable::read(&result.run)?.original_losses();
        // Row 0 is the start.
        Ok(match (seconds.get(1), seconds.last()) {
            (Some((first, _)), Some((last, _))) if seconds.len() > 2 => {
                let elapsed = (last - first).max(HISTORY_RESOLUTION);
                elapsed / (seconds.len() - 2) as f64
            }
            _ => all,
        })
    }
}
