//! PNG files of three channels.

use ::png::{BitDepth, ColorType, Encoder, EncodingError};

/// Encodes a picture from its rows of red, green and blue, each 0 to 255: `3 width height` bytes.
///
/// # Errors
/// [`EncodingError`] when the pixels do not fill the picture, or it has none.
pub(crate) fn encode(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
