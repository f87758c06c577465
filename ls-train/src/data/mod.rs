//! A data set on a device.

mod fingerprint;
mod loader;
mod standardization;

use burn::tensor::{Device, Int, Tensor, TensorData};
use ls_core::batch::Batch;
use ls_core::shape::FeatureShape;
use ls_datasets::{Dataset, ImageShape, Samples};

pub use fingerprint::Fingerprint;
pub use loader::{Blocks, SplitLoader};
pub use standardization::Standardization;

use crate::Result;
use crate::config::Plan;

/// Both splits, standardised by the training split.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Name of the data set.
    pub name: String,
    /// Shape of one sample.
    pub shape: FeatureShape,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// All training samples.
    pub train: Batch,
    /// All test samples.
    pub test: Batch,
    /// What tells this data from other data.
    pub fingerprint: Fingerprint,
    /// What a reader should know about the data, such as which parts of it were found.
    pub note: Option<String>,
}

impl Splits {
    /// Loads the data that a plan names.
    ///
    /// # Errors
    /// [`crate::Error::Data`], naming the file, the field, what was found and what was expected.
    pub fn load(plan: &Plan, device: &Device) -> Result<Self> {
        let data = &plan.config().data;
        let dataset = plan.source().load(data.folder.as_deref())?;
        Self::new(dataset, data.limit, device)
    }

    /// Puts a data set on a device, the first `limit` training samples of it.
    ///
    /// # Errors
    /// [`crate::Error::Data`] for a limit of 0.
    pub fn new(dataset: Dataset, limit: Option<usize>, device: &Device) -> Result<Self> {
        let train = match limit {
            Some(limit) => dataset.train.first(limit)?,
            None => dataset.train,
        };
        let standardization = Standardization::fit(&train);
        Ok(Self {
            fingerprint: Fingerprint::of(&dataset.name, &train, &dataset.test),
            name: dataset.name,
            shape: feature_shape(train.shape()),
            classes: train.classes().to_vec(),
            train: batch(&train, &standardization, device),
            test: batch(&dataset.test, &standardization, device),
            note: dataset.note,
        })
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

fn batch(samples: &Samples, standardization: &Standardization, device: &Device) -> Batch {
    let pixels = standardization.apply(samples);
    let labels: Vec<i64> = samples.labels().iter().map(|&y| i64::from(y)).collect();
    let (count, features) = (samples.len(), samples.shape().features());
    Batch::full(
        Tensor::from_data(TensorData::new(pixels, [count, features]), device),
        Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device),
    )
}
