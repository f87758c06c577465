//! One run of an experiment.

use std::fs;
use std::path::{Path, PathBuf};

use ls_core::Error::{NotFinite, NotPositiveDefinite};
use ls_core::fit::Stop;

use super::limits::Limit;
use super::options::{Arrival, ExperimentOptions, RunResult};
use super::plan;
use crate::config::RunConfig;
use crate::data::Splits;
use crate::experiment::{Case, Contender};
use crate::observe::CheckpointRule;
use crate::run_dir::HistoryTable;
use crate::{Error, Result, Session, train};

/// Sub-folder of a case with the runs of a search.
const SEARCH: &str = "search";

/// What a run is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It represents its contender.
    Result,
    /// It helps to choose a setting or a number of sweeps.
    Search,
}

/// Trains a contender with one of its settings from a seed. A divergence is a result and no error.
///
/// # Errors
/// [`Error::Interrupted`] for an interruption, and all other errors of [`train`].
pub(super) fn run(
    purpose: Purpose,
    case: &Case,
    contender: &Contender,
    (setting, config): &(String, RunConfig),
    seed: u64,
    limit: Limit,
    options: &ExperimentOptions<'_>,
) -> Result<RunResult> {
    let mut parent = case_folder(options, &case.name);
    if purpose == Purpose::Search {
        parent.push(SEARCH);
    }
    let run = parent.join(folder_name(&contender.name, setting, seed));
    let plan = plan::plan(config, seed, limit, options)?;
    let splits = Splits::load(&plan, &options.device)?;
    let session = Session {
        checkpoints: CheckpointRule::Never,
        metric_logs: false,
        signal: options.signal.clone(),
        ..Session::new(options.device.clone(), &run)
    };
    let summary = match train(&plan, splits, session) {
        Ok(outcome) if outcome.summary.stop == Stop::Interrupted => {
            return Err(Error::Interrupted);
        }
        Ok(outcome) => Some(outcome.summary),
        Err(Error::Core(NotFinite { .. } | NotPositiveDefinite(_))) => None,
        Err(error) => return Err(error),
    };
    let arrivals = match case.targets.is_empty() {
        true => Vec::new(),
        false => arrivals(&run, &case.targets)?,
    };
    Ok(RunResult {
        case: case.name.clone(),
        contender: contender.name.clone(),
        setting: setting.clone(),
        seed,
        summary,
        arrivals,
        run,
    })
}

/// Moves a run of the search that represents its contender to the others that do.
///
/// # Errors
/// [`Error::File`] when the system refuses.
pub(super) fn keep(result: &RunResult, options: &ExperimentOptions<'_>) -> Result<RunResult> {
    let name = folder_name(&result.contender, &result.setting, result.seed);
    let run = case_folder(options, &result.case).join(name);
    fs::rename(&result.run, &run).map_err(|error| Error::file("move", &result.run, error))?;
    Ok(RunResult {
        run,
        ..result.clone()
    })
}

fn case_folder(options: &ExperimentOptions<'_>, case: &str) -> PathBuf {
    options.folder.join("runs").join(case)
}

/// Returns the name of a run's folder, such as `adam@50_rate-0.01_seed-1`.
fn folder_name(contender: &str, setting: &str, seed: u64) -> PathBuf {
    let seed = format!("seed {seed}");
    let words = [contender, setting, &seed].into_iter();
    let words = words.filter(|word| *word != "-");
    let words = words.map(|word| word.replace(',', "").replace(['/', ' '], "-"));
    words.collect::<Vec<_>>().join("_").into()
}

/// Returns the first sweeps with a training loss of at most each target.
fn arrivals(run: &Path, targets: &[f64]) -> Result<Vec<Arrival>> {
    // The first row is the start.
    let losses = HistoryTable::read(run)?.original_losses();
    let arrival = |&target: &f64| {
        let sweep = losses.iter().position(|&(_, loss)| loss <= target);
        Arrival {
            target,
            sweep,
            seconds: sweep.map(|sweep| losses[sweep].0),
        }
    };
    Ok(targets.iter().map(arrival).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_contender_setting_and_seed() {
        let name = folder_name("sgd, batches", "rate 0.1 linear, 100", 2);
        assert_eq!(name, Path::new("sgd-batches_rate-0.1-linear-100_seed-2"));
        assert_eq!(folder_name("exact", "-", 1), Path::new("exact_seed-1"));
    }
}
