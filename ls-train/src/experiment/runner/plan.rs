//! The runs of an experiment before the first of them: selection, checks and number.

use std::path::Path;

use ls_datasets::Source;

use super::limits::Limit;
use super::options::ExperimentOptions;
use crate::config::{Plan, RunConfig};
use crate::experiment::{Budget, Case, Contender};
use crate::{Error, Result};

/// More sweeps than any time limit allows.
pub(super) const UNLIMITED: usize = 1_000_000;

/// Keeps the contenders whose names begin with `only`, and the first one of a case where the time of such a contender follows it.
///
/// # Errors
/// [`Error::InvalidConfig`] when there are none.
pub(super) fn select(mut cases: Vec<Case>, only: &str) -> Result<Vec<Case>> {
    let is_selected = |contender: &Contender| contender.name.starts_with(only);
    for case in &mut cases {
        let follows = |own: &Contender| matches!(own.budget, Budget::Times(_));
        let mut keeps_first = case
            .contenders
            .iter()
            .any(|own| is_selected(own) && follows(own));
        case.contenders
            .retain(|own| core::mem::take(&mut keeps_first) || is_selected(own));
    }
    if cases.iter().all(|case| case.contenders.is_empty()) {
        return Err(Error::InvalidConfig {
            field: "only",
            value: only.into(),
            allowed: "it must be the beginning of a contender's name, such as `exact` or `adam`",
        });
    }
    Ok(cases)
}

/// Finds mistakes before the first run, and before the folder exists.
///
/// # Errors
/// [`Error::InvalidConfig`] for an impossible setting, [`Error::Data`] for missing files, [`Error::ApplicationNetwork`] for a network that only an
/// application can make.
pub(super) fn check(cases: &[Case], options: &ExperimentOptions<'_>) -> Result<()> {
    for contender in contenders(cases) {
        let limit = match contender.budget {
            Budget::Seconds => Limit::Seconds(options.seconds),
            Budget::Sweeps | Budget::Times(_) => Limit::Own,
        };
        for (_, config) in &contender.settings {
            let plan = plan(config, 1, limit, options)?;
            plan.config().ensure_one_run()?;
            let folder = plan.config().data.folder.as_deref();
            let is_missing =
                |source: Source| source.needs_folder() && !folder.is_some_and(Path::exists);
            if plan.source().is_none_or(is_missing) {
                plan.dataset()?;
            }
            config.model.library()?;
        }
    }
    Ok(())
}

/// Returns the number of all runs, those of the tuning included.
pub(super) fn run_count(cases: &[Case], options: &ExperimentOptions<'_>) -> usize {
    let runs = |contender: &Contender| {
        let seeds = seeds(contender, options);
        let own = seeds as usize;
        match contender.settings.len() {
            1 => own,
            // The tuning has run the best setting already from a seed that it shares.
            settings if (1..=seeds).contains(&options.tuning_seed) => settings + own - 1,
            settings => settings + own,
        }
    };
    contenders(cases).map(runs).sum()
}

/// Returns the number of seeds of a contender.
pub(super) fn seeds(contender: &Contender, options: &ExperimentOptions<'_>) -> u64 {
    options.seeds.min(contender.seeds)
}

/// Completes a setting by a seed, the folder of its data and the limit of the run.
///
/// # Errors
/// [`Error::InvalidConfig`] for an impossible setting.
pub(super) fn plan(
    config: &RunConfig,
    seed: u64,
    limit: Limit,
    options: &ExperimentOptions<'_>,
) -> Result<Plan> {
    let (sweeps, time_limit) = match limit {
        Limit::Own => (config.sweeps, None),
        Limit::Sweeps(sweeps) => (sweeps, None),
        Limit::Seconds(seconds) => (UNLIMITED, Some(seconds)),
    };
    let mut config = RunConfig {
        seed,
        sweeps,
        time_limit,
        ..config.clone()
    };
    let source = config.data.dataset.parse::<Source>().ok();
    if let Some(source) = source.filter(|source| source.needs_folder())
        && config.data.folder.is_none()
    {
        config.data.folder = options.data.map(|folder| folder.join(source.name()));
    }
    config.check()
}

fn contenders(cases: &[Case]) -> impl Iterator<Item = &Contender> {
    cases.iter().flat_map(|case| &case.contenders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contender_that_sets_the_time_of_a_selected_one_stays() {
        let contender =
            |name: &str, budget| Contender::fixed(name, RunConfig::default()).within(budget);
        let case = || {
            let own = [
                contender("exact", Budget::Sweeps),
                contender("sgd", Budget::Seconds),
                contender("adam", Budget::Times(2.0)),
            ];
            Case::new("case", own.into())
        };
        let names = |only| {
            let cases = select(vec![case()], only).unwrap();
            let names = contenders(&cases).map(|own| own.name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("adam"), ["exact", "adam"]);
        assert_eq!(names("sgd"), ["sgd"]);
        assert_eq!(names("exact"), ["exact"]);
        assert_eq!(names(""), ["exact", "sgd", "adam"]);
        assert!(select(vec![case()], "soap").is_err());
    }
}
