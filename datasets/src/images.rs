//! Images without labels, to be classified: pictures, IDX files and CSV files.

use std::path::Path;

use image::DynamicImage;
use image::imageops::FilterType;

use crate::input::{BYTES_LIMIT, Input};
use crate::picture::{self, Picture};
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

/// How the images of a file are stored.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    /// One picture, which is scaled if it may be.
    Picture { resize: bool },
    /// A table with an image in each line.
    Csv,
    /// An IDX file of images.
    Idx,
}

impl Format {
    /// The format that the name of a file tells.
    fn of(path: &Path, resize: bool) -> Option<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        let packed = name.strip_suffix(".gz").unwrap_or(&name);
        let ends = [".png", ".jpg", ".jpeg"];
        if ends.iter().any(|end| name.ends_with(end)) {
            Some(Self::Picture { resize })
        } else if packed.ends_with(".csv") {
            Some(Self::Csv)
        } else {
            packed.contains("idx3").then_some(Self::Idx)
        }
    }
}

impl Images {
    /// Reads a file by its name: `.png`, `.jpg` and `.jpeg` hold one image, `.csv` one per line, and IDX files many.
    ///
    /// Pictures become grey where `shape` has one channel, and have 255 for full intensity; in the other files it is
    /// `pixel_max`, as in the data set that they belong to. With `resize`, a picture of another size is scaled to it.
    /// In a table, a first line without a single number is a header; a column that it calls `label`, `class` or
    /// `target` is passed over.
    ///
    /// # Errors
    /// An [`Error`] that names the file, what was found and what was expected.
    pub fn read(
        path: &Path,
        shape: ImageShape,
        pixel_max: u8,
        resize: bool,
    ) -> Result<Self, Error> {
        let format = Format::of(path, resize).ok_or_else(|| Error::UnknownFormat {
            file: path.display().to_string(),
            allowed: ".png, .jpg, .jpeg, .csv and IDX files (`idx3` in the name), the last two also .gz",
        })?;
        Self::parse(&mut Input::open(path)?, format, shape, pixel_max)
    }

    /// Reads an opened file of a known format.
    pub(crate) fn parse(
        input: &mut Input,
        format: Format,
        shape: ImageShape,
        pixel_max: u8,
    ) -> Result<Self, Error> {
        let images = match format {
            Format::Picture { resize } => Self {
                pixels: fit(picture::read(input)?, input.name(), shape, resize)?,
                pixel_max: u8::MAX,
            },
            Format::Csv => Self {
                pixels: read_csv(input, shape.features())?,
                pixel_max,
            },
            Format::Idx => Self {
                pixels: read_idx(input, shape)?,
                pixel_max,
            },
        };
        images.check_pixels(input.name(), shape)?;
        Ok(images)
    }

    fn check_pixels(&self, file: &str, shape: ImageShape) -> Result<(), Error> {
        let limit = self.pixel_max;
        match self.pixels.iter().position(|&pixel| pixel > limit) {
            None => Ok(()),
            Some(at) => Err(Error::PixelOutOfRange {
                file: file.to_owned(),
                sample: at / shape.features(),
                found: self.pixels[at],
                limit,
            }),
        }
    }
}

/// Pixels of a picture in a shape of one or three channels.
fn fit(
    picture: DynamicImage,
    file: &str,
    shape: ImageShape,
    resize: bool,
) -> Result<Vec<u8>, Error> {
    let sized = if resize {
        let (width, height) = (shape.width as u32, shape.height as u32);
        picture.resize_exact(width, height, FilterType::Triangle)
    } else {
        picture
    };
    let channels = if shape.channels == 1 { 1 } else { 3 };
    check_shape(file, picture::shape(&sized, channels), shape)?;
    let picture = match channels {
        1 => Picture::grey(&sized),
        _ => Picture::coloured(&sized),
    };
    Ok(picture.pixels)
}

/// Pixels of all images, which must be of the shape.
fn read_idx(input: &mut Input, shape: ImageShape) -> Result<Vec<u8>, Error> {
    let (found, pixels) = idx::read_images(input)?;
    check_shape(input.name(), found, shape)?;
    Ok(pixels)
}

fn check_shape(file: &str, found: ImageShape, expected: ImageShape) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        file: file.to_owned(),
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
    use image::ImageFormat;

    use super::*;
    use crate::testing::{colour, encoded};

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
        let three = ImageShape {
            channels: 3,
            ..SHAPE
        };
        let images = Images::read(&path, three, 16, false).unwrap();
        assert_eq!(images.pixels, [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9]);
        assert_eq!(images.pixel_max, 255);
        let larger = ImageShape { width: 5, ..SHAPE };
        let error = Images::read(&path, larger, 16, false).unwrap_err();
        assert!(error.to_string().contains("is 1×2×2, expected 1×2×5"));
        assert_eq!(
            Images::read(&path, larger, 16, true).unwrap().pixels.len(),
            10
        );
        let whole = encoded(&colour([9; 3]), ImageFormat::Jpeg);
        let cut = folder.path().join("cut.jpg");
        std::fs::write(&cut, &whole[..whole.len() - 20]).unwrap();
        let error = Images::read(&cut, SHAPE, 16, false).unwrap_err();
        let expected = "cut.jpg is not a picture that can be read: it ends before the image does";
        assert!(error.to_string().ends_with(expected), "{error}");
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
