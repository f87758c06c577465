//! The checkpoint of a run that goes on, and the reasons why it cannot.

use std::path::Path;

use ls_core::fit::FitState;
use ls_core::method::Method;

use crate::config::RunConfig;
use crate::data::Splits;
use crate::run_dir::{Checkpoint, RunDir};
use crate::session::{Session, Start};
use crate::{Error, Result};

/// The checkpoint that a run resumes from; none for a new run, or for one that was stopped before its first checkpoint.
pub(crate) fn checkpoint(
    session: &Session<'_>,
    run: &RunDir,
    config: &RunConfig,
    splits: &Splits,
) -> Result<Option<Checkpoint>> {
    if session.start != Start::Resume {
        return Ok(None);
    }
    let Some(checkpoint) = run.checkpoints(session.keep).latest()? else {
        return match RunDir::has_ended(session.run) {
            true => Err(Error::Checkpoint {
                path: session.run.into(),
                reason: "the run has ended, and its checkpoints are gone".into(),
            }),
            false => Ok(None),
        };
    };
    checkpoint.ensure_same(config, &splits.fingerprint)?;
    ensure_below_limits(checkpoint.state(), config, session.run)?;
    Ok(Some(checkpoint))
}

/// Refuses to resume a run whose method is done.
pub(crate) fn ensure_incomplete(method: &dyn Method, run: &Path) -> Result<()> {
    match method.is_complete() {
        true => Err(Error::AtLimit {
            path: run.into(),
            limit: "the method is at the end that its settings name".into(),
        }),
        false => Ok(()),
    }
}

/// Refuses to resume a run that a limit would end at once.
fn ensure_below_limits(state: &FitState, config: &RunConfig, run: &Path) -> Result<()> {
    if state.sweep >= config.sweeps {
        return Err(Error::RunComplete {
            path: run.into(),
            done: state.sweep,
            limit: config.sweeps,
        });
    }
    let at_limit = |limit: String| Error::AtLimit {
        path: run.into(),
        limit,
    };
    if let Some(limit) = config.time_limit
        && state.seconds >= limit
    {
        let used = state.seconds;
        return Err(at_limit(format!(
            "{used:.1} s of {limit} s are used; continue with a larger --time-limit"
        )));
    }
    let best = state.best.as_ref();
    let waited = best.map_or(0, |best| state.sweep - best.sweep);
    if let Some(patience) = config.patience
        && waited >= patience
    {
        return Err(at_limit(format!(
            "no better figures for {waited} sweeps; continue with a --patience above {waited}"
        )));
    }
    Ok(())
}
