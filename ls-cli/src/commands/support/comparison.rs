//! Comparisons with a line of progress after each run.

use std::time::{Duration, Instant};

use ls_train::experiment::{self, Case, Progress, Row, Scope};

use super::folder::remove_if_empty;
use crate::failure::Failure;
use crate::ui::{Ui, format};

/// Runs all contenders, with a line after each run; returns `None` after an interruption, about which it writes a note.
///
/// # Errors
/// The first failure of a run. The folder is removed if nothing is in it.
pub(in crate::commands) fn run_all(
    cases: Vec<Case>,
    scope: &Scope<'_>,
    ui: &Ui,
) -> Result<Option<Vec<Row>>, Failure> {
    let started = Instant::now();
    let result = experiment::run(cases, scope, &mut |progress| {
        ui.progress(&line(progress, started.elapsed()));
    });
    if scope.interrupter.should_stop() {
        ui.note(&format!(
            "interrupted; the runs so far are in {}",
            scope.folder.display()
        ));
        return Ok(None);
    }
    let rows = result.inspect_err(|_| remove_if_empty(scope.folder))?;
    Ok(Some(rows))
}

/// Formats the result of one run, with the time that the remaining runs will take.
fn line(progress: &Progress<'_>, elapsed: Duration) -> String {
    let Progress { done, total, row } = progress;
    let left = elapsed.mul_f64((total - done) as f64 / *done as f64);
    format!(
        "[{done}/{total}, {} left] {}: {}, {}, seed {}: original loss {}",
        format::duration(left),
        row.case,
        row.contender,
        row.setting,
        row.seed,
        format::loss(row.original_loss())
    )
}
