//! The samples of a run.

use std::path::PathBuf;

use ls_datasets::{Source, TableRule};
use serde::{Deserialize, Serialize};

use super::positive;
use crate::format::typed;
use crate::{Error, Result};

/// The value of [`DataConfig::dataset`] for data that an application made.
pub const APPLICATION: &str = "application";

/// The samples of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DataConfig {
    /// Name of the data set, or `application` for data that an application made.
    pub dataset: String,
    /// Name that the application gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Folder that holds its files; none for embedded data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Use only the first training samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Hold so many of them out, chosen by the seed: the run then ends with the weights whose calibrated loss on them
    /// is lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Cut them into so many folds, chosen by the seed, by which the decay of a path is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// The fold that this run holds out, from 1; none for the run on all of them, and for the plan of all these runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Part of every class that becomes the test split, chosen by the seed; only for data without a test split of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_share: Option<f64>,
    /// Column of the labels in a table: its position from 1, `last`, or its name in the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// Number of full intensity in a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_max: Option<f64>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dataset: "digits".into(),
            name: None,
            folder: None,
            limit: None,
            validation: None,
            folds: None,
            fold: None,
            test_share: None,
            label_column: None,
            pixel_max: None,
        }
    }
}

impl DataConfig {
    /// Returns the name of the data.
    pub fn title(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.dataset)
    }

    /// Returns what the settings say about tables.
    pub fn table_rule(&self) -> TableRule {
        TableRule {
            // Every text names a column.
            label_column: self
                .label_column
                .as_ref()
                .and_then(|name| name.parse().ok()),
            pixel_max: self.pixel_max,
        }
    }

    /// Checks the settings and returns the source of the samples; none for those of an application.
    pub(super) fn source(&self) -> Result<Option<Source>> {
        let not_used = |field, value: Option<String>, allowed| match value {
            Some(value) => Err(Error::InvalidConfig {
                field,
                value,
                allowed,
            }),
            None => Ok(()),
        };
        if self.dataset != APPLICATION {
            let allowed = "it names the data of an application, with dataset = \"application\"";
            not_used("name", self.name.clone(), allowed)?;
            let source = self.dataset.parse()?;
            self.check_test_share(source)?;
            if !source.is_table() {
                self.refuse_table_rule()?;
            }
            if let Some(full) = self.pixel_max {
                positive("pixel-max", full)?;
            }
            return Ok(Some(source));
        }
        self.refuse_table_rule()?;
        let folder = self.folder.as_ref().map(|path| path.display().to_string());
        not_used("folder", folder, "the data of an application have none")?;
        match self.test_share {
            Some(share) => Err(test_share_not_used(share)),
            None => Ok(None),
        }
    }

    /// Refuses settings of tables where the data are none.
    fn refuse_table_rule(&self) -> Result<()> {
        let given = [
            ("label-column", self.label_column.clone()),
            ("pixel-max", self.pixel_max.map(typed)),
        ];
        for (field, value) in given {
            if let Some(value) = value {
                return Err(Error::InvalidConfig {
                    field,
                    value,
                    allowed: "it is only for tables, the data set csv",
                });
            }
        }
        Ok(())
    }

    fn check_test_share(&self, source: Source) -> Result<()> {
        match self.test_share {
            None => Ok(()),
            Some(share) if source.has_test_split() => Err(test_share_not_used(share)),
            Some(share) if share > 0.0 && share < 1.0 => Ok(()),
            Some(share) => Err(Error::InvalidConfig {
                field: "test-share",
                value: typed(share),
                allowed: "it must be between 0 and 1, both excluded",
            }),
        }
    }
}

/// The error for a test share that would have no effect.
pub(crate) fn test_share_not_used(share: f64) -> Error {
    Error::InvalidConfig {
        field: "test-share",
        value: typed(share),
        allowed: "it is only for data without a test split, and this data brings its own",
    }
}
