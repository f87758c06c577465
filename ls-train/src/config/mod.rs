//! The configuration of a run.
//!
//! [`RunConfig`] is the form in files; [`RunConfig::check`] turns it into a [`Plan`], the only form that
//! [`train`](crate::train) accepts.

mod data;
mod devices;
mod difference;
mod file;
mod folds;
mod method;
mod network;
mod precision;

use std::path::Path;

pub(crate) use data::test_share_not_used;
pub use data::{APPLICATION, DataConfig};
pub(crate) use difference::difference;
pub(crate) use file::in_plain_words;
pub use file::{in_file, read_text};
pub use ls_core::batch::BatchSize;
pub use ls_core::fit::ImageChange;
pub use ls_core::method::{
    AlternatingConfig, BackpropConfig, ExactConfig, FoofConfig, LbfgsConfig, MethodConfig,
    OptimizerConfig, OptimizerName, Schedule,
};
pub use method::{ApplicationMethod, RunMethod};
pub use network::RunNetwork;
pub use precision::{Precision, computes_in};

use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::stage::Activation;
use ls_datasets::{Source, SplitRule};
use serde::{Deserialize, Serialize};

use crate::format::typed;
use crate::{Error, Result};

/// Version of the files of a run folder.
pub const SCHEMA: u32 = 3;

/// A complete run. Every field has a value, so that the file in the run folder says all.
///
/// ```
/// use ls_train::config::{BatchSize, FoofConfig, MethodConfig, RunConfig};
///
/// let config = RunConfig {
///     sweeps: 6,
///     batch_size: BatchSize::Samples(250),
///     method: MethodConfig::Foof(FoofConfig { weight_decay: Some(2e-3), ..FoofConfig::default() }).into(),
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
    /// Random changes of the images of every batch, drawn anew in every sweep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub augment: Vec<ImageChange>,
    /// Sweeps from one measurement of the separated loss to the next; the last sweep is always measured. A method that lowers the
    /// separated loss itself measures it after every sweep.
    pub measure_every: usize,
    /// Name of the device, as the program takes it. Where [`train`](crate::train) is given a device of another backend, the run folder
    /// names that backend.
    pub device: String,
    /// Shares of the samples of several devices, whose names are a list with commas. Absent for one device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<u32>>,
    /// What the device computes in. An application sets its device by [`Precision::set`] too.
    pub precision: Precision,
    /// Which samples.
    pub data: DataConfig,
    /// Which network.
    pub model: RunNetwork,
    /// Which method.
    pub method: RunMethod,
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
            augment: Vec::new(),
            measure_every: 1,
            device: "flex".into(),
            shares: None,
            precision: Precision::default(),
            data: DataConfig::default(),
            model: RunNetwork::Library(ModelConfig::Mlp(MlpConfig::new(
                vec![128, 128],
                Activation::Relu,
            ))),
            method: RunMethod::default(),
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
        let folder = data.folder.as_deref();
        let dataset = source.load_by(folder, &self.split_rule(), &data.table_rule())?;
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
    /// [`Error::File`], naming the line, the key, and the allowed values, and [`Error::Schema`] for a file of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        // Another version has other keys, and its number explains more than the first of them.
        let table = text.parse::<toml::Table>().ok();
        let schema = table
            .as_ref()
            .and_then(|table| table.get("schema")?.as_integer());
        if schema.is_some() {
            ensure_schema(path, schema)?;
        }
        let config: Self = toml::from_str(&text)
            .map_err(|error| Error::file("read", path, in_file(&text, &error)))?;
        Ok(config.with_suited_method(table.as_ref()))
    }

    /// Reads the table of a configuration, such as one that was put together from several places.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key and the allowed values.
    pub fn from_table(table: toml::Table) -> Result<Self> {
        let config: Self = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| Error::Config(in_plain_words(error.message())))?;
        Ok(config.with_suited_method(Some(&table)))
    }

    /// Takes the method that suits the size of the batches where the file names no method, and the size that is usual for the method
    /// where it names no size.
    fn with_suited_method(self, table: Option<&toml::Table>) -> Self {
        if table.is_some_and(|table| table.contains_key("method")) {
            let names_size = table.is_some_and(|table| table.contains_key("batch-size"));
            let batch_size = match self.method.library() {
                Some(method) if !names_size => method.usual_batch_size(),
                _ => self.batch_size,
            };
            return Self { batch_size, ..self };
        }
        let method = MethodConfig::suited_to(self.batch_size).into();
        Self { method, ..self }
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
                allowed: "this program reads and writes version 3",
            });
        }
        self.check_folds()?;
        self.check_numbers()?;
        self.check_devices()?;
        if let RunNetwork::Library(ModelConfig::Mlp(mlp)) = &self.model {
            for &width in &mlp.hidden {
                positive_count("hidden", width)?;
            }
        }
        if let RunMethod::Library(method) = &self.method {
            method.check()?;
            method.check_batch_size(self.batch_size)?;
        }
        self.check_method()?;
        let source = self.data.source()?;
        Ok(Plan {
            config: self,
            source,
        })
    }

    /// Checks what a method asks of the rest of the configuration.
    pub(crate) fn check_method(&self) -> Result<()> {
        if let Some(method) = self.method.library() {
            method.check_sweeps(self.sweeps)?;
        }
        self.check_augmentation()?;
        self.check_path()
    }

    /// Changed images need a method that moves on batches and remembers nothing of single samples.
    fn check_augmentation(&self) -> Result<()> {
        let Some(first) = self.augment.first() else {
            return Ok(());
        };
        let refused = |allowed| {
            Err(Error::InvalidConfig {
                field: "augment",
                value: first.name().into(),
                allowed,
            })
        };
        if self.batch_size == BatchSize::Full {
            return refused(
                "it changes images from batch to batch, so `batch-size` must be a number",
            );
        }
        match self.method.library() {
            Some(MethodConfig::Alternating(_)) => refused(
                "the variables of `alternating` belong to samples as they are; take method `foof` or `backprop`",
            ),
            _ => Ok(()),
        }
    }

    fn check_numbers(&self) -> Result<()> {
        positive_count("sweeps", self.sweeps)?;
        positive_count("measure-every", self.measure_every)?;
        for (field, value) in [("seed", self.seed), ("sweeps", self.sweeps as u64)] {
            if i64::try_from(value).is_err() {
                return Err(Error::InvalidConfig {
                    field,
                    value: value.to_string(),
                    allowed: "it must be at most 9223372036854775807, the largest number of a TOML file",
                });
            }
        }
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
        Ok(())
    }
}

/// Checks the version of a file.
///
/// # Errors
/// [`Error::Schema`] for another version, or none.
pub(crate) fn ensure_schema(path: &Path, found: Option<i64>) -> Result<()> {
    match found {
        Some(found) if found == i64::from(SCHEMA) => Ok(()),
        _ => Err(Error::Schema {
            path: path.into(),
            found: found.map_or_else(|| "none".into(), |found| found.to_string()),
        }),
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
        value: typed(value),
        allowed: "it must be greater than 0 and at most 1e12",
    })
}
