//! The readers on bytes alone, for tests with arbitrary input; not a part of the interface.

use crate::images::FileFormat;
use crate::input::{BYTES_LIMIT, Input};
use crate::source::{cifar10, csv, digits};
use crate::{Dataset, Error, ImageShape, Images, PixelScale, Samples, idx, picture};

/// Reads the images of an IDX file, compressed or not; returns their shape and pixels.
pub fn idx_images(bytes: &[u8], is_gzip: bool) -> Result<(ImageShape, Vec<u8>), Error> {
    idx::read_images(&mut input(bytes, is_gzip))
}

/// Reads the labels of an IDX file, compressed or not.
pub fn idx_labels(bytes: &[u8], is_gzip: bool) -> Result<Vec<u8>, Error> {
    idx::read_labels(&mut input(bytes, is_gzip))
}

/// Reads a batch of CIFAR-10; returns pixels and labels.
pub fn cifar_batch(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let size = bytes.len() as u64;
    let batch = cifar10::Records::read(&mut input(bytes, false), size)?;
    Ok((batch.pixels, batch.labels))
}

/// Reads the archive of CIFAR-10.
pub fn cifar_archive(bytes: &[u8]) -> Result<Dataset, Error> {
    cifar10::read_archive("bytes", bytes, BYTES_LIMIT)?.into_dataset("bytes")
}

/// Reads the text of the embedded digits.
pub fn digits(bytes: &[u8]) -> Result<Samples, Error> {
    digits::parse("bytes", bytes)
}

/// Reads a table with labels.
pub fn csv(bytes: &[u8]) -> Result<Samples, Error> {
    csv::parse("bytes", bytes)
}

/// Reads a PNG or JPEG; returns its shape and pixels.
pub fn image(bytes: &[u8]) -> Result<(ImageShape, Vec<u8>), Error> {
    picture::read(&mut input(bytes, false))
}

/// Reads a table of images without labels.
pub fn images_csv(bytes: &[u8], shape: ImageShape, pixel_max: u8) -> Result<Images, Error> {
    let scale = PixelScale::integers(pixel_max);
    Images::parse(&mut input(bytes, false), FileFormat::Csv, shape, scale)
}

/// Reads a picture without a label.
pub fn images_picture(bytes: &[u8], shape: ImageShape, resize: bool) -> Result<Images, Error> {
    let format = FileFormat::Picture { resize };
    Images::parse(
        &mut input(bytes, false),
        format,
        shape,
        PixelScale::integers(u8::MAX),
    )
}

fn input(bytes: &[u8], is_gzip: bool) -> Input<'_> {
    if is_gzip {
        Input::gzip("bytes", bytes)
    } else {
        Input::plain("bytes", bytes)
    }
}
