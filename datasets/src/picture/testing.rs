//! Small pictures for the tests of their readers.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

/// Returns a grey image, two pixels high.
pub(crate) fn grey(width: u32, value: u8) -> DynamicImage {
    GrayImage::from_pixel(width, 2, Luma([value])).into()
}

/// Returns an image of two by two pixels.
pub(crate) fn colour(value: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(2, 2, Rgb(value)).into()
}

/// Returns the bytes of a file with this image.
pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
