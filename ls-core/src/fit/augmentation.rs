//! Random changes of the images of a batch.

use burn::tensor::{Int, Tensor, TensorData};
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::batch::Batch;
use crate::shape::FeatureShape;
use crate::{Error, Result};

/// Stream of random numbers beside those of the batches, the order of the batches and the validation split.
const STREAM: u64 = 4;

/// Largest shift, as a part of a side.
const SHIFT: usize = 8;

/// Smallest side of a cropped image, as a part of the whole one.
const CROP: f64 = 0.8;

/// A random change of an image.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ImageChange {
    /// Moves the image by up to an eighth of its sides; the background moves in.
    Shift,
    /// Mirrors the image left to right, in half of all cases.
    Flip,
    /// Takes out a part of at least 0.8 of each side and enlarges it to the whole, by the nearest pixel.
    Crop,
}

impl ImageChange {
    /// All of them, in the order in which help lists them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name on the command line and in files.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Random changes of the images of every batch. They follow from seed, sweep and batch alone, so that a resumed run sees the same ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    changes: Vec<ImageChange>,
    channels: usize,
    height: usize,
    width: usize,
    /// Value of a pixel beyond the edge, by channel.
    background: Vec<f64>,
}

impl Augmentation {
    /// Changes of images of a shape. `background` holds the value of a pixel beyond the edge for each channel.
    ///
    /// # Errors
    /// [`Error::Settings`] for samples that are no images, and [`Error::ShapeMismatch`] for another number of channels.
    pub fn new(
        changes: Vec<ImageChange>,
        shape: FeatureShape,
        background: Vec<f64>,
    ) -> Result<Self> {
        let FeatureShape::Image {
            channels,
            height,
            width,
        } = shape
        else {
            return Err(Error::Settings {
                of: "augment".into(),
                reason: format!(
                    "only images can be shifted, flipped and cropped, and a sample is a vector of {shape} features"
                ),
            });
        };
        if height == 1 || width == 1 {
            return Err(Error::Settings {
                of: "augment".into(),
                reason: format!(
                    "only images can be shifted, flipped and cropped, and samples of {shape} are rows of numbers"
                ),
            });
        }
        if background.len() != channels {
            return Err(Error::ShapeMismatch {
                what: "channels of the background".into(),
                expected: channels,
                found: background.len(),
            });
        }
        Ok(Self {
            changes,
            channels,
            height,
            width,
            background,
        })
    }

    /// Returns a batch with changed images.
    pub(super) fn apply(&self, batch: &Batch, seed: u64, sweep: usize) -> Batch {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        random.set_stream(STREAM << 56 | (sweep as u64) << 28 | batch.block as u64);
        let samples = batch.len();
        let features = self.channels * self.height * self.width;
        let mut sources = Vec::with_capacity(samples * features);
        for _ in 0..samples {
            self.push_sources(&View::draw(self, &mut random), &mut sources);
        }
        let device = batch.inputs.device();
        let sources = TensorData::new(sources, [samples, features]);
        let sources = Tensor::<2, Int>::from_data(sources, &device);
        let background = TensorData::new(self.background.clone(), [1, self.channels]);
        let background = Tensor::<2>::from_data(background.convert::<f32>(), &device)
            .cast(batch.inputs.dtype())
            .expand([samples, self.channels]);
        let extended = Tensor::cat(vec![batch.inputs.clone(), background], 1);
        batch.with_inputs(extended.gather(1, sources))
    }

    /// Adds the place of the source of every feature of one sample; the background of a channel stands behind all features.
    fn push_sources(&self, view: &View, sources: &mut Vec<i64>) {
        let plane = self.height * self.width;
        for channel in 0..self.channels {
            for row in 0..self.height {
                for column in 0..self.width {
                    let source = match view.source(row, column) {
                        Some((row, column)) => channel * plane + row * self.width + column,
                        None => self.channels * plane + channel,
                    };
                    sources.push(source as i64);
                }
            }
        }
    }
}

/// A part of an interval of pixels, enlarged to its length, mirrored or not, and moved.
#[derive(Clone, Copy, Debug)]
struct ImageAxis {
    length: usize,
    start: usize,
    part: usize,
    is_mirrored: bool,
    shift: isize,
}

impl ImageAxis {
    /// The place that a pixel comes from; `None` beyond the edge.
    fn source(&self, place: usize) -> Option<usize> {
        let place = place.checked_add_signed(-self.shift)?;
        let place = (place < self.length).then_some(place)?;
        let place = match self.is_mirrored {
            true => self.length - 1 - place,
            false => place,
        };
        Some(self.start + place * self.part / self.length)
    }
}

/// The changes of one image.
#[derive(Clone, Copy, Debug)]
struct View {
    rows: ImageAxis,
    columns: ImageAxis,
}

impl View {
    fn draw(augmentation: &Augmentation, random: &mut ChaCha12Rng) -> Self {
        let has = |change| augmentation.changes.contains(&change);
        let mut axis = |length: usize| {
            let least = (CROP * length as f64).ceil() as usize;
            let part = match has(ImageChange::Crop) {
                true => random.random_range(least..=length),
                false => length,
            };
            let start = random.random_range(0..=length - part);
            let most = match has(ImageChange::Shift) {
                true => length / SHIFT,
                false => 0,
            };
            ImageAxis {
                length,
                start,
                part,
                is_mirrored: false,
                shift: random.random_range(0..=2 * most) as isize - most as isize,
            }
        };
        let rows = axis(augmentation.height);
        let columns = axis(augmentation.width);
        let is_mirrored = has(ImageChange::Flip) && random.random_bool(0.5);
        Self {
            rows,
            columns: ImageAxis {
                is_mirrored,
                ..columns
            },
        }
    }

    fn source(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        Some((self.rows.source(row)?, self.columns.source(column)?))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::linalg::to_f64;

    const SHAPE: FeatureShape = FeatureShape::Image {
        channels: 2,
        height: 8,
        width: 16,
    };

    /// Images whose pixels are all different, the second channel negative.
    fn batch(samples: usize) -> Batch {
        let device = Device::flex();
        let values: Vec<f32> = (0..samples * 256)
            .map(|i| (i % 256) as f32 + 1.0)
            .map(|v| if v > 128.0 { 128.0 - v } else { v })
            .collect();
        let inputs = Tensor::from_data(TensorData::new(values, [samples, 256]), &device);
        let labels = Tensor::<1, Int>::zeros([samples], &device);
        Batch::full(inputs, labels)
    }

    fn changed(changes: &[ImageChange], seed: u64, sweep: usize) -> Vec<f64> {
        let own = Augmentation::new(changes.to_vec(), SHAPE, vec![0.0, -0.5]).unwrap();
        to_f64(own.apply(&batch(64), seed, sweep).inputs).unwrap()
    }

    #[test]
    fn without_changes_images_stay() {
        let before = to_f64(batch(64).inputs).unwrap();
        assert_eq!(changed(&[], 1, 1), before);
    }

    #[test]
    fn changes_follow_from_seed_and_sweep() {
        let all = [ImageChange::Shift, ImageChange::Flip, ImageChange::Crop];
        assert_eq!(changed(&all, 1, 1), changed(&all, 1, 1));
        assert_ne!(changed(&all, 1, 1), changed(&all, 1, 2));
        assert_ne!(changed(&all, 1, 1), changed(&all, 2, 1));
    }

    #[test]
    fn half_of_the_images_are_mirrored_and_the_others_stay() {
        let before = to_f64(batch(64).inputs).unwrap();
        let after = changed(&[ImageChange::Flip], 1, 1);
        let mut mirrored = 0;
        for (before, after) in before.chunks(256).zip(after.chunks(256)) {
            let rows = before.chunks(16);
            let mirror: Vec<f64> = rows.flat_map(|row| row.iter().rev().copied()).collect();
            assert!(after == before || after == mirror);
            mirrored += usize::from(after == mirror);
        }
        // 64 throws of a coin: outside of these bounds with a probability of 1e-4.
        assert!((16..=48).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn a_shift_moves_all_channels_alike_and_lets_their_background_in() {
        let after = changed(&[ImageChange::Shift], 1, 1);
        for image in after.chunks(256) {
            let (first, second) = image.split_at(128);
            for (a, b) in first.iter().zip(second) {
                let is_background = *a == 0.0;
                assert_eq!(is_background, *b == -0.5);
                assert!(is_background || *b == -*a, "{a} {b}");
            }
            // One row of eight and two columns of sixteen at most.
            let background = first.iter().filter(|value| **value == 0.0).count();
            assert!(background <= 16 + 2 * 8, "{background}");
        }
        assert!(after.contains(&0.0));
    }

    #[test]
    fn a_crop_shows_a_part_in_order_and_no_background() {
        let before = to_f64(batch(1).inputs).unwrap();
        let after = changed(&[ImageChange::Crop], 1, 1);
        let is_ordered = |image: &[f64]| image[..16].windows(2).all(|pair| pair[0] <= pair[1]);
        assert!(after.chunks(256).all(is_ordered));
        assert!(after.iter().all(|value| before.contains(value)));
        assert!(after.chunks(256).any(|image| image != before));
    }

    #[test]
    fn vectors_and_other_channels_are_refused() {
        let flat = Augmentation::new(vec![ImageChange::Flip], FeatureShape::Flat(7), vec![0.0]);
        let message = flat.unwrap_err().to_string();
        assert!(message.contains("a vector of 7 features"), "{message}");
        let table = FeatureShape::Image {
            channels: 1,
            height: 1,
            width: 7,
        };
        let row = Augmentation::new(vec![ImageChange::Flip], table, vec![0.0]);
        assert!(row.unwrap_err().to_string().contains("rows of numbers"));
        let channels = Augmentation::new(vec![], SHAPE, vec![0.0]);
        assert!(matches!(channels, Err(Error::ShapeMismatch { .. })));
    }
}
