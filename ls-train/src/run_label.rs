//! A run in one line.

use ls_core::fit::ImageChange;

use crate::config::{BatchSize, RunConfig};
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
    match (start, checkpoint) {
        (Start::Resume, None) => label += ", from the start: there is no checkpoint",
        (_, Some(checkpoint)) => {
            label += &format!(", resumed after sweep {}", checkpoint.state().sweep);
        }
        _ => {}
    }
    label
}
