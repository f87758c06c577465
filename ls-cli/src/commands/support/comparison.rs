//! Comparisons with a line of progress after each run.

use std::time::{Duration, Instant};

use ls_train::Error;
use ls_train::experiment::{self, Case, ExperimentOptions, ExperimentProgress, RunResult};
use ls_train::format::number;

use super::folder::remove_if_empty;
use crate::failure::Failure;
use crate::ui::{Ui, format};

/// Runs all contenders, with a line after each run; returns `None` after an interruption, about which it writes a note.
///
/// # Errors
/// The first failure of a run. The folder is removed if nothing is in it.
pub(in crate::commands) fn run_all(
    cases: Vec<Case>,
    options: &ExperimentOptions<'_>,
    ui: &Ui,
) -> Result<Option<Vec<RunResult>>, Failure> {
    let started = Instant::now();
    let results = experiment::run(cases, options, &mut |progress| {
        ui.progress(&line(progress, started.elapsed()));
    });
    match results {
        Ok(results) => Ok(Some(results)),
        Err(Error::Interrupted) => {
            ui.note(&format!(
                "interrupted; the runs so far are in {}",
                options.folder.display()
            ));
            Ok(None)
        }
        Err(error) => {
            remove_if_empty(options.folder);
            Err(error.into())
        }
    }
}

/// Formats the result of one run, with the time that the remaining runs will take.
fn line(progress: &ExperimentProgress<'_>, elapsed: Duration) -> String {
    let ExperimentProgress {
        done,
        total,
        result,
    } = progress;
    let left = elapsed.mul_f64((total - done) as f64 / *done as f64);
    format!(
        "[{done}/{total}, {} left] {}: {}, {}, seed {}: original loss {}",
        format::duration(left),
        result.case,
        result.contender,
        result.setting,
        result.seed,
        number(result.original_loss())
    )
}
