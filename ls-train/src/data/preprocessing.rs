//! How pixels become the inputs of a network: stored with every model, so that it can be used without its data set.
//! Data of an application are no pixels: they are taken as they are.

use burn::tensor::{Device, Tensor, TensorData};
use ls_core::shape::FeatureShape;
use ls_datasets::{ImageShape, PixelScale, Samples};
use serde::{Deserialize, Serialize};

use super::{SampleKind, Standardization, feature_shape};
use crate::Error;

/// Shape and range of the images of a network, the names of its classes, and the standardisation of its training split.
///
/// Range and standardisation are missing where the inputs are numbers of an application; a plain vector is then an image of
/// one row.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_max: Option<u8>,
    /// Number of full intensity in tables, where it is another one: pixels are then rounded to `pixel-max` equal steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_intensity: Option<f64>,
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Mean and deviation of the training split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardization: Option<Standardization>,
}

impl Preprocessing {
    /// Fits to a training split.
    pub fn fit(train: &Samples) -> Self {
        let shape = train.shape();
        Self {
            channels: shape.channels,
            height: shape.height,
            width: shape.width,
            pixel_max: Some(train.pixel_max()),
            full_intensity: Some(train.scale())
                .filter(|scale| !scale.is_of_integers())
                .map(PixelScale::full),
            classes: train.classes().to_vec(),
            standardization: Some(Standardization::fit(train)),
        }
    }

    /// None at all: the numbers of an application.
    pub(super) fn identity(kind: &SampleKind) -> Self {
        let [channels, height, width] = match kind.shape {
            FeatureShape::Flat(features) => [1, 1, features],
            FeatureShape::Image {
                channels,
                height,
                width,
            } => [channels, height, width],
        };
        Self {
            channels,
            height,
            width,
            pixel_max: None,
            full_intensity: None,
            classes: kind.classes.clone(),
            standardization: None,
        }
    }

    /// Whether the inputs are numbers of an application.
    pub fn is_identity(&self) -> bool {
        self.standardization.is_none()
    }

    /// Checks that every image of the shape can be standardised to finite numbers.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.classes.len() < 2 {
            return Err("there must be two classes or more");
        }
        let sides = [self.channels, self.height, self.width];
        let (Some(pixel_max), Some(own)) = (self.pixel_max, &self.standardization) else {
            if self.pixel_max.is_some() || self.standardization.is_some() {
                return Err("pixel-max and standardization must be given both or not at all");
            }
            let is_sensible = sides.iter().all(|side| (1..=1_000_000).contains(side));
            return match is_sensible {
                true => Ok(()),
                false => Err("channels, height and width must be from 1 to 1,000,000"),
            };
        };
        if !sides.iter().all(|side| (1..=4096).contains(side)) {
            return Err("channels, height and width must be from 1 to 4096");
        }
        if pixel_max == 0 {
            return Err("pixel-max must be 1 or more");
        }
        if !self
            .full_intensity
            .is_none_or(|full| full > 0.0 && full.is_finite())
        {
            return Err("full-intensity must be finite and greater than 0");
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

    /// Returns the pixels of numbers in tables; `None` where the inputs are numbers of an application.
    pub fn scale(&self) -> Option<PixelScale> {
        let of_steps = self.full_intensity.map(PixelScale::steps);
        of_steps.or(self.pixel_max.map(PixelScale::integers))
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
    ///
    /// # Errors
    /// [`Error::NoPixels`] when the inputs are numbers of an application.
    pub fn inputs(
        &self,
        pixels: &[u8],
        pixel_max: u8,
        device: &Device,
    ) -> crate::Result<Tensor<2>> {
        let own = self.standardization.as_ref().ok_or(Error::NoPixels)?;
        let features = self.shape().features();
        let values = own.apply(pixels, self.shape(), pixel_max);
        let data = TensorData::new(values, [pixels.len() / features, features]);
        Ok(Tensor::from_data(data, device))
    }
}
