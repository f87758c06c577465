//! What the tests of several readers share: compressing, pictures, and damaging a valid file.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A grey image, two pixels high.
pub(crate) fn grey(width: u32, value: u8) -> DynamicImage {
    GrayImage::from_pixel(width, 2, Luma([value])).into()
}

/// An image of two by two pixels.
pub(crate) fn colour(value: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(2, 2, Rgb(value)).into()
}

pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Variants of a file with up to four bytes replaced, possibly cut, possibly with bytes added at the end.
pub(crate) fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let replaced = prop::collection::vec(any::<(Index, u8)>(), 0..=4);
    let cut = prop::option::weighted(0.2, any::<Index>());
    let added = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..=4)];
    (replaced, cut, added).prop_map(move |(replaced, cut, added)| {
        let mut bytes = valid.clone();
        for (at, value) in replaced {
            *at.get_mut(&mut bytes) = value;
        }
        bytes.truncate(cut.map_or(valid.len(), |at| at.index(valid.len())));
        bytes.extend(added);
        bytes
    })
}
