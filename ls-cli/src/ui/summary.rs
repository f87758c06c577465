//! The summary of a run as text.

use ls_train::format::{number, percent};
use ls_train::run_dir::{RunDir, Summary};

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
    text += &row("original loss", &number(train.original_loss()));
    if let Some(certificate) = train.get("certificate") {
        text += &row("certificate", &number(certificate));
    }
    if let Some(reason) = &facts.certificate_reason {
        text += &format!("  certificate     {:>10}: {reason}\n", "none");
    }
    if let Some(separated) = train.get("separated_loss") {
        text += &row("separated loss", &number(separated));
    }
    text += &format!("  accuracy        {:>9}% train", percent(train.accuracy()));
    if summary.test.is_some() {
        text += &format!(", {}% test", percent(summary.test_accuracy()));
    }
    text.push('\n');
    if let Some(validation) = &summary.validation {
        text += &format!(
            "  validation      {:>9}%, loss {}; the weights are those of sweep {}\n",
            percent(validation.accuracy()),
            number(validation.original_loss()),
            summary.kept_sweep
        );
    }
    text + &format!("run folder: {}\n", run.path().display())
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<14}  {value:>10}\n")
}
