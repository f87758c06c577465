//! A run in one line.

use ls_core::fit::ImageChange;

use crate::config::{BatchSize, RunConfig};
use crate::format::number;
use crate::run_dir::{Checkpoint, RunFacts};
use crate::session::Start;

/// The run in one line.
pub(crate) fn label(
    config: &RunConfig,
    facts: &RunFacts,
    start: Start,
    checkpoint: Option<&Checkpoint>,
) -> String {
    let mut label = format!("{} on {}: {}", facts.method, facts.dataset, facts.model);
    if let BatchSize::Samples(samples) = config.batch_size {
        label += &format!(", batches of {samples}");
    }
    if !config.augment.is_empty() {
        let changes: Vec<_> = config
            .augment
            .iter()
            .copied()
            .map(ImageChange::name)
            .collect();
        label += &format!(", images with {}", changes.join(", "));
    }
    if let Some(reason) = &facts.certificate_reason {
        label += &format!(", no certificate: {reason}");
    }
    match (config.data.folds, config.data.fold, &facts.cross_validation) {
        (Some(folds), Some(fold), _) => label += &format!(", fold {fold} of {folds}"),
        (_, _, Some(choice)) => {
            let (folds, decay) = (choice.folds, number(choice.weight_decay));
            label += &format!(", all {folds} folds, down to weight decay {decay}");
        }
        _ => {}
    }
    match (start, checkpoint) {
        // The folder of a cross-validation is there before its last run begins.
        (Start::Resume, None) if config.is_cross_validated() => {}
        (Start::Resume, None) => label += ", from the start: there is no checkpoint",
        (_, Some(checkpoint)) => {
            label += &format!(", resumed after sweep {}", checkpoint.state().sweep);
        }
        _ => {}
    }
    label
}
