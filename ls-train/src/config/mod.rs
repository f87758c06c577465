//! Everything that decides a run.
//!
//! [`RunConfig`] is what a file or the command line says; [`RunConfig::check`] turns it into a [`Plan`], the only form that
//! [`train`](crate::train) accepts.

mod method;
mod optimizer;
mod precision;

use std::path::{Path, PathBuf};

pub use method::{
    AlternatingSettings, BackpropSettings, BlockUpdate, ExactSettings, MethodConfig, Schedule,
};
pub use optimizer::OptimizerKind;
pub use precision::{Precision, computes_in};

use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::stage::{Activation, Init};
use ls_datasets::{Source, SplitRule};
use serde::{Deserialize, Serialize};

use crate::run_dir::SCHEMA;
use crate::{Error, Result};

/// A complete run. Every field has a value, so that the file in the run folder says all.
///
/// ```
/// use ls_train::config::{BatchSize, ExactSettings, MethodConfig, RunConfig};
///
/// let config = RunConfig {
///     sweeps: 6,
///     batch_size: BatchSize::Samples(250),
///     method: MethodConfig::Exact(ExactSettings { weight_decay: 2e-3, ..ExactSettings::default() }),
///     ..RunConfig::default()
/// };
/// let plan = config.clone().check()?;
/// assert_eq!(plan.config(), &config);
///
/// let wrong = RunConfig { sweeps: 0, ..config }.check().unwrap_err();
/// assert_eq!(wrong.to_string(), "sweeps = 0 is not possible: it must be 1 or more");
/// # Ok::<(), ls_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunConfig {
    /// Version of the file.
    pub schema: u32,
    /// Seed of the weights, of the blocks of samples and of their order.
    pub seed: u64,
    /// Largest number of sweeps (epochs for `backprop`).
    pub sweeps: usize,
    /// Samples of one batch.
    pub batch_size: BatchSize,
    /// Stop once the training split's original loss is at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_loss: Option<f64>,
    /// Stop after the sweep in which so many seconds of training have passed; measurements do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<f64>,
    /// Stop after so many sweeps without better figures of the validation split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Name of the device, as the program takes it. Where [`train`](crate::train) is given a device of another backend, the run folder
    /// names that backend.
    pub device: String,
    /// What the device computes in. An application sets its device by [`Precision::set`] too.
    pub precision: Precision,
    /// Which samples.
    pub data: DataConfig,
    /// Which network.
    pub model: ModelConfig,
    /// Which method.
    pub method: MethodConfig,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            seed: 1,
            sweeps: 30,
            batch_size: BatchSize::Full,
            target_loss: None,
            time_limit: None,
            patience: None,
            device: "flex".into(),
            precision: Precision::default(),
            data: DataConfig::default(),
            model: ModelConfig::Mlp(MlpConfig {
                hidden: vec![128, 128],
                activation: Activation::Relu,
                init: Init::Kaiming,
            }),
            method: MethodConfig::default(),
        }
    }
}

/// What [`DataConfig::dataset`] says of data that an application made.
pub const APPLICATION: &str = "application";

/// Which samples a run uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DataConfig {
    /// Name of the data set, or `application` for data that an application made.
    pub dataset: String,
    /// What the application calls them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Folder that holds its files; none for embedded data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Use only the first training samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Hold so many of them out, chosen by the seed: the run then ends with the weights that did best on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Part of every class that becomes the test split, chosen by the seed; only for data without a test split of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_share: Option<f64>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            dataset: "digits".into(),
            name: None,
            folder: None,
            limit: None,
            validation: None,
            test_share: None,
        }
    }
}

impl DataConfig {
    /// What the data are called.
    pub fn title(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.dataset)
    }

    /// Where the samples come from; none for those of an application.
    fn source(&self) -> Result<Option<Source>> {
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
            return Ok(Some(source));
        }
        let folder = self.folder.as_ref().map(|path| path.display().to_string());
        not_used("folder", folder, "the data of an application have none")?;
        match self.test_share {
            Some(share) => Err(test_share_not_used(share)),
            None => Ok(None),
        }
    }

    fn check_test_share(&self, source: Source) -> Result<()> {
        match self.test_share {
            None => Ok(()),
            Some(share) if source.has_test_split() => Err(test_share_not_used(share)),
            Some(share) if share > 0.0 && share < 1.0 => Ok(()),
            Some(share) => Err(Error::InvalidConfig {
                field: "test-share",
                value: share.to_string(),
                allowed: "it must be between 0 and 1, both excluded",
            }),
        }
    }
}

/// The error for a test share that would have no effect.
pub(crate) fn test_share_not_used(share: f64) -> Error {
    Error::InvalidConfig {
        field: "test-share",
        value: share.to_string(),
        allowed: "it is only for data without a test split, and this data brings its own",
    }
}

/// Samples of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BatchSizeText", into = "BatchSizeText")]
pub enum BatchSize {
    /// The whole training split.
    Full,
    /// So many; the last batch of a sweep may be smaller.
    Samples(usize),
}

/// `"full"` or a number, as it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum BatchSizeText {
    Word(String),
    Number(usize),
}

impl TryFrom<BatchSizeText> for BatchSize {
    type Error = String;

    fn try_from(text: BatchSizeText) -> core::result::Result<Self, String> {
        match text {
            BatchSizeText::Word(word) => word.parse(),
            BatchSizeText::Number(number) => number.to_string().parse(),
        }
    }
}

impl From<BatchSize> for BatchSizeText {
    fn from(size: BatchSize) -> Self {
        match size {
            BatchSize::Full => Self::Word("full".into()),
            BatchSize::Samples(count) => Self::Number(count),
        }
    }
}

impl core::str::FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> core::result::Result<Self, String> {
        match (text, text.parse()) {
            ("full", _) => Ok(Self::Full),
            (_, Ok(count)) if count > 0 => Ok(Self::Samples(count)),
            _ => Err(format!(
                "`{text}` is neither `full` nor a number of samples from 1"
            )),
        }
    }
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    config: RunConfig,
    source: Option<Source>,
}

impl Plan {
    /// The configuration, complete and possible.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Reads the samples.
    ///
    /// # Errors
    /// [`Error::Data`], naming the file, what was found and what was expected; [`Error::InvalidConfig`] for a test share of data
    /// that brings a test split; [`Error::ApplicationData`] for data that an application made.
    pub fn dataset(&self) -> Result<ls_datasets::Dataset> {
        let data = &self.config.data;
        let source = self.source.ok_or_else(|| Error::ApplicationData {
            name: data.title().into(),
        })?;
        let dataset = source.load(data.folder.as_deref(), &self.split_rule())?;
        match (data.test_share, dataset.test_is_drawn) {
            (Some(share), false) => Err(test_share_not_used(share)),
            _ => Ok(dataset),
        }
    }

    /// Where the samples come from; `None` for those of an application.
    pub fn source(&self) -> Option<Source> {
        self.source
    }

    /// How samples without a test split of their own are dealt.
    pub fn split_rule(&self) -> SplitRule {
        SplitRule {
            seed: self.config.seed,
            test_share: self.config.data.test_share.unwrap_or(SplitRule::TEST_SHARE),
        }
    }
}

impl RunConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`], naming the line, the key, and what is allowed.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
        toml::from_str(&text).map_err(|error| {
            let message = error.message().trim().replace('\n', " ");
            let message = message
                .replace("expected usize", "expected a whole number")
                .replace("expected u64", "expected a whole number")
                .replace("expected f64", "expected a number");
            let line = error.span().map_or_else(String::new, |span| {
                let number = text[..span.start.min(text.len())].matches('\n').count();
                let line = text.lines().nth(number).unwrap_or_default().trim();
                format!("line {}, `{line}`: ", number + 1)
            });
            Error::file("read", path, format!("{line}{message}"))
        })
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], [`Error::Core`] or [`Error::Data`], naming the value and what is allowed.
    pub fn check(self) -> Result<Plan> {
        if self.schema != SCHEMA {
            return Err(Error::InvalidConfig {
                field: "schema",
                value: self.schema.to_string(),
                allowed: "this program reads and writes version 2",
            });
        }
        positive_count("sweeps", self.sweeps)?;
        for (field, count) in [
            ("limit", self.data.limit),
            ("validation", self.data.validation),
            ("patience", self.patience),
        ] {
            if let Some(count) = count {
                positive_count(field, count)?;
            }
        }
        if let (Some(patience), None) = (self.patience, self.data.validation) {
            return Err(Error::InvalidConfig {
                field: "patience",
                value: patience.to_string(),
                allowed: "it waits for better figures of a validation split, so `validation` must be given too",
            });
        }
        for (field, value) in [
            ("target-loss", self.target_loss),
            ("time-limit", self.time_limit),
        ] {
            if let Some(value) = value {
                positive(field, value)?;
            }
        }
        if let ModelConfig::Mlp(mlp) = &self.model {
            for &width in &mlp.hidden {
                positive_count("hidden", width)?;
            }
        }
        self.method.check()?;
        if let (MethodConfig::Exact(_), BatchSize::Samples(1)) = (&self.method, self.batch_size) {
            return Err(Error::InvalidConfig {
                field: "batch-size",
                value: "1".into(),
                allowed: "`exact` fits least squares, which takes batches of 2 or more",
            });
        }
        let source = self.data.source()?;
        Ok(Plan {
            config: self,
            source,
        })
    }
}

fn positive_count(field: &'static str, value: usize) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::InvalidConfig {
        field,
        value: value.to_string(),
        allowed: "it must be 1 or more",
    })
}

/// Checks that a number is positive and finite.
pub(crate) fn positive(field: &'static str, value: f64) -> Result<()> {
    // The upper end keeps a time limit representable and catches infinities.
    if value > 0.0 && value <= 1e12 {
        return Ok(());
    }
    Err(Error::InvalidConfig {
        field,
        value: value.to_string(),
        allowed: "it must be greater than 0 and at most 1e12",
    })
}
