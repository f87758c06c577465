//! Cross-validation: a run for each fold, then one on all training samples down to the weight decay that did best.

use std::path::{Path, PathBuf};

use ls_core::fit::Stop;

use crate::config::{MethodConfig, Plan, RunMethod};
use crate::data::Splits;
use crate::run::{Outcome, Training};
use crate::run_dir::{CrossValidation, HistoryTable, RunDir};
use crate::session::{Session, Start};
use crate::{Error, Result};

/// Chooses the weight decay of a plan with `folds` by cross-validation, and trains on all samples down to it.
///
/// The folds are full runs in `folds/1`, `folds/2` … of the run folder, each down the whole path. The last run goes down to the decay with
/// the highest mean accuracy over the folds, the larger one of two with equal means; it ends there, and its weights are those of the run
/// folder. In all this takes up to as long as one path for each fold, and one more.
///
/// `splits` makes the samples of a plan, which names the fold to hold out, and `session` the surroundings of one run, always with the same
/// folder and start. Where the session resumes, runs that have ended are kept, and the one that was stopped goes on.
///
/// An interrupted cross-validation returns the run that was interrupted.
///
/// # Errors
/// [`Error::InvalidConfig`] for a plan without folds, and for one that resumes with another number of sweeps; [`Error::RunEnded`] for a
/// cross-validation that has ended; [`Error::Checkpoint`] where the samples are not those of the folds; otherwise as [`Training::run`].
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
    for (fold, folder) in (1..).zip(&folders) {
        if has_ended(folder, plan)? {
            continue;
        }
        let start = match RunDir::is_begun(folder) {
            true => Start::Resume,
            false => Start::New,
        };
        let plan = fold_plan(plan, fold)?;
        let session = Session {
            run: folder,
            start,
            ..session()
        };
        let outcome = Training::new(&plan, splits(&plan)?).run(session)?;
        if outcome.summary.stop == Stop::Interrupted {
            return Ok(outcome);
        }
    }
    let choice = choose(&folders)?;
    let plan = last_plan(plan, choice.weight_decay)?;
    let all = splits(&plan)?;
    ensure_same_samples(&folders, &all)?;
    drop(held);
    let last = Session {
        start: Start::Resume,
        ..last
    };
    Training::new(&plan, all).chosen_by(choice).run(last)
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
    if has_ended(run, plan)? {
        return Err(Error::RunEnded {
            path: run.into(),
            reason: "the runs of all folds and the last run have ended".into(),
        });
    }
    Ok(held)
}

fn fold_folder(run: &Path, fold: usize) -> PathBuf {
    run.join(RunDir::FOLDS).join(fold.to_string())
}

/// Whether the run in a folder has gone down its path; an interrupted one may have been in its last sweep.
fn has_ended(folder: &Path, plan: &Plan) -> Result<bool> {
    if !RunDir::has_ended(folder)? {
        return Ok(false);
    }
    let summary = RunDir::read_summary(folder)?;
    Ok(summary.stop != Stop::Interrupted || summary.sweeps >= plan.config().sweeps)
}

fn fold_plan(plan: &Plan, fold: usize) -> Result<Plan> {
    let mut config = plan.config().clone();
    config.data.fold = Some(fold);
    config.check()
}

/// The plan of the last run, which ends with a weight decay.
fn last_plan(plan: &Plan, decay: f64) -> Result<Plan> {
    let mut config = plan.config().clone();
    if let RunMethod::Library(MethodConfig::Exact(own)) = &mut config.method {
        own.path_end = Some(decay);
    }
    config.check()
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
