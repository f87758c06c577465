//! Checks of a path of weight decays and of the samples that choose on it.

use ls_core::method::MethodConfig;

use super::RunConfig;
use crate::{Error, Result};

/// Number of folds of a cross-validation.
const FOLDS: core::ops::RangeInclusive<usize> = 2..=20;

impl RunConfig {
    /// Whether the configuration stands for a cross-validation: a run for each fold, and one on all training samples.
    pub fn is_cross_validated(&self) -> bool {
        self.data.folds.is_some() && self.data.fold.is_none()
    }

    /// Refuses a cross-validation in the place of one run.
    pub(crate) fn ensure_one_run(&self) -> Result<()> {
        match self.data.folds.filter(|_| self.is_cross_validated()) {
            None => Ok(()),
            Some(folds) => Err(refused(
                "folds",
                folds,
                "a cross-validation is more than one run; `train_folds`, as `layersep train`, makes them all",
            )),
        }
    }

    /// A path of decays is chosen from by samples that are held out, and folds choose nothing else.
    pub(super) fn check_path(&self) -> Result<()> {
        let has_path = match self.method.library() {
            Some(MethodConfig::Exact(own)) => own.path,
            _ => false,
        };
        let data = &self.data;
        match (has_path, data.folds) {
            (true, None) if data.validation.is_none() => Err(refused(
                "path",
                true,
                "the decay is chosen by samples that are held out, so `validation` or `folds` must be given too",
            )),
            (false, Some(folds)) => Err(refused(
                "folds",
                folds,
                "folds choose the decay of a path, so method `exact` with `path` must be given too",
            )),
            _ => Ok(()),
        }
    }

    /// Every fold needs figures of the same decays, and samples of its own.
    pub(super) fn check_folds(&self) -> Result<()> {
        let data = &self.data;
        let Some(folds) = data.folds else {
            return match data.fold {
                Some(fold) => Err(refused(
                    "fold",
                    fold,
                    "it is one of the `folds`, which must be given too",
                )),
                None => Ok(()),
            };
        };
        if !FOLDS.contains(&folds) {
            return Err(refused("folds", folds, "it must be from 2 to 20"));
        }
        if let Some(fold) = data.fold.filter(|fold| !(1..=folds).contains(fold)) {
            return Err(refused(
                "fold",
                fold,
                "it must be from 1 to the number of `folds`",
            ));
        }
        if data.validation.is_some() {
            return Err(refused(
                "folds",
                folds,
                "`validation` chooses too; give one of them",
            ));
        }
        let text = |value: Option<f64>| value.map(|value| value.to_string());
        let ends = [
            ("patience", self.patience.map(|count| count.to_string())),
            ("time-limit", text(self.time_limit)),
            ("target-loss", text(self.target_loss)),
        ];
        let given = ends
            .into_iter()
            .find_map(|(field, value)| Some((field, value?)));
        match given {
            None => Ok(()),
            Some((field, value)) => Err(refused(
                field,
                value,
                "with `folds` every run goes down the path to its end",
            )),
        }
    }
}

fn refused(field: &'static str, value: impl ToString, allowed: &'static str) -> Error {
    Error::InvalidConfig {
        field,
        value: value.to_string(),
        allowed,
    }
}
