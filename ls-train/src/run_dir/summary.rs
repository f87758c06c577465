//! `summary.json`: the figures of the weights that were kept, and why the run ended.

use std::collections::BTreeMap;
use std::fmt;

use ls_core::figure::SplitName;
use ls_core::fit::{FitState, Stop};
use serde::{Deserialize, Serialize};

use super::columns::{Column, SECONDS, SWEEP};
use super::cross_validation::CrossValidation;
use super::history_table::HistoryTable;
use crate::config::SCHEMA;
use crate::{Error, Result};

/// Facts about a run that do not change from sweep to sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Name of the method.
    pub method: String,
    /// The architecture in short.
    pub model: String,
    /// Name of the data set.
    pub dataset: String,
    /// Name of the device.
    pub device: String,
    /// Seed of the run.
    pub seed: u64,
    /// Number of weights and biases.
    pub parameters: usize,
    /// The reason why a method that has certificates gives none for this network; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_reason: Option<String>,
    /// The choice of the weight decay, where folds have chosen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<CrossValidation>,
}

/// The end of a run.
///
/// Figures are those of the row of `history.csv` whose weights are kept, by the names of their columns: measured ones under their
/// split, without its name in front, those of the method under `figures`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this file.
    pub schema: u32,
    /// Facts about the run.
    #[serde(flatten)]
    pub facts: RunFacts,
    /// The reason why the run ended.
    pub stop: Stop,
    /// Number of sweeps done.
    pub sweeps: usize,
    /// The sweep whose weights were kept, and whose figures these are: the last, or with a validation split the best.
    pub kept_sweep: usize,
    /// Wall time spent in sweeps; measurements are not counted.
    pub seconds: f64,
    /// CRC-32 of `model.bpk`, by which other weights are refused.
    pub model_crc32: u32,
    /// Figures of the training split.
    pub train: SplitFigures,
    /// Figures of the validation split; `null` without one.
    pub validation: Option<SplitFigures>,
    /// Figures of the test split; `null` without one.
    pub test: Option<SplitFigures>,
    /// Figures of the method.
    pub figures: BTreeMap<String, SummaryValue>,
}

/// Figures of one split, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitFigures(BTreeMap<String, SummaryValue>);

/// A number, `null` where it is not finite, or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SummaryValue {
    /// A number.
    Number(Option<f64>),
    /// A word.
    Word(String),
}

impl SummaryValue {
    fn of(cell: &str) -> Self {
        match cell.parse::<f64>() {
            Ok(number) => Self::Number(Some(number).filter(|number| number.is_finite())),
            Err(_) => Self::Word(cell.into()),
        }
    }
}

impl fmt::Display for SummaryValue {
    /// Writes the number or the word; nothing for a number that is not finite.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Some(number)) => write!(f, "{number}"),
            Self::Number(None) => Ok(()),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl SplitFigures {
    /// Returns a figure by its name in the file, such as `certificate`, if the split has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        match self.0.get(name)? {
            SummaryValue::Number(number) => *number,
            SummaryValue::Word(_) => None,
        }
    }

    /// Returns `F`, mean over samples; not a number where a file lacks it.
    pub fn original_loss(&self) -> f64 {
        self.get("original_loss").unwrap_or(f64::NAN)
    }

    /// Returns the share of correct samples, 0 to 1; not a number where a file lacks it.
    pub fn accuracy(&self) -> f64 {
        self.get("accuracy").unwrap_or(f64::NAN)
    }
}

impl Summary {
    /// Puts together the end of a run from its history and the checksum of its weights.
    ///
    /// # Errors
    /// [`Error::Summary`] when the history has no row of the sweep whose weights are kept.
    pub fn new(
        facts: RunFacts,
        history: &HistoryTable,
        state: &FitState,
        stop: Stop,
        model_crc32: u32,
    ) -> Result<Self> {
        let kept_sweep = state.best.as_ref().map_or(state.sweep, |best| best.sweep);
        let row = history
            .row(kept_sweep)
            .ok_or(Error::Summary { sweep: kept_sweep })?;
        let [train, validation, test] = [SplitName::Train, SplitName::Validation, SplitName::Test]
            .map(|split| split_figures(&row, split));
        let own = row.iter().filter(|(column, _)| {
            column.split.is_none() && ![SWEEP, SECONDS].contains(&column.key.as_str())
        });
        Ok(Self {
            schema: SCHEMA,
            facts,
            stop,
            sweeps: state.sweep,
            kept_sweep,
            seconds: state.seconds,
            model_crc32,
            train: train.unwrap_or_default(),
            validation,
            test,
            figures: own
                .map(|(column, cell)| (column.key.clone(), SummaryValue::of(cell)))
                .collect(),
        })
    }

    /// Returns the share of correct test samples, 0 to 1; not a number without a test split.
    pub fn test_accuracy(&self) -> f64 {
        self.test.as_ref().map_or(f64::NAN, SplitFigures::accuracy)
    }

    /// Returns `F` of the test split, mean over samples; not a number without a test split.
    pub fn test_loss(&self) -> f64 {
        self.test
            .as_ref()
            .map_or(f64::NAN, SplitFigures::original_loss)
    }
}

/// The figures of a split in a row; `None` where it has none.
fn split_figures(row: &[(&Column, &str)], split: SplitName) -> Option<SplitFigures> {
    let prefix = format!("{}_", split.name());
    let own = row.iter().filter(|(column, _)| column.split == Some(split));
    let named = own.map(|(column, cell)| {
        let name = column.key.strip_prefix(&prefix).unwrap_or(&column.key);
        (name.to_owned(), SummaryValue::of(cell))
    });
    let figures: BTreeMap<_, _> = named.collect();
    (!figures.is_empty()).then_some(SplitFigures(figures))
}
