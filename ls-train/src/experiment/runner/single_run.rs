//! One run of an experiment.

use std::path::{Path, PathBuf};

use ls_core::Error::{NotFinite, NotPositiveDefinite};
use ls_core::fit::Stop;

use super::options::{ExperimentOptions, RunResult};
use super::plan;
use crate::config::RunConfig;
use crate::data::Splits;
use crate::experiment::{Case, Contender};
use crate::observe::CheckpointRule;
use crate::run_dir::HistoryTable;
use crate::{Error, Result, Session, train};

/// Trains a contender with one of its settings from a seed. A divergence is a result and no error.
///
/// # Errors
/// [`Error::Interrupted`] for an interruption, and all other errors of [`train`].
pub(super) fn run(
    case: &Case,
    contender: &Contender,
    (setting, config): &(String, RunConfig),
    seed: u64,
    seconds: Option<f64>,
    options: &ExperimentOptions<'_>,
) -> Result<RunResult> {
    let run = options
        .folder
        .join("runs")
        .join(&case.name)
        .join(folder_name(&contender.name, setting, seed));
    let plan = plan::plan(config, seed, seconds, options)?;
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
    let seconds_to_target = match case.target {
        Some(target) => seconds_to_target(&run, target)?,
        None => None,
    };
    Ok(RunResult {
        case: case.name.clone(),
        contender: contender.name.clone(),
        setting: setting.clone(),
        seed,
        summary,
        seconds_to_target,
        run,
    })
}

/// Returns the name of a run's folder, such as `adam@50_rate-0.01_seed-1`.
fn folder_name(contender: &str, setting: &str, seed: u64) -> PathBuf {
    let seed = format!("seed {seed}");
    let words = [contender, setting, &seed].into_iter();
    let words = words.filter(|word| *word != "-");
    let words = words.map(|word| word.replace(',', "").replace(['/', ' '], "-"));
    words.collect::<Vec<_>>().join("_").into()
}

/// Returns the seconds of training until the end of the first sweep with a training loss of at most `target`.
fn seconds_to_target(run: &Path, target: f64) -> Result<Option<f64>> {
    let losses = HistoryTable::read(run)?.original_losses();
    let mut reached = losses.into_iter().filter(|(_, loss)| *loss <= target);
    Ok(reached.next().map(|(seconds, _)| seconds))
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
