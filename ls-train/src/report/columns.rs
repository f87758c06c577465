//! Descriptions of the columns of `history.csv`, by which [`charts`](super::charts) draws them.

use crate::run_dir::HistoryTable;

/// Scale on which a figure is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

/// Description of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Name of the column in the file.
    pub(super) key: String,
    /// Name of the figure for readers; columns of several splits or stages share it.
    pub(super) name: String,
    /// `train`, `validation` or `test`; `None` for a figure of the whole run.
    pub(super) split: Option<String>,
    /// Number of the stage, from 1; `None` for a figure of the whole network.
    pub(super) stage: Option<usize>,
    /// Unit of the figure; empty where it has none.
    pub(super) unit: String,
    pub(super) scale: Scale,
    /// Title of the chart that shows the column; empty where none does.
    pub(super) chart: String,
}

impl Column {
    fn new(key: &str, name: &str, split: &str, unit: &str, scale: Scale, chart: &str) -> Self {
        Self {
            key: key.into(),
            name: name.into(),
            split: (!split.is_empty()).then(|| split.into()),
            stage: None,
            unit: unit.into(),
            scale,
            chart: chart.into(),
        }
    }
}

/// Describes the columns of a history that charts show.
pub(super) fn described(history: &HistoryTable) -> Vec<Column> {
    history.columns("").filter_map(described_by_key).collect()
}

fn described_by_key(key: &str) -> Option<Column> {
    if let Some(stage) = key.strip_prefix("residual_") {
        let column = Column::new(key, "residual", "train", "", Scale::Log, "Residuals");
        let stage = Some(stage.parse().ok()?);
        return Some(Column { stage, ..column });
    }
    let loss = |name, split| Column::new(key, name, split, "", Scale::Log, "Losses");
    let accuracy = |split| Column::new(key, "accuracy", split, "share", Scale::Linear, "Accuracy");
    let step = |name| Column::new(key, name, "", "", Scale::Log, "Steps");
    Some(match key {
        "train_original_loss" => loss("original loss F", "train"),
        "validation_original_loss" => loss("original loss F", "validation"),
        "test_original_loss" => loss("original loss F", "test"),
        "separated_loss" => loss("separated loss S", "train"),
        "certificate" => loss("certificate C", "train"),
        "train_accuracy" => accuracy("train"),
        "validation_accuracy" => accuracy("validation"),
        "test_accuracy" => accuracy("test"),
        "step" => step("step τ"),
        "damping" => step("damping μ"),
        _ => return None,
    })
}
