//! Small PNG pictures inside the page, as data URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ls_datasets::ImageShape;

use crate::chart::{self, Colour};
use crate::{Error, Result};

/// Colour of the lower end of the diverging scale; 0 is white.
const BLUE: Colour = (33, 102, 172);
/// Colour of its upper end.
const ORANGE: Colour = (204, 92, 0);

/// Draws an image of a data set: three channels in colour, any other number by the first channel in grey.
///
/// # Errors
/// [`Error::File`] when the picture cannot be encoded.
pub(super) fn sample(pixels: &[u8], shape: ImageShape, pixel_max: u8) -> Result<String> {
    let plane = shape.height * shape.width;
    let channel = |c: usize| if shape.channels == 3 { c * plane } else { 0 };
    let full = |pixel: u8| (u32::from(pixel) * 255 / u32::from(pixel_max.max(1))) as u8;
    let colours = (0..plane).flat_map(|i| [0, 1, 2].map(|c| full(pixels[channel(c) + i])));
    png(shape.width, shape.height, &colours.collect::<Vec<_>>())
}

/// Draws numbers in rows of `width`: blue below 0, orange above, with the strongest colours at `±largest` and beyond.
///
/// # Errors
/// [`Error::File`] when the picture cannot be encoded.
pub(super) fn diverging(values: &[f64], width: usize, largest: f64) -> Result<String> {
    let colours = values.iter().flat_map(|&value| {
        let share = (value / largest.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
        let end = if share < 0.0 { BLUE } else { ORANGE };
        [end.0, end.1, end.2].map(|channel| {
            let mixed = 255.0 + share.abs() * (f64::from(channel) - 255.0);
            mixed.round() as u8
        })
    });
    png(
        width,
        values.len() / width.max(1),
        &colours.collect::<Vec<_>>(),
    )
}

fn png(width: usize, height: usize, colours: &[u8]) -> Result<String> {
    let failed = |reason: String| Error::file("encode", "a picture of the report", reason);
    let side = |side: usize| u32::try_from(side).map_err(|error| failed(error.to_string()));
    let bytes = chart::png::encode(side(width)?, side(height)?, colours)
        .map_err(|error| failed(error.to_string()))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> image::RgbImage {
        let text = uri.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgb8()
    }

    #[test]
    fn zero_is_white_and_the_ends_are_blue_and_orange() {
        let picture = decoded(&diverging(&[-2.0, -1.0, 0.0, 1.0], 2, 1.0).unwrap());
        let pixels: Vec<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
        let (blue, orange) = (<[u8; 3]>::from(BLUE), <[u8; 3]>::from(ORANGE));
        assert_eq!(pixels, [blue, blue, [255; 3], orange]);
    }

    #[test]
    fn channels_become_colours_and_full_intensity_white() {
        let shape = |channels| ImageShape {
            channels,
            height: 1,
            width: 2,
        };
        let grey = decoded(&sample(&[0, 16], shape(1), 16).unwrap());
        assert_eq!(grey.into_raw(), [0, 0, 0, 255, 255, 255]);
        let colour = decoded(&sample(&[1, 2, 3, 4, 5, 6], shape(3), 255).unwrap());
        assert_eq!(colour.into_raw(), [1, 3, 5, 2, 4, 6]);
    }
}
