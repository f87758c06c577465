//! How pixels become the inputs of a network: stored with every model, so that it can be used without its data set.

use burn::tensor::{Device, Tensor, TensorData};
use ls_core::shape::FeatureShape;
use ls_datasets::{ImageShape, Samples};
use serde::{Deserialize, Serialize};

use super::{Standardization, feature_shape};

/// Shape and range of the images of a network, the names of its classes, and the standardisation of its training split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Preprocessing {
    /// Colour channels.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Pixel value of full intensity.
    pub pixel_max: u8,
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Mean and deviation of the training split.
    pub standardization: Standardization,
}

impl Preprocessing {
    /// Fits to a training split.
    pub fn fit(train: &Samples) -> Self {
        let shape = train.shape();
        Self {
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            pixel_max: train.pixel_max(),
            classes: train.classes().to_vec(),
            standardization: Standardization::fit(train),
        }
    }

    /// Checks that every image of the shape can be standardised to finite numbers.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        let own = &self.standardization;
        let sides = [self.channels, self.height, self.width];
        if !sides.iter().all(|side| (1..=4096).contains(side)) {
            return Err("channels, height and width must be from 1 to 4096");
        }
        if self.pixel_max == 0 || self.classes.len() < 2 {
            return Err("pixel-max must be 1 or more, and there must be two classes or more");
        }
        if own.mean.len() != self.channels || own.deviation.len() != self.channels {
            return Err("there must be a mean and a deviation for each channel");
        }
        let is_finite = own.mean.iter().all(|mean| mean.is_finite());
        let is_positive = own.deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        if !is_finite || !is_positive {
            return Err("means must be finite, and deviations finite and greater than 0");
        }
        Ok(())
    }

    /// Shape of one image.
    pub fn shape(&self) -> ImageShape {
        ImageShape {
            channels: self.channels,
            height: self.height,
            width: self.width,
        }
    }

    /// Shape of one image as features.
    pub fn feature_shape(&self) -> FeatureShape {
        feature_shape(self.shape())
    }

    /// Inputs of a network, `[images, features]`, from the pixels of images one after the other, of which `pixel_max` is full
    /// intensity.
    pub fn inputs(&self, pixels: &[u8], pixel_max: u8, device: &Device) -> Tensor<2> {
        let features = self.shape().features();
        let values = self.standardization.apply(pixels, self.shape(), pixel_max);
        let data = TensorData::new(values, [pixels.len() / features, features]);
        Tensor::from_data(data, device)
    }
}
