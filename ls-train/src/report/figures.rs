//! Key figures of a run, and how numbers are written.

use serde::Serialize;

use crate::config::RunConfig;
use crate::run_dir::{HistoryTable, Summary};

/// A figure on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// What it is of, in a few words.
    pub(super) of: String,
}

impl Figure {
    fn new(name: &'static str, value: String, of: &str) -> Self {
        Self {
            name,
            value,
            of: of.into(),
        }
    }
}

/// The figures that key figures are made of, whether the run has ended or not.
pub(super) struct Standing {
    pub(super) sweeps: Option<usize>,
    pub(super) kept_sweep: Option<usize>,
    pub(super) seconds: Option<f64>,
    pub(super) original_loss: Option<f64>,
    pub(super) certificate: Option<f64>,
    /// Why there is no certificate where there could be one.
    certificate_reason: Option<String>,
    pub(super) separated_loss: Option<f64>,
    /// Of the training, validation and test split, 0 to 1.
    pub(super) accuracies: [Option<f64>; 3],
    parameters: Option<usize>,
}

impl Standing {
    /// The figures of the weights that were kept, or of the last sweep where the run has not ended.
    pub(super) fn of(summary: Option<&Summary>, history: &HistoryTable) -> Self {
        let Some(summary) = summary else {
            return Self::under_way(history);
        };
        Self {
            sweeps: Some(summary.sweeps),
            kept_sweep: Some(summary.kept_sweep),
            seconds: Some(summary.seconds),
            original_loss: Some(summary.train.original_loss),
            certificate: summary.train.certificate,
            certificate_reason: summary.train.certificate_reason.clone(),
            separated_loss: summary.train.separated_loss,
            accuracies: [
                Some(summary.train.accuracy),
                summary.validation.as_ref().map(|split| split.accuracy),
                Some(summary.test.accuracy),
            ],
            parameters: Some(summary.parameters),
        }
    }

    fn under_way(history: &HistoryTable) -> Self {
        let accuracy = |split: &str| history.last(&format!("{split}_accuracy"));
        Self {
            sweeps: history.last("sweep").map(|sweep| sweep as usize),
            kept_sweep: None,
            seconds: history.last("seconds"),
            original_loss: history.last("train_original_loss"),
            certificate: history.last("certificate"),
            certificate_reason: None,
            separated_loss: history.last("separated_loss"),
            accuracies: ["train", "validation", "test"].map(accuracy),
            parameters: None,
        }
    }

    /// The cards; figures that the method or the run does not have are left out.
    pub(super) fn figures(&self, config: &RunConfig) -> Vec<Figure> {
        let loss = |name, value: Option<f64>, of| Some(Figure::new(name, number(value?), of));
        let none = || {
            let reason = self.certificate_reason.as_ref()?;
            Some(Figure::new("Certificate C", "none".into(), reason))
        };
        let accuracy = |name, i: usize| {
            let share = self.accuracies[i]?;
            Some(Figure::new(name, percent(share), "of the plain network"))
        };
        let sweeps = |sweeps: usize| {
            let of = match self.kept_sweep {
                Some(kept) if kept != sweeps => {
                    format!("of {}; weights of sweep {kept}", config.sweeps)
                }
                _ => format!("of {}", config.sweeps),
            };
            Figure::new("Sweeps", sweeps.to_string(), &of)
        };
        let seconds = |seconds: f64| Figure::new("Seconds", format!("{seconds:.1}"), "of training");
        let parameters = |count| Figure::new("Parameters", grouped(count), "weights and biases");
        [
            loss("Original loss F", self.original_loss, "training split"),
            loss("Certificate C", self.certificate, "F is at most this").or_else(none),
            loss(
                "Separated loss S",
                self.separated_loss,
                "of the separated problem",
            ),
            accuracy("Training accuracy", 0),
            accuracy("Validation accuracy", 1),
            accuracy("Test accuracy", 2),
            self.sweeps.map(sweeps),
            self.seconds.map(seconds),
            self.parameters.map(parameters),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A loss, short enough for a card.
pub(super) fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let decimals = if value.abs() < 100.0 { 4 } else { 1 };
    format!("{value:.decimals$}")
}

/// A share, 0 to 1, in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}\u{202f}%", 100.0 * share)
}

/// A count with commas between thousands.
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_order_of_magnitude() {
        let cases = [
            (0.0, "0.0000"),
            (2.312_59, "2.3126"),
            (648.09, "648.1"),
            (2.4231e-5, "2.423e-5"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!(number(f64::INFINITY), "inf");
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
