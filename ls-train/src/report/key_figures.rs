//! Key figures of a run, as cards.

use serde::Serialize;

use super::format;
use crate::config::RunConfig;
use crate::format::number;
use crate::run_dir::{HistoryTable, SplitFigures, Summary};

/// A card of the page: a figure with its name and a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Explanation in a few words.
    pub(super) remark: String,
}

impl Card {
    fn new(name: &'static str, value: String, remark: &str) -> Self {
        Self {
            name,
            value,
            remark: remark.into(),
        }
    }
}

/// The key figures of a run, whether it has ended or not; `None` stands for figures that the method or the run lacks.
pub(super) struct KeyFigures {
    pub(super) sweeps: Option<usize>,
    kept_sweep: Option<usize>,
    pub(super) seconds: Option<f64>,
    /// `F` of the training split, mean over samples.
    pub(super) original_loss: Option<f64>,
    /// `C` of the training split, mean over samples.
    pub(super) certificate: Option<f64>,
    /// Reason why a method that has certificates gives none.
    certificate_reason: Option<String>,
    /// `S` of the training split, mean over samples.
    separated_loss: Option<f64>,
    /// Shares of correct samples, 0 to 1, in the training, validation and test split.
    pub(super) accuracies: [Option<f64>; 3],
    parameters: Option<usize>,
}

impl KeyFigures {
    /// Takes the figures of the weights that the run kept, or of its last sweep where it has not ended.
    pub(super) fn new(summary: Option<&Summary>, history: &HistoryTable) -> Self {
        match summary {
            Some(summary) => Self::from_summary(summary),
            None => Self::from_last_sweep(history),
        }
    }

    fn from_summary(summary: &Summary) -> Self {
        Self {
            sweeps: Some(summary.sweeps),
            kept_sweep: Some(summary.kept_sweep),
            seconds: Some(summary.seconds),
            original_loss: Some(summary.train.original_loss()),
            certificate: summary.train.get("certificate"),
            certificate_reason: summary.facts.certificate_reason.clone(),
            separated_loss: summary.train.get("separated_loss"),
            accuracies: [
                Some(summary.train.accuracy()),
                summary.validation.as_ref().map(SplitFigures::accuracy),
                summary.test.as_ref().map(SplitFigures::accuracy),
            ],
            parameters: Some(summary.facts.parameters),
        }
    }

    fn from_last_sweep(history: &HistoryTable) -> Self {
        let accuracy = |split: &str| history.last(&format!("{split}_accuracy"));
        Self {
            sweeps: history.last("sweep").map(|sweep| sweep as usize),
            kept_sweep: None,
            seconds: history.last("seconds"),
            original_loss: history.last("train_original_loss"),
            certificate: history.last("train_certificate"),
            certificate_reason: None,
            separated_loss: history.last("train_separated_loss"),
            accuracies: ["train", "validation", "test"].map(accuracy),
            parameters: None,
        }
    }

    /// Returns the cards of the figures that there are.
    pub(super) fn cards(&self, config: &RunConfig) -> Vec<Card> {
        let loss = |name, value: Option<f64>, remark| Some(Card::new(name, number(value?), remark));
        let no_certificate = || {
            let reason = self.certificate_reason.as_ref()?;
            Some(Card::new("Certificate C", "none".into(), reason))
        };
        let accuracy = |name, share: Option<f64>| {
            Some(Card::new(name, format::percent(share?), "plain network"))
        };
        let [train, validation, test] = self.accuracies;
        [
            loss("Original loss F", self.original_loss, "training split"),
            loss("Certificate C", self.certificate, "upper bound of F").or_else(no_certificate),
            loss(
                "Separated loss S",
                self.separated_loss,
                "objective of the separated problem",
            ),
            accuracy("Training accuracy", train),
            accuracy("Validation accuracy", validation),
            accuracy("Test accuracy", test),
            self.sweeps_card(config),
            self.seconds
                .map(|seconds| Card::new("Seconds", format::seconds(seconds), "training time")),
            self.parameters.map(|parameters| {
                Card::new(
                    "Parameters",
                    format::count(parameters),
                    "weights and biases",
                )
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn sweeps_card(&self, config: &RunConfig) -> Option<Card> {
        let sweeps = self.sweeps?;
        let limit = config.sweeps;
        let remark = match self.kept_sweep {
            Some(kept) if kept != sweeps => format!("of {limit}; weights of sweep {kept}"),
            _ => format!("of {limit}"),
        };
        Some(Card::new("Sweeps", sweeps.to_string(), &remark))
    }
}
