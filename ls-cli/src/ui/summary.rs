//! The summary of a run as text.

use std::path::Path;

use ls_train::format::{number, percent};
use ls_train::run_dir::{CrossValidation, PathPoint, Summary};

/// Formats the figures at the end of a run, with its folder; `path` holds the weight decays that the run went through, if it did.
pub(super) fn text(summary: &Summary, run: &Path, path: &[PathPoint]) -> String {
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
        text += &row(
            "certificate",
            &format!("{:>10}  upper bound of it", number(certificate)),
        );
    }
    if let Some(reason) = &facts.certificate_reason {
        text += &format!("  certificate     {:>10}: {reason}\n", "none");
    }
    if let Some(separated) = train.get("separated_loss") {
        text += &row(
            "separated loss",
            &format!("{:>10}  with a term for each layer", number(separated)),
        );
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
    text += &match &facts.cross_validation {
        Some(choice) => choice_table(choice),
        None => path_table(path, summary.kept_sweep),
    };
    text + &format!("run folder: {}\n", run.display())
}

/// Formats a row for each weight decay of a path.
fn path_table(path: &[PathPoint], kept_sweep: usize) -> String {
    if path.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "  weight decay  to sweep  train loss  calibrated loss  validation %  test %\n",
    );
    // Sweep 0 is the start, before the first decay.
    let mut ends = path.iter();
    let kept = ends.position(|point| kept_sweep > 0 && point.sweep >= kept_sweep);
    for (place, point) in path.iter().enumerate() {
        let share = |value: Option<f64>| value.map_or_else(|| "-".into(), percent);
        text += &format!(
            "  {:>12}  {:>8}  {:>10}  {:>15}  {:>12}  {:>6}{}\n",
            number(point.decay),
            point.sweep,
            number(point.original_loss),
            point.calibrated_loss.map_or_else(|| "-".into(), number),
            share(point.validation_accuracy),
            share(point.test_accuracy),
            if kept == Some(place) { "  kept" } else { "" }
        );
    }
    text
}

/// Formats a row for each weight decay that the folds chose from.
fn choice_table(choice: &CrossValidation) -> String {
    let mut text = format!(
        "  weight decay        calibrated loss     accuracy %  (means of {} folds ± standard deviation)\n",
        choice.folds
    );
    for own in &choice.decays {
        let losses = [own.mean_calibrated_loss, own.calibrated_loss_deviation].map(number);
        let shares = [own.mean_accuracy, own.accuracy_deviation].map(percent);
        text += &format!(
            "  {:>12}  {:>21}  {:>13}{}\n",
            number(own.weight_decay),
            losses.join(" ± "),
            shares.join(" ± "),
            if own.weight_decay == choice.weight_decay {
                "  chosen"
            } else {
                ""
            }
        );
    }
    text
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<14}  {value:>10}\n")
}
