//! Decoding within limits; PNG and JPEG.

use std::io::{self, Cursor};

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::input::{Input, cleaned};
use crate::samples::{SIDE_LIMIT, check_same_shape, check_size};
use crate::{Error, ImageShape};

/// Four channels of two bytes in the largest image, and some room for headers.
const FILE_LIMIT: u64 = 1 << 28;
/// Most pixel bytes per byte of a file: deflate packs up to 1,032, JPEG stays below with one bit per block.
const PACKING: u64 = 2048;
/// Bytes that a decoder may need in addition to the pixels.
const DECODER_BYTES: u64 = 1 << 16;

/// Reads a picture with one channel if it is grey, else with three.
///
/// Returns the pixels in CHW order; 16 bits become 8, and transparency is dropped. The contents decide the format, not
/// the name of the file.
pub(crate) fn read(input: &mut Input) -> Result<(ImageShape, Vec<u8>), Error> {
    let image = read_image(input)?;
    let channels = if image.color().has_color() { 3 } else { 1 };
    Ok((shape_of(&image, channels), pixels(&image, channels)))
}

/// Reads a picture in a shape of one or three channels, and returns its pixels in CHW order.
///
/// With `resize`, a picture of another size is scaled to the shape.
///
/// # Errors
/// [`Error::ShapeMismatch`] when the picture has another size or `shape` has neither one nor three channels.
pub(crate) fn read_as(
    input: &mut Input,
    shape: ImageShape,
    resize: bool,
) -> Result<Vec<u8>, Error> {
    let mut image = read_image(input)?;
    if resize {
        let (width, height) = (shape.width as u32, shape.height as u32);
        image = image.resize_exact(width, height, FilterType::Triangle);
    }
    let channels = if shape.channels == 1 { 1 } else { 3 };
    check_same_shape(input.name(), shape_of(&image, channels), shape)?;
    Ok(pixels(&image, channels))
}

fn read_image(input: &mut Input) -> Result<DynamicImage, Error> {
    let bytes = input.read_at_most(FILE_LIMIT + 1)?;
    decode(input.name(), &bytes)
}

/// Decodes a PNG or JPEG whose sides and number of pixels are plausible for the size of the file.
fn decode(file: &str, bytes: &[u8]) -> Result<DynamicImage, Error> {
    check_size(file, "size in bytes", bytes.len() as u64, FILE_LIMIT)?;
    let most = PACKING * bytes.len() as u64;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format_of(file, bytes)?);
    // The sides are checked below, where the message can name them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most + DECODER_BYTES);
    reader.limits(limits);
    let damaged = |error: ImageError| refused(file, &reason(&error));
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(file, "height", height.into(), SIDE_LIMIT)?;
    check_size(file, "width", width.into(), SIDE_LIMIT)?;
    if decoder.total_bytes() > most {
        let size = bytes.len();
        let reason = format!("{width} × {height} pixels do not fit into its {size} bytes");
        return Err(refused(file, &reason));
    }
    DynamicImage::from_decoder(decoder).map_err(damaged)
}

/// Returns the reason of a decoder in words: its own messages quote structures of the program.
fn reason(error: &ImageError) -> String {
    let text = error.to_string();
    match error {
        ImageError::IoError(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            "it ends before the image does".into()
        }
        ImageError::Decoding(_) if text.contains("CRC") => {
            "it is damaged: a checksum in it does not fit its contents".into()
        }
        ImageError::Decoding(_) if text.contains(['{', '(']) || text.contains("::") => {
            "it is damaged".into()
        }
        _ => text,
    }
}

fn refused(file: &str, reason: &dyn ToString) -> Error {
    Error::NotAPicture {
        file: file.to_owned(),
        reason: cleaned(&reason.to_string()),
    }
}

/// Returns the format of a file that is PNG or JPEG and has not been cut.
fn format_of(file: &str, bytes: &[u8]) -> Result<ImageFormat, Error> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) if is_cut(bytes) => {
            Err(refused(file, &"it ends before the image does"))
        }
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => Ok(format),
        _ => Err(refused(file, &"it is neither PNG nor JPEG")),
    }
}

/// Returns whether the end marker of a JPEG is missing; the decoder would silently fill the rest with grey.
fn is_cut(jpeg: &[u8]) -> bool {
    // Neither marker occurs within the data of a scan; a preview comes with both, before the last scan.
    let last = |marker| jpeg.windows(2).rposition(|bytes| bytes == [0xff, marker]);
    let (scan, end) = (last(0xda), last(0xd9));
    end.is_none() || end < scan
}

/// Returns the pixels in CHW order, converted to one channel or to three.
fn pixels(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let interleaved = image.to_rgb8().into_raw();
    let channel = |c| interleaved.iter().skip(c).step_by(3).copied();
    (0..3).flat_map(channel).collect()
}

fn shape_of(image: &DynamicImage, channels: usize) -> ImageShape {
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
    use crate::picture::testing::{colour, encoded, grey};

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
            let bytes = encoded(&image, ImageFormat::Png);
            let (_, pixels) = read(&mut Input::plain("x", &bytes[..])).unwrap();
            assert_eq!(pixels, expected);
        }
    }

    #[test]
    fn a_jpeg_is_read_under_any_file_name() {
        let bytes = encoded(&colour([200; 3]), ImageFormat::Jpeg);
        let (shape, pixels) = read(&mut Input::plain("x.png", &bytes[..])).unwrap();
        assert_eq!(shape.to_string(), "3×2×2");
        // A uniform image survives JPEG within rounding.
        assert!(pixels.iter().all(|&pixel| pixel.abs_diff(200) <= 2));
    }

    #[test]
    fn a_cut_image_is_an_error_at_any_length() {
        let noisy = RgbImage::from_fn(20, 20, |x, y| {
            image::Rgb([(x * y) as u8, (7 * x) as u8, y as u8])
        });
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(&noisy.clone().into(), format);
            // The last twelve bytes of a PNG only mark its end.
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

    #[test]
    fn a_damaged_byte_is_described_without_structures_of_a_program() {
        let whole = encoded(&colour([9, 80, 200]), ImageFormat::Png);
        let messages = (8..whole.len()).filter_map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x11;
            decode("x", &bytes).err().map(|error| error.to_string())
        });
        let messages: Vec<String> = messages.collect();
        for text in &messages {
            assert!(
                !text.contains(['{', '\n']) && !text.contains("::"),
                "{text}"
            );
        }
        let checksum = "x is not a readable picture: it is damaged: a checksum in it does not fit its contents";
        assert!(messages.iter().any(|text| text == checksum), "{messages:?}");
    }

    /// Returns a PNG of one grey pixel with other sides in its header, under a valid checksum.
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
            "x is not a readable picture: 4096 × 4096 pixels do not fit into its N bytes"
        );
    }
}
