//! The readers on bytes alone, for tests that feed them anything; no part of the interface.
//!
//! Each returns what the file holds, in the form `(shape, pixels, labels)`, where the format has it.

use crate::images::Format;
use crate::input::{BYTES_LIMIT, Input};
use crate::picture::{self, Picture};
use crate::source::{cifar10, csv, digits};
use crate::{Dataset, Error, ImageShape, Images, Samples, idx};

/// The images of an IDX file, compressed or not.
pub fn idx_images(bytes: &[u8], is_gzip: bool) -> Result<(ImageShape, Vec<u8>), Error> {
    idx::read_images(&mut input(bytes, is_gzip))
}

/// The labels of an IDX file, compressed or not.
pub fn idx_labels(bytes: &[u8], is_gzip: bool) -> Result<Vec<u8>, Error> {
    idx::read_labels(&mut input(bytes, is_gzip))
}

/// A batch of CIFAR-10: pixels and labels.
pub fn cifar_batch(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let size = bytes.len() as u64;
    let batch = cifar10::Batch::read(&mut input(bytes, false), size)?;
    Ok((batch.pixels, batch.labels))
}

/// The archive of CIFAR-10.
pub fn cifar_archive(bytes: &[u8]) -> Result<Dataset, Error> {
    cifar10::read_archive("bytes", bytes, BYTES_LIMIT)?.into_dataset("bytes")
}

/// The text of the embedded digits.
pub fn digits(bytes: &[u8]) -> Result<Samples, Error> {
    digits::parse("bytes", bytes)
}

/// A table.
pub fn csv(bytes: &[u8]) -> Result<Samples, Error> {
    csv::parse("bytes", bytes)
}

/// A PNG or JPEG.
pub fn image(bytes: &[u8]) -> Result<(ImageShape, Vec<u8>), Error> {
    let picture = Picture::new(&picture::decode("bytes", bytes)?);
    Ok((picture.shape, picture.pixels))
}

/// A table of images to be classified.
pub fn images_csv(bytes: &[u8], shape: ImageShape, pixel_max: u8) -> Result<Images, Error> {
    Images::parse(&mut input(bytes, false), Format::Csv, shape, pixel_max)
}

/// A picture to be classified.
pub fn images_picture(bytes: &[u8], shape: ImageShape, resize: bool) -> Result<Images, Error> {
    let format = Format::Picture { resize };
    Images::parse(&mut input(bytes, false), format, shape, u8::MAX)
}

fn input(bytes: &[u8], is_gzip: bool) -> Input<'_> {
    if is_gzip {
        Input::gzip("bytes", bytes)
    } else {
        Input::plain("bytes", bytes)
    }
}
