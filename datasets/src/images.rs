//! Images without labels, to be classified: pictures, IDX files and CSV files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use crate::input::{BYTES_LIMIT, Input, read_failed};
use crate::samples::SIDE_LIMIT;
use crate::table::{Layout, Lines};
use crate::{Error, ImageShape, idx};

/// Some images of one shape, pixel by pixel, channel by channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// All pixels, image after image.
    pub pixels: Vec<u8>,
    /// Pixel value of full intensity.
    pub pixel_max: u8,
}

impl Images {
    /// Reads a file by its name: `.png`, `.jpg` and `.jpeg` hold one image, `.csv` one per line, and IDX files many.
    ///
    /// Pictures become grey where `shape` has one channel, and have 255 for full intensity; in the other files it is
    /// `pixel_max`, as in the data set that they belong to. With `resize`, a picture of another size is scaled to it.
    ///
    /// # Errors
    /// An [`Error`] that names the file, what was found and what was expected.
    pub fn read(
        path: &Path,
        shape: ImageShape,
        pixel_max: u8,
        resize: bool,
    ) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        let packed = name.strip_suffix(".gz").unwrap_or(&name);
        if [".png", ".jpg", ".jpeg"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let picture = decode(path)?;
            return Ok(Self {
                pixels: fit(picture, path, shape, resize)?,
                pixel_max: u8::MAX,
            });
        }
        let pixels = if packed.ends_with(".csv") {
            read_csv(&mut Input::open(path)?, shape.features())?
        } else if packed.contains("idx3") {
            let (found, pixels) = idx::read_images(&mut Input::open(path)?)?;
            check_shape(path, found, shape)?;
            pixels
        } else {
            return Err(Error::UnknownFormat {
                file: path.display().to_string(),
                allowed: ".png, .jpg, .jpeg, .csv and IDX files (`idx3` in the name), the last two also .gz",
            });
        };
        if let Some(at) = pixels.iter().position(|&pixel| pixel > pixel_max) {
            return Err(Error::PixelOutOfRange {
                file: path.display().to_string(),
                sample: at / shape.features(),
                found: pixels[at],
                limit: pixel_max,
            });
        }
        Ok(Self { pixels, pixel_max })
    }
}

/// Decodes a PNG or JPEG file, by what it holds rather than by its name.
pub(crate) fn decode(path: &Path) -> Result<DynamicImage, Error> {
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|cause| read_failed(&file, cause))?;
    let reader = ImageReader::new(BufReader::new(opened)).with_guessed_format();
    let mut reader = reader.map_err(|cause| read_failed(&file, cause))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_LIMIT as u32);
    limits.max_image_height = Some(SIDE_LIMIT as u32);
    limits.max_alloc = Some(BYTES_LIMIT);
    reader.limits(limits);
    reader.decode().map_err(|error| Error::NotAPicture {
        file,
        reason: error.to_string().replace(char::is_control, " "),
    })
}

/// Pixels of a picture in a shape of one or three channels.
fn fit(
    picture: DynamicImage,
    path: &Path,
    shape: ImageShape,
    resize: bool,
) -> Result<Vec<u8>, Error> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    let sized = if resize {
        let filter = image::imageops::FilterType::Triangle;
        picture.resize_exact(width, height, filter)
    } else {
        picture
    };
    let found = ImageShape {
        channels: shape.channels,
        height: sized.height() as usize,
        width: sized.width() as usize,
    };
    check_shape(path, found, shape)?;
    match shape.channels {
        1 => Ok(sized.into_luma8().into_raw()),
        3 => Ok(channels_first(&sized.into_rgb8())),
        _ => Err(Error::ShapeMismatch {
            file: path.display().to_string(),
            found: ImageShape {
                channels: 3,
                ..found
            },
            expected: shape,
        }),
    }
}

/// From RGB RGB … to one plane per channel.
pub(crate) fn channels_first(picture: &image::RgbImage) -> Vec<u8> {
    let plane = |channel: usize| picture.pixels().map(move |pixel| pixel.0[channel]);
    (0..3).flat_map(plane).collect()
}

fn check_shape(path: &Path, found: ImageShape, expected: ImageShape) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        file: path.display().to_string(),
        found,
        expected,
    })
}

/// Lines of one image each, without the label that a header may name.
fn read_csv(input: &mut Input, features: usize) -> Result<Vec<u8>, Error> {
    let text = input.read_within(BYTES_LIMIT)?;
    let mut lines = Lines::new(input.name(), &text, Layout::Pixels(features))?;
    let mut pixels = Vec::new();
    while lines.advance()? {
        lines.add_pixels(&mut pixels)?;
    }
    if pixels.is_empty() {
        return Err(Error::NoSamples {
            file: input.name().to_owned(),
        });
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape {
        channels: 1,
        height: 2,
        width: 2,
    };

    fn csv(text: &str) -> Result<Vec<u8>, String> {
        let mut input = Input::plain("a.csv", text.as_bytes());
        read_csv(&mut input, 4).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_images_with_or_without_a_header_and_labels() {
        for text in [
            "1,2,3,4\n5,6,7,8\n",
            "a,b,c,d\n1, 2,3,4\n5,6,7,8",
            "label,a,b,c,d\n9,1,2,3,4\n0,5,6,7,8",
            "a,b,Class,c,d\n1,2,cat,3,4\n5,6,,7,8",
            "0,1,2,3,TARGET\n1,2,3,4,x\n5,6,7,8,y",
            "\u{feff}1,2,3,4\r\n\r\n5,6,7,8\r\n",
        ] {
            assert_eq!(csv(text), Ok(vec![1, 2, 3, 4, 5, 6, 7, 8]), "{text}");
        }
    }

    #[test]
    fn a_first_line_with_one_wrong_pixel_is_a_mistake_and_no_header() {
        let expected = "a.csv, line 1, value 2: `x` is not an integer from 0 to 255";
        assert_eq!(csv("1,x,3,4\n5,6,7,8\n").unwrap_err(), expected);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, expected) in [
            ("1,2,3,4\n1,2,3\n", "a.csv, line 2: 3 values, expected 4"),
            ("9,1,2,3,4\n", "a.csv, line 1: 5 values, expected 4"),
            ("label,a,b,c\n", "a.csv, line 1: 4 values, expected 5"),
            ("a,b,c,d\n", "a.csv holds no samples"),
            ("", "a.csv holds no samples"),
            (
                "1,2,3,4\n1,2,x,4\n",
                "a.csv, line 2, value 3: `x` is not an integer from 0 to 255",
            ),
        ] {
            assert_eq!(csv(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_line_that_no_image_has_is_refused_before_it_is_parsed() {
        let expected = "a.csv: pixels in a line = 16777217 is outside 1 to 16777216";
        assert_eq!(csv(&",".repeat((1 << 24) + 1)).unwrap_err(), expected);
    }

    #[test]
    fn pictures_are_decoded_by_their_contents_and_keep_their_size_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = image::RgbImage::from_fn(2, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        picture.save(&path).unwrap();
        let colour = ImageShape {
            channels: 3,
            ..SHAPE
        };
        let images = Images::read(&path, colour, 16, false).unwrap();
        assert_eq!(images.pixels, [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9]);
        assert_eq!(images.pixel_max, 255);
        let larger = ImageShape { width: 5, ..SHAPE };
        let error = Images::read(&path, larger, 16, false).unwrap_err();
        assert!(error.to_string().contains("is 1×2×2, expected 1×2×5"));
        assert_eq!(
            Images::read(&path, larger, 16, true).unwrap().pixels.len(),
            10
        );
        let wrong = folder.path().join("b.png");
        std::fs::write(&wrong, "no picture").unwrap();
        assert!(matches!(
            Images::read(&wrong, SHAPE, 16, false),
            Err(Error::NotAPicture { .. })
        ));
        let unknown = Images::read(&folder.path().join("c.bmp"), SHAPE, 16, false);
        assert!(matches!(unknown, Err(Error::UnknownFormat { .. })));
    }
}
