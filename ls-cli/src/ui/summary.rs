//! The summary of a run as text.

use ls_train::run_dir::{RunDir, Summary};

use super::format::loss;

/// Formats the figures at the end of a run, with its folder.
pub(super) fn text(summary: &Summary, run: &RunDir) -> String {
    let (facts, train) = (&summary.facts, &summary.train);
    let mut text = format!(
        "\n{} on {}: {} after {} sweeps and {:.1} s ({})\n",
        facts.method,
        facts.dataset,
        facts.model,
        summary.sweeps,
        summary.seconds,
        summary.stop.name()
    );
    text += &format!("  original loss   {:>10}\n", loss(train.original_loss()));
    if let Some(certificate) = train.get("certificate") {
        text += &format!("  certificate     {:>10}\n", loss(certificate));
    }
    if let Some(reason) = &facts.certificate_reason {
        text += &format!("  certificate     {:>10}: {reason}\n", "none");
    }
    if let Some(separated) = train.get("separated_loss") {
        text += &format!("  separated loss  {:>10}\n", loss(separated));
    }
    text += &format!(
        "  accuracy        {:>9.2}% train, {:.2}% test\n",
        100.0 * train.accuracy(),
        100.0 * summary.test_accuracy()
    );
    if let Some(validation) = &summary.validation {
        text += &format!(
            "  validation      {:>9.2}%, loss {}; the weights are those of sweep {}\n",
            100.0 * validation.accuracy(),
            loss(validation.original_loss()),
            summary.kept_sweep
        );
    }
    text + &format!("run folder: {}\n", run.path().display())
}
