//! The checkpoint that a run goes on from, and the end of a run that has nothing left to do.

use ls_core::fit::{FitState, Stop};
use ls_core::network::Network;

use crate::config::RunConfig;
use crate::data::Splits;
use crate::observe::History;
use crate::run_dir::{Checkpoint, RunDir, RunFacts, Summary};
use crate::session::{Session, Start};
use crate::{Error, Result, files};

/// The checkpoint that a run resumes from; none for a new run, or for one that was stopped before its first checkpoint.
///
/// # Errors
/// [`Error::Checkpoint`] for one that is damaged, or of another run.
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
        return match RunDir::has_ended(session.run)? {
            true => Err(Error::Checkpoint {
                path: session.run.into(),
                reason: "the run has ended, and its checkpoints are gone".into(),
            }),
            false => Ok(None),
        };
    };
    checkpoint.ensure_same(config, &splits.fingerprint)?;
    Ok(Some(checkpoint))
}

/// Returns the writer of the history, which begins with that of the checkpoint, and a remark where the file had become another one.
///
/// # Errors
/// [`Error::File`] and [`Error::Checkpoint`] for files that cannot be read.
pub(crate) fn history(
    run: &RunDir,
    checkpoint: Option<&Checkpoint>,
) -> Result<(History, Option<String>)> {
    let history = History::new(run);
    let Some(checkpoint) = checkpoint else {
        return Ok((history, None));
    };
    let note = history_note(run, checkpoint)?;
    Ok((history.after(checkpoint.history()?), note))
}

/// Returns a remark on a history that is not the one that the checkpoint holds.
fn history_note(run: &RunDir, checkpoint: &Checkpoint) -> Result<Option<String>> {
    let found = files::read(&run.history())?.unwrap_or_default();
    let is_whole = found.starts_with(checkpoint.history()?.as_bytes());
    Ok((!is_whole).then(|| {
        let sweep = checkpoint.state().sweep;
        format!("history.csv was damaged; it was restored from the checkpoint of sweep {sweep}")
    }))
}

/// The end of a run at its checkpoint, where the configuration asks for nothing more.
pub(crate) struct RunEnd {
    stop: Stop,
    /// The limit that was reached, and how to go further.
    reason: String,
}

impl RunEnd {
    /// Returns the end of a run; `None` where there is something to do.
    pub(crate) fn of(checkpoint: &Checkpoint, config: &RunConfig) -> Option<Self> {
        let end = Self::of_one_run(checkpoint, config)?;
        Some(match config.is_cross_validated() {
            true => Self {
                reason: "the runs of all folds and the last run are done".into(),
                ..end
            },
            false => end,
        })
    }

    fn of_one_run(checkpoint: &Checkpoint, config: &RunConfig) -> Option<Self> {
        let (state, saved) = (checkpoint.state(), checkpoint.config());
        let limits = [
            Self::by_method(checkpoint),
            Self::by_sweeps(state, config),
            Self::by_time(state, config),
            Self::by_patience(state, config),
        ];
        let limit = limits.into_iter().flatten().next();
        limit.or_else(|| match checkpoint.stop()? {
            Stop::Target if is_at_most(saved.target_loss, config.target_loss) => Some(Self {
                stop: Stop::Target,
                reason: "its loss has reached the target; continue with a smaller --target-loss"
                    .into(),
            }),
            Stop::Stalled if config.sweeps <= saved.sweeps => Some(Self {
                stop: Stop::Stalled,
                reason: "its loss no longer falls; try again with a larger --sweeps".into(),
            }),
            _ => None,
        })
    }

    fn by_method(checkpoint: &Checkpoint) -> Option<Self> {
        (checkpoint.stop() == Some(Stop::Complete)).then(|| Self {
            stop: Stop::Complete,
            reason: "its method is at the end that its settings name".into(),
        })
    }

    fn by_sweeps(state: &FitState, config: &RunConfig) -> Option<Self> {
        let (done, limit) = (state.sweep, config.sweeps);
        (done >= limit).then(|| Self {
            stop: Stop::SweepLimit,
            reason: format!("{done} sweeps of {limit} are done; continue with a larger --sweeps"),
        })
    }

    fn by_time(state: &FitState, config: &RunConfig) -> Option<Self> {
        let limit = config.time_limit.filter(|&limit| state.seconds >= limit)?;
        let used = state.seconds;
        Some(Self {
            stop: Stop::TimeLimit,
            reason: format!(
                "{used:.1} s of {limit} s are used; continue with a larger --time-limit"
            ),
        })
    }

    fn by_patience(state: &FitState, config: &RunConfig) -> Option<Self> {
        let best = state.best.as_ref();
        let waited = best.map_or(0, |best| state.sweep - best.sweep);
        config.patience.filter(|&patience| waited >= patience)?;
        Some(Self {
            stop: Stop::Patience,
            reason: format!(
                "no better figures for {waited} sweeps; continue with a --patience above {waited}"
            ),
        })
    }

    /// Completes the files of the run from its checkpoint: a process may have been killed before it wrote them, or they are damaged.
    /// Returns the summary, with a remark where files were restored.
    ///
    /// # Errors
    /// [`Error::RunEnded`] when they are complete, [`Error::File`] or [`Error::Disk`] when they cannot be written.
    pub(crate) fn complete(
        self,
        run: &RunDir,
        checkpoint: &Checkpoint,
        network: &Network,
        facts: RunFacts,
    ) -> Result<(Summary, Vec<String>)> {
        let had_ended = RunDir::has_ended(run.path())?;
        let has_weights = had_ended && RunDir::has_whole_weights(run.path())?;
        let history = history_note(run, checkpoint)?;
        if has_weights && history.is_none() {
            return Err(Error::RunEnded {
                path: run.path().into(),
                reason: self.reason,
                notes: Vec::new(),
            });
        }
        let sweep = checkpoint.state().sweep;
        let weights = (had_ended && !has_weights).then(|| {
            format!("model.bpk was damaged; it was restored from the checkpoint of sweep {sweep}")
        });
        files::write(&run.history(), checkpoint.history()?.as_bytes())?;
        let stop = checkpoint.stop().unwrap_or(self.stop);
        let summary = run.save_end(network, facts, checkpoint.state(), stop)?;
        Ok((summary, history.into_iter().chain(weights).collect()))
    }
}

/// Whether a target that is asked for is one that a run has reached with another.
fn is_at_most(reached: Option<f64>, asked: Option<f64>) -> bool {
    reached
        .zip(asked)
        .is_some_and(|(reached, asked)| asked >= reached)
}
