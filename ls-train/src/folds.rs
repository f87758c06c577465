//! Cross-validation: a run for each fold, then one on all training samples down to the weight decay that did best.

use std::path::{Path, PathBuf};

use ls_core::fit::Stop;

use crate::config::{MethodConfig, Plan, RunConfig, RunMethod};
use crate::data::Splits;
use crate::run::{Outcome, Training};
use crate::run_dir::{CrossValidation, HistoryTable, RunDir};
use crate::session::{Session, Start};
use crate::{Error, Result};

/// Chooses the weight decay of a plan with `folds` by cross-validation, and trains on all samples down to it.
///
/// The folds are full runs in `folds/1`, `folds/2` … of the run folder, each down the whole path. The last run goes down to the decay with
/// the lowest mean of the folds' calibrated losses, the larger one of two with equal means; it ends there, and its weights are those of the
/// run folder. In all this takes up to as long as one path for each fold, and one more.
///
/// `splits` makes the samples of a plan, which names the fold to hold out, and `session` the surroundings of one run, always with the same
/// folder and start. Where the session resumes, runs that have ended are kept, and the one that was stopped goes on.
///
/// An interrupted cross-validation returns the run that was interrupted.
///
/// # Errors
/// [`Error::InvalidConfig`] for a plan without folds, and for one that resumes with another number of sweeps; [`Error::RunEnded`] for a
/// cross-validation that has ended; [`Error::Checkpoint`] where the samples are not those of the folds, or a fold is gone; otherwise as
/// [`Training::run`].
pub fn train_folds<'a>(
    plan: &Plan,
    splits: &mut dyn FnMut(&Plan) -> Result<Splits>,
    session: &mut dyn FnMut() -> Session<'a>,
) -> Result<Outcome> {
    let folds = folds(plan)?;
    let last = session();
    let run = last.run;
    // As long as the folder is held, no other process can start a fold.
    let held = open(plan, &last)?;
    let folders: Vec<_> = (1..=folds).map(|fold| fold_folder(run, fold)).collect();
    let mut notes = Vec::new();
    for (fold, folder) in (1..).zip(&folders) {
        let start = fold_start(run, folder)?;
        let plan = fold_plan(plan, fold, folder, start)?;
        let session = Session {
            run: folder,
            start,
            ..session()
        };
        let mut outcome = match Training::new(&plan, splits(&plan)?).run(session) {
            Err(Error::RunEnded { .. }) => continue,
            outcome => outcome?,
        };
        notes.extend(
            outcome
                .notes
                .iter()
                .map(|note| format!("fold {fold}: {note}")),
        );
        if outcome.summary.stop == Stop::Interrupted {
            outcome.notes = notes;
            return Ok(outcome);
        }
    }
    let choice = choose(&folders)?;
    let plan = with_path_end(plan.config().clone(), Some(choice.weight_decay)).check()?;
    let all = splits(&plan)?;
    ensure_same_samples(&folders, &all)?;
    drop(held);
    let last = Session {
        start: Start::Resume,
        ..last
    };
    let mut outcome = Training::new(&plan, all).chosen_by(choice).run(last);
    if let Ok(Outcome { notes: own, .. }) | Err(Error::RunEnded { notes: own, .. }) = &mut outcome {
        own.splice(..0, notes);
    }
    outcome
}

/// The number of folds of a plan for all of them.
fn folds(plan: &Plan) -> Result<usize> {
    let config = plan.config();
    let folds = config.data.folds.filter(|_| config.is_cross_validated());
    folds.ok_or_else(|| Error::InvalidConfig {
        field: "folds",
        value: "none".into(),
        allowed: "a cross-validation needs a number of folds, and no `fold`",
    })
}

/// Makes or opens the folder of the cross-validation.
fn open(plan: &Plan, session: &Session<'_>) -> Result<RunDir> {
    let (run, config) = (session.run, plan.config());
    match session.start {
        Start::New => return RunDir::create(run, config, false),
        Start::Overwrite => return RunDir::create(run, config, true),
        Start::Resume => {}
    }
    let held = RunDir::open(run)?;
    if RunDir::read_config(run)?.sweeps != config.sweeps {
        return Err(Error::InvalidConfig {
            field: "sweeps",
            value: config.sweeps.to_string(),
            allowed: "the runs of all folds have the same number, so it stays as it is when they resume",
        });
    }
    Ok(held)
}

fn fold_folder(run: &Path, fold: usize) -> PathBuf {
    run.join(RunDir::FOLDS).join(fold.to_string())
}

/// The way the run of a fold begins.
fn fold_start(run: &Path, folder: &Path) -> Result<Start> {
    match RunDir::is_begun(folder)? {
        true => Ok(Start::Resume),
        // A fold that is trained again could choose another decay.
        false if RunDir::has_weights(run)? => Err(Error::Checkpoint {
            path: folder.into(),
            reason: "the fold is gone, and the last run goes down to the decay that it has helped to choose".into(),
        }),
        false => Ok(Start::New),
    }
}

/// The plan of a fold. That of one that was begun ends where it did: the folder of the last run names the decay that was chosen.
fn fold_plan(plan: &Plan, fold: usize, folder: &Path, start: Start) -> Result<Plan> {
    let mut config = plan.config().clone();
    config.data.fold = Some(fold);
    if start == Start::Resume {
        let end = path_end(&RunDir::read_config(folder)?);
        config = with_path_end(config, end);
    }
    config.check()
}

fn path_end(config: &RunConfig) -> Option<f64> {
    match config.method.library() {
        Some(MethodConfig::Exact(own)) => own.path_end,
        _ => None,
    }
}

/// A configuration whose run ends with a weight decay.
fn with_path_end(mut config: RunConfig, end: Option<f64>) -> RunConfig {
    if let RunMethod::Library(MethodConfig::Exact(own)) = &mut config.method {
        own.path_end = end;
    }
    config
}

fn choose(folders: &[PathBuf]) -> Result<CrossValidation> {
    let histories = folders.iter().map(|folder| HistoryTable::read(folder));
    let choice = CrossValidation::choose(&histories.collect::<Result<Vec<_>>>()?);
    choice.ok_or_else(|| {
        let folder = folders.first().cloned().unwrap_or_default();
        Error::file("choose by", folder, "the folds share no weight decay")
    })
}

/// Refuses samples that have changed since a fold was trained.
fn ensure_same_samples(folders: &[PathBuf], splits: &Splits) -> Result<()> {
    for folder in folders {
        let saved = RunDir::read_fingerprint(folder)?;
        if let Some(reason) = saved.difference(&splits.fingerprint) {
            return Err(Error::Checkpoint {
                path: folder.clone(),
                reason,
            });
        }
    }
    Ok(())
}
