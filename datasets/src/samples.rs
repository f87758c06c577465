use crate::{Error, ImageShape, PixelScale};

/// Largest accepted number of channels, height or width.
pub(crate) const SIDE_LIMIT: u64 = 4096;

/// Largest accepted number of classes, because labels are bytes.
pub(crate) const CLASSES_LIMIT: usize = 256;

/// Checks that a size stated by a file or a caller satisfies `1 <= found <= limit`.
pub(crate) fn check_size(
    file: &str,
    field: &'static str,
    found: u64,
    limit: u64,
) -> Result<(), Error> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(Error::SizeOutOfRange {
        file: file.to_owned(),
        field,
        found,
        limit,
    })
}

/// At least one labelled image; all images have one shape.
///
/// Sample `i` is the image `pixels[i · features .. (i + 1) · features]` and the class `labels[i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    shape: ImageShape,
    pixels: Vec<u8>,
    scale: PixelScale,
    labels: Vec<u8>,
    classes: Vec<String>,
}

impl Samples {
    /// Combines images and labels; errors name `origin` as their file.
    ///
    /// `pixels` holds `labels.len() · shape.features()` values from 0 to `pixel_max`; a label is an index into
    /// `classes`, from 0.
    ///
    /// # Errors
    /// - [`Error::NoSamples`] when there is no label,
    /// - [`Error::SizeOutOfRange`] when a side of the shape is 0 or above 4096, or `pixel_max` is 0,
    /// - [`Error::PixelCount`] when the number of pixels does not match the number of labels,
    /// - [`Error::PixelOutOfRange`] and [`Error::LabelOutOfRange`] for the first value out of its range.
    pub fn new(
        origin: &str,
        shape: ImageShape,
        pixels: Vec<u8>,
        pixel_max: u8,
        labels: Vec<u8>,
        classes: Vec<String>,
    ) -> Result<Self, Error> {
        if labels.is_empty() {
            return Err(Error::NoSamples {
                file: origin.to_owned(),
            });
        }
        check_shape(origin, shape)?;
        let pixel_limit = u8::MAX.into();
        check_size(origin, "largest pixel value", pixel_max.into(), pixel_limit)?;
        let samples = Self {
            shape,
            pixels,
            scale: PixelScale::integers(pixel_max),
            labels,
            classes,
        };
        samples.check_pixels(origin)?;
        check_labels(origin, &samples.labels, samples.classes.len())?;
        Ok(samples)
    }

    fn check_pixels(&self, origin: &str) -> Result<(), Error> {
        let (found, samples, shape) = (self.pixels.len(), self.len(), self.shape);
        if shape.features().checked_mul(samples) != Some(found) {
            return Err(Error::PixelCount {
                file: origin.to_owned(),
                found,
                samples,
                shape,
            });
        }
        check_pixels(origin, &self.pixels, shape, self.pixel_max())
    }

    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns `false`: [`new`](Self::new) refuses to build an empty value.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns all pixels, image after image, from 0 to [`pixel_max`](Self::pixel_max).
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns one label per sample, below the number of classes.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Returns the pixels of sample `i` (from 0), or `None` past the end.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        self.pixels.chunks_exact(self.shape.features()).nth(i)
    }

    /// Returns the shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Returns the class names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the pixel value of full intensity: 16 for the embedded digits, as a table says for `csv`, 255 for the other data sets.
    pub fn pixel_max(&self) -> u8 {
        self.scale.pixel_max()
    }

    /// Returns the numbers that the pixels stand for: themselves, unless they were read from a table of other numbers.
    pub fn scale(&self) -> PixelScale {
        self.scale
    }

    /// Replaces the numbers that the pixels stand for by those of a scale with the same largest pixel.
    pub(crate) fn with_scale(self, scale: PixelScale) -> Self {
        Self { scale, ..self }
    }

    /// Copies the first `n` samples, or all of them when there are fewer.
    ///
    /// # Errors
    /// [`Error::NoSamples`] when `n` is 0.
    pub fn first(&self, n: usize) -> Result<Self, Error> {
        if n == 0 {
            return Err(Error::NoSamples {
                file: "a selection of the first 0 samples".to_owned(),
            });
        }
        let n = n.min(self.len());
        Ok(Self {
            shape: self.shape,
            pixels: self.pixels[..n * self.shape.features()].to_vec(),
            scale: self.scale,
            labels: self.labels[..n].to_vec(),
            classes: self.classes.clone(),
        })
    }

    /// Copies the samples of the given indices (from 0), in their order.
    ///
    /// # Errors
    /// [`Error::NoSamples`] when `indices` is empty.
    ///
    /// # Panics
    /// When an index is past the end.
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        if indices.is_empty() {
            return Err(Error::NoSamples {
                file: "an empty selection of samples".to_owned(),
            });
        }
        let features = self.shape.features();
        let image = |&i: &usize| &self.pixels[i * features..(i + 1) * features];
        Ok(Self {
            shape: self.shape,
            pixels: indices.iter().flat_map(image).copied().collect(),
            scale: self.scale,
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            classes: self.classes.clone(),
        })
    }

    /// Returns all pixels as `pixel / pixel_max`, in 0..=1; row-major `[samples, features]`.
    pub fn scaled(&self) -> Vec<f32> {
        let full = f32::from(self.pixel_max());
        self.pixels
            .iter()
            .map(|&pixel| f32::from(pixel) / full)
            .collect()
    }

    /// Returns the number of samples of each class, in the order of [`classes`](Self::classes).
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}

/// Checks that every side of an image is within the limit.
fn check_shape(origin: &str, shape: ImageShape) -> Result<(), Error> {
    let sides = [
        ("channels", shape.channels),
        ("height", shape.height),
        ("width", shape.width),
    ];
    for (field, side) in sides {
        check_size(origin, field, side as u64, SIDE_LIMIT)?;
    }
    Ok(())
}

/// Checks that an image has the required shape.
pub(crate) fn check_same_shape(
    file: &str,
    found: ImageShape,
    expected: ImageShape,
) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        file: file.to_owned(),
        found,
        expected,
    })
}

/// Checks that no pixel of images of one shape is above `limit`.
pub(crate) fn check_pixels(
    file: &str,
    pixels: &[u8],
    shape: ImageShape,
    limit: u8,
) -> Result<(), Error> {
    match pixels.iter().position(|&pixel| pixel > limit) {
        None => Ok(()),
        Some(at) => Err(Error::PixelOutOfRange {
            file: file.to_owned(),
            sample: at / shape.features(),
            found: pixels[at],
            limit,
        }),
    }
}

/// Checks that every label is below the number of classes.
pub(crate) fn check_labels(file: &str, labels: &[u8], classes: usize) -> Result<(), Error> {
    match labels
        .iter()
        .position(|&label| usize::from(label) >= classes)
    {
        None => Ok(()),
        Some(sample) => {
            let found = labels[sample];
            Err(Error::LabelOutOfRange {
                file: file.to_owned(),
                sample,
                found,
                classes,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape {
        channels: 1,
        height: 1,
        width: 2,
    };

    fn samples(
        shape: ImageShape,
        pixels: &[u8],
        pixel_max: u8,
        labels: &[u8],
    ) -> Result<Samples, Error> {
        let classes = vec!["no".to_owned(), "yes".to_owned()];
        Samples::new(
            "here",
            shape,
            pixels.to_vec(),
            pixel_max,
            labels.to_vec(),
            classes,
        )
    }

    fn three() -> Samples {
        samples(SHAPE, &[0, 1, 2, 3, 4, 5], 5, &[1, 0, 1]).unwrap()
    }

    #[test]
    fn accessors_return_what_was_put_in() {
        let samples = three();
        assert_eq!(
            (samples.len(), samples.is_empty(), samples.pixel_max()),
            (3, false, 5)
        );
        assert_eq!(samples.pixels(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(samples.labels(), [1, 0, 1]);
        assert_eq!(samples.classes(), ["no", "yes"]);
        assert_eq!(samples.shape(), SHAPE);
        assert_eq!(samples.class_counts(), [1, 2]);
    }

    #[test]
    fn an_image_past_the_end_is_none() {
        assert_eq!(three().image(2), Some(&[4, 5][..]));
        assert_eq!(three().image(3), None);
        assert_eq!(three().image(usize::MAX), None);
    }

    #[test]
    fn scaling_maps_the_largest_pixel_to_one() {
        assert_eq!(three().scaled(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    }

    #[test]
    fn first_keeps_the_leading_samples_and_never_more_than_there_are() {
        let two = three().first(2).unwrap();
        assert_eq!(
            (two.pixels(), two.labels()),
            (&[0, 1, 2, 3][..], &[1, 0][..])
        );
        assert_eq!(three().first(usize::MAX).unwrap(), three());
        assert!(matches!(three().first(0), Err(Error::NoSamples { .. })));
    }

    #[test]
    fn every_broken_invariant_has_its_own_message() {
        let flat = ImageShape { height: 0, ..SHAPE };
        let huge = ImageShape {
            channels: 5000,
            ..SHAPE
        };
        let cases = [
            (samples(SHAPE, &[], 5, &[]), "here holds no samples"),
            (
                samples(flat, &[], 5, &[0]),
                "here: height = 0 is outside 1 to 4096",
            ),
            (
                samples(huge, &[], 5, &[0]),
                "here: channels = 5000 is outside 1 to 4096",
            ),
            (
                samples(SHAPE, &[0, 0], 0, &[0]),
                "here: largest pixel value = 0 is outside 1 to 255",
            ),
            (
                samples(SHAPE, &[0, 0, 0], 5, &[0]),
                "here: 3 pixels for 1 samples of shape 1×1×2",
            ),
            (
                samples(SHAPE, &[0, 0, 0, 9], 5, &[0, 0]),
                "here: pixel 9 in sample 1 (from 0) is above 5",
            ),
            (
                samples(SHAPE, &[0, 0, 0, 0], 5, &[0, 2]),
                "here: label 2 of sample 1 (from 0) is not below the number of classes, 2",
            ),
        ];
        for (result, expected) in cases {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    }
}
