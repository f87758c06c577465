//! The summary of a run as text.

use ls_train::run_dir::{RunDir, Summary};

use super::format::loss;

/// Formats the figures at the end of a run, with its folder.
pub(super) fn text(summary: &Summary, run: &RunDir) -> String {
    let (train, test) = (&summary.train, &summary.test);
    let mut text = format!(
        "\n{} on {}: {} after {} sweeps and {:.1} s ({})\n",
        summary.method,
        summary.dataset,
        summary.model,
        summary.sweeps,
        summary.seconds,
        summary.stop.name()
    );
    text += &format!("  original loss   {:>10}\n", loss(train.original_loss));
    if let Some(certificate) = train.certificate {
        text += &format!("  certificate     {:>10}\n", loss(certificate));
    }
    if let Some(reason) = &train.certificate_reason {
        text += &format!("  certificate     {:>10}: {reason}\n", "none");
    }
    if let Some(separated) = train.separated_loss {
        text += &format!("  separated loss  {:>10}\n", loss(separated));
    }
    text += &format!(
        "  accuracy        {:>9.2}% train, {:.2}% test\n",
        100.0 * train.accuracy,
        100.0 * test.accuracy
    );
    if let Some(validation) = &summary.validation {
        text += &format!(
            "  validation      {:>9.2}%, loss {}; the weights are those of sweep {}\n",
            100.0 * validation.accuracy,
            loss(validation.original_loss),
            summary.kept_sweep
        );
    }
    text + &format!("run folder: {}\n", run.path().display())
}
