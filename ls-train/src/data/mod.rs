//! A data set on a device.

mod application;
mod fingerprint;
mod held_out;
mod preprocessing;
mod split_settings;
mod standardization;

use core::fmt::Debug;

use burn::tensor::{Device, Int, Tensor};
use ls_core::batch::{Batch, index_tensor};
use ls_core::fit::{Augmentation, FitData, ImageChange};
use ls_core::shape::FeatureShape;
use ls_core::shards::Shards;
use ls_datasets::{Dataset, ImageShape, Samples};

pub use application::SampleKind;
pub use fingerprint::Fingerprint;
pub use preprocessing::Preprocessing;
pub use split_settings::SplitSettings;
pub use standardization::Standardization;

use held_out::held_out;

use crate::Result;
use crate::config::{DataConfig, Plan};

/// Both splits: images standardised by the training split, or the numbers of an application as they are.
///
/// ```
/// use burn::tensor::Device;
/// use ls_train::config::{DataConfig, RunConfig};
/// use ls_train::data::Splits;
///
/// let data = DataConfig { limit: Some(500), validation: Some(100), ..DataConfig::default() };
/// let plan = RunConfig { data, ..RunConfig::default() }.check()?;
/// let splits = Splits::load(&plan, &Device::flex())?;
/// assert_eq!(splits.train.inputs.dims(), [400, 64]);
/// assert_eq!(splits.validation.map(|held_out| held_out.len()), Some(100));
/// assert_eq!(splits.test.len(), 1797);
/// # Ok::<(), ls_train::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Splits {
    /// Name of the data set.
    pub name: String,
    /// Shape of one sample.
    pub shape: FeatureShape,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// All training samples that are not held out.
    pub train: Batch,
    /// Those that are, to choose the weights to keep by.
    pub validation: Option<Batch>,
    /// All test samples.
    pub test: Batch,
    /// What was done to the pixels.
    pub preprocessing: Preprocessing,
    /// What tells this data from other data.
    pub fingerprint: Fingerprint,
    /// The settings that made these splits of it.
    pub settings: SplitSettings,
    /// What a reader should know about the data, such as which parts of it were found.
    pub note: Option<String>,
}

impl Splits {
    /// Loads the data that a plan names.
    ///
    /// # Errors
    /// [`crate::Error::Data`], naming the file, the field, what was found and what was expected;
    /// [`crate::Error::InvalidConfig`] for a test share of data that brings a test split.
    pub fn load(plan: &Plan, device: &Device) -> Result<Self> {
        let config = plan.config();
        Self::new(plan.dataset()?, &config.data, config.seed, device)
    }

    /// Puts a data set on a device: of the training samples the first [`DataConfig::limit`], of which
    /// [`DataConfig::validation`], or those of a [`DataConfig::fold`], are held out by the seed.
    ///
    /// # Errors
    /// [`crate::Error::Data`] for a limit of 0, [`crate::Error::InvalidConfig`] for a validation split that leaves no sample to train
    /// with, and for more folds than samples.
    pub fn new(dataset: Dataset, data: &DataConfig, seed: u64, device: &Device) -> Result<Self> {
        let fingerprint = Fingerprint::of(&dataset, data.limit)?;
        let settings = SplitSettings::new(data, seed, dataset.test_is_drawn);
        let train = match data.limit {
            Some(limit) => dataset.train.first(limit)?,
            None => dataset.train,
        };
        let (train, validation) = match held_out(&labels(&train), data, seed)? {
            Some((rest, out)) => (train.select(&rest)?, Some(train.select(&out)?)),
            None => (train, None),
        };
        let preprocessing = Preprocessing::fit(&train);
        let batch = |samples: &Samples| batch(samples, &preprocessing, device);
        Ok(Self {
            fingerprint,
            settings,
            name: dataset.name,
            shape: feature_shape(train.shape()),
            classes: train.classes().to_vec(),
            train: batch(&train)?,
            validation: validation.as_ref().map(batch).transpose()?,
            test: batch(&dataset.test)?,
            preprocessing,
            note: dataset.note,
        })
    }
}

impl Splits {
    /// Shares the samples of all splits among several devices, beside the one that has them.
    #[must_use]
    pub fn sharded(self, shards: &Shards) -> Self {
        let shared = |batch: Batch| batch.sharded(shards.clone());
        Self {
            train: shared(self.train),
            validation: self.validation.map(shared),
            test: shared(self.test),
            ..self
        }
    }

    /// Returns the samples in the form that the training loop takes.
    pub fn fit_data(&self) -> FitData {
        FitData {
            train: self.train.clone(),
            validation: self.validation.clone(),
            test: Some(self.test.clone()),
            augmentation: None,
        }
    }

    /// Returns random changes of the images of the training split, beyond whose edges pixels have no intensity; `None` without changes.
    ///
    /// # Errors
    /// As [`Augmentation::new`].
    pub fn augmentation(&self, changes: &[ImageChange]) -> Result<Option<Augmentation>> {
        if changes.is_empty() {
            return Ok(None);
        }
        let channels = match self.shape {
            FeatureShape::Image { channels, .. } => channels,
            FeatureShape::Flat(_) => 0,
        };
        let background = match &self.preprocessing.standardization {
            Some(own) => own.background(),
            None => vec![0.0; channels],
        };
        let found = Augmentation::new(changes.to_vec(), self.shape, background);
        Ok(Some(found?))
    }
}

/// The shape of an image as features.
pub fn feature_shape(shape: ImageShape) -> FeatureShape {
    FeatureShape::Image {
        channels: shape.channels,
        height: shape.height,
        width: shape.width,
    }
}

/// Reads a tensor of integers.
///
/// # Errors
/// [`Error::Core`] when the device failed.
pub(crate) fn integers<const D: usize>(tensor: Tensor<D, Int>) -> Result<Vec<i64>> {
    let failed = |error: &dyn Debug| ls_core::Error::Device(format!("{error:?}"));
    let data = tensor.try_into_data_as::<i64>();
    let values = data.map_err(|error| failed(&error))?.try_to_vec::<i64>();
    Ok(values.map_err(|error| failed(&error))?)
}

fn labels(samples: &Samples) -> Vec<usize> {
    samples.labels().iter().map(|&y| usize::from(y)).collect()
}

fn batch(samples: &Samples, preprocessing: &Preprocessing, device: &Device) -> Result<Batch> {
    Ok(Batch::full(
        preprocessing.inputs(samples.pixels(), samples.pixel_max(), device)?,
        index_tensor(&labels(samples), device),
    ))
}
