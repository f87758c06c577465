//! Pictures: PNG and JPEG files, decoded within limits.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::input::{Input, cleaned};
use crate::samples::{SIDE_LIMIT, check_size};
use crate::{Error, ImageShape};

/// Two bytes for each of four channels of the largest image, and some: more is no image of ours.
const FILE_LIMIT: u64 = 1 << 28;
/// Neither format packs more bytes into one: 1,032 is the limit of deflate, JPEG stays below with one bit a block.
const PACKING: u64 = 2048;
/// What a decoder may need beside the pixels.
const DECODER_BYTES: u64 = 1 << 16;

/// Reads and decodes a file, by what it holds rather than by its name.
pub(crate) fn read(input: &mut Input) -> Result<DynamicImage, Error> {
    let bytes = input.read_at_most(FILE_LIMIT + 1)?;
    decode(input.name(), &bytes)
}

/// Decodes a PNG or JPEG; its sides and its pixels must be worth the size of the file.
pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<DynamicImage, Error> {
    check_size(file, "size in bytes", bytes.len() as u64, FILE_LIMIT)?;
    let most = PACKING * bytes.len() as u64;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format_of(file, bytes)?);
    // The sides are checked below, where the message can name them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most + DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader
        .into_decoder()
        .map_err(|error| refused(file, &error))?;
    let (width, height) = decoder.dimensions();
    check_size(file, "height", height.into(), SIDE_LIMIT)?;
    check_size(file, "width", width.into(), SIDE_LIMIT)?;
    if decoder.total_bytes() > most {
        let size = bytes.len();
        let reason = format!("{width} × {height} pixels do not fit into its {size} bytes");
        return Err(refused(file, &reason));
    }
    DynamicImage::from_decoder(decoder).map_err(|error| refused(file, &error))
}

fn refused(file: &str, reason: &dyn ToString) -> Error {
    Error::NotAPicture {
        file: file.to_owned(),
        reason: cleaned(&reason.to_string()),
    }
}

/// The format, which must be one of ours, of a file that has not been cut.
fn format_of(file: &str, bytes: &[u8]) -> Result<ImageFormat, Error> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) if is_cut(bytes) => {
            Err(refused(file, &"it ends before the image does"))
        }
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => Ok(format),
        _ => Err(refused(file, &"it is neither PNG nor JPEG")),
    }
}

/// Whether the end marker of a JPEG is missing, for which the decoder would make up grey pixels without a word.
fn is_cut(jpeg: &[u8]) -> bool {
    // Neither marker occurs within the data of a scan; a preview comes with both, before the last scan.
    let last = |marker| jpeg.windows(2).rposition(|bytes| bytes == [0xff, marker]);
    let (scan, end) = (last(0xda), last(0xd9));
    end.is_none() || end < scan
}

/// Pixels of one image, of 1 or 3 channels in CHW order; 16 bits become 8, transparency is dropped.
pub(crate) struct Picture {
    pub(crate) shape: ImageShape,
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// One channel of a grey image, three of every other.
    pub(crate) fn new(image: &DynamicImage) -> Self {
        if image.color().has_color() {
            Self::coloured(image)
        } else {
            Self::grey(image)
        }
    }

    /// One channel, whatever the image has.
    pub(crate) fn grey(image: &DynamicImage) -> Self {
        Self {
            shape: shape(image, 1),
            pixels: image.to_luma8().into_raw(),
        }
    }

    /// Three channels, whatever the image has.
    pub(crate) fn coloured(image: &DynamicImage) -> Self {
        let mixed = image.to_rgb8().into_raw();
        let channel = |c| mixed.iter().skip(c).step_by(3).copied();
        Self {
            shape: shape(image, 3),
            pixels: (0..3).flat_map(channel).collect(),
        }
    }
}

/// Shape of an image with so many channels.
pub(crate) fn shape(image: &DynamicImage, channels: usize) -> ImageShape {
    ImageShape {
        channels,
        height: image.height() as usize,
        width: image.width() as usize,
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, RgbImage, Rgba};

    use super::*;
    use crate::testing::{colour, encoded, grey};

    #[test]
    fn sixteen_bits_become_eight_and_transparency_is_dropped() {
        let deep = ImageBuffer::from_pixel(1, 1, Luma([0xffff_u16]));
        let veiled = ImageBuffer::from_pixel(1, 1, LumaA([9_u8, 1]));
        let clear = ImageBuffer::from_pixel(1, 1, Rgba([1_u8, 2, 3, 0]));
        let cases: [(DynamicImage, &[u8]); 3] = [
            (deep.into(), &[255]),
            (veiled.into(), &[9]),
            (clear.into(), &[1, 2, 3]),
        ];
        for (image, expected) in cases {
            let image = decode("x", &encoded(&image, ImageFormat::Png)).unwrap();
            assert_eq!(Picture::new(&image).pixels, expected);
        }
    }

    #[test]
    fn a_jpeg_is_read_whatever_its_file_is_called() {
        let image = decode("x.png", &encoded(&colour([200; 3]), ImageFormat::Jpeg)).unwrap();
        let picture = Picture::new(&image);
        assert_eq!(picture.shape.to_string(), "3×2×2");
        // A uniform image survives JPEG within rounding.
        assert!(picture.pixels.iter().all(|&pixel| pixel.abs_diff(200) <= 2));
    }

    #[test]
    fn a_cut_image_is_an_error_at_any_length() {
        let noisy = RgbImage::from_fn(20, 20, |x, y| {
            image::Rgb([(x * y) as u8, (7 * x) as u8, y as u8])
        });
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(&noisy.clone().into(), format);
            // The last chunk of a PNG, of twelve bytes, says no more than that it is the last.
            let end = if format == ImageFormat::Png {
                whole.len() - 12
            } else {
                whole.len()
            };
            for length in 1..end {
                assert!(
                    decode("x", &whole[..length]).is_err(),
                    "{format:?} cut to {length} of {end}"
                );
            }
        }
    }

    /// A PNG of one grey pixel with other sides in its header, and the checksum that belongs to them.
    fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = encoded(&grey(1, 0), ImageFormat::Png);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        bytes
    }

    #[test]
    fn sizes_that_a_file_cannot_hold_are_refused_before_decoding() {
        let error = |width, height| {
            let bytes = png_that_claims(width, height);
            let error = decode("x", &bytes).err().unwrap().to_string();
            error.replace(&bytes.len().to_string(), "N")
        };
        assert_eq!(error(4097, 1), "x: width = 4097 is outside 1 to 4096");
        assert_eq!(
            error(4096, 4096),
            "x is not a picture that can be read: 4096 × 4096 pixels do not fit into its N bytes"
        );
    }
}
