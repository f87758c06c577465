//! Images without labels, for classification: pictures, IDX files and CSV files.

use std::io::Read;
use std::path::Path;

use crate::input::{BYTES_LIMIT, Input};
use crate::samples::{check_pixels, check_same_shape};
use crate::table::{Lines, TableLayout};
use crate::{Error, ImageShape, PixelScale, idx, picture};

/// Images of one shape; the pixels lie channel by channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// All pixels, image after image.
    pub pixels: Vec<u8>,
    /// Pixel value of full intensity.
    pub pixel_max: u8,
}

/// File format of images without labels.
#[derive(Clone, Copy)]
pub(crate) enum FileFormat {
    /// One picture, which is scaled to the required size if `resize` is set.
    Picture { resize: bool },
    /// A table with one image per line.
    Csv,
    /// An IDX file of images.
    Idx,
}

impl FileFormat {
    /// Derives the format from the name of a file.
    fn from_name(path: &Path, resize: bool) -> Option<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        let unpacked = name.strip_suffix(".gz").unwrap_or(&name);
        let ends = [".png", ".jpg", ".jpeg"];
        if ends.iter().any(|end| name.ends_with(end)) {
            Some(Self::Picture { resize })
        } else if unpacked.ends_with(".csv") {
            Some(Self::Csv)
        } else {
            unpacked.contains("idx3").then_some(Self::Idx)
        }
    }

    /// Derives the format from the first bytes.
    fn from_contents(bytes: &[u8], resize: bool) -> Self {
        let is_picture = bytes.starts_with(b"\x89PNG") || bytes.starts_with(&[0xff, 0xd8, 0xff]);
        if is_picture {
            Self::Picture { resize }
        } else if bytes.starts_with(&[0, 0]) {
            Self::Idx
        } else {
            Self::Csv
        }
    }
}

impl Images {
    /// Reads a file in the format of its name: one image in `.png`, `.jpg` and `.jpeg`, one per line in `.csv`, any
    /// number in IDX files.
    ///
    /// A picture is converted to grey if `shape` has one channel, and its full intensity is 255; in the other formats
    /// numbers have the `scale` of the data set that the images belong to. With `resize`, a picture of another size is scaled. In a table, a first line without a number is a header, and a column with the name `label`,
    /// `class` or `target` is skipped.
    ///
    /// # Errors
    /// An [`Error`] that names the file, the value found and the value expected; [`Error::PicturesDisabled`] for
    /// a picture without the feature `pictures`.
    pub fn read(
        path: &Path,
        shape: ImageShape,
        scale: PixelScale,
        resize: bool,
    ) -> Result<Self, Error> {
        let format = FileFormat::from_name(path, resize).ok_or_else(|| Error::UnknownFormat {
            file: path.display().to_string(),
            allowed: ".png, .jpg, .jpeg, .csv and IDX files (`idx3` in the name), the last two also .gz",
        })?;
        Self::parse(&mut Input::open(path)?, format, shape, scale)
    }

    /// Reads bytes, such as those of standard input, in the format that they begin with: PNG, JPEG, IDX, or else a table; the last
    /// two also through gzip. Otherwise as [`read`](Self::read); errors call the bytes `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_from(
        name: &str,
        bytes: impl Read,
        shape: ImageShape,
        scale: PixelScale,
        resize: bool,
    ) -> Result<Self, Error> {
        let mut bytes = Input::plain(name, bytes).read_within(BYTES_LIMIT)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let unpacked = Input::gzip(name, &bytes[..]).read_within(BYTES_LIMIT)?;
            bytes = unpacked;
        }
        let format = FileFormat::from_contents(&bytes, resize);
        Self::parse(&mut Input::plain(name, &bytes[..]), format, shape, scale)
    }

    /// Reads an opened file of a known format.
    pub(crate) fn parse(
        input: &mut Input,
        format: FileFormat,
        shape: ImageShape,
        scale: PixelScale,
    ) -> Result<Self, Error> {
        let (pixels, pixel_max) = match format {
            FileFormat::Picture { resize } => {
                let pixels = picture::read_as(input, shape, resize)?;
                (pixels, u8::MAX)
            }
            FileFormat::Csv => (read_csv(input, shape.features(), scale)?, scale.pixel_max()),
            FileFormat::Idx => (read_idx(input, shape)?, scale.pixel_max()),
        };
        check_pixels(input.name(), &pixels, shape, pixel_max)?;
        Ok(Self { pixels, pixel_max })
    }
}

/// Reads the pixels of all images of an IDX file, which must have the required shape.
fn read_idx(input: &mut Input, shape: ImageShape) -> Result<Vec<u8>, Error> {
    let (found, pixels) = idx::read_images(input)?;
    check_same_shape(input.name(), found, shape)?;
    Ok(pixels)
}

/// Reads one image per line, and skips the label column that a header may name.
fn read_csv(input: &mut Input, features: usize, scale: PixelScale) -> Result<Vec<u8>, Error> {
    let text = input.read_within(BYTES_LIMIT)?;
    let mut lines = Lines::new(input.name(), &text, TableLayout::Pixels(features))?;
    let mut pixels = Vec::new();
    while lines.advance()? {
        lines.add_pixels(scale, &mut pixels)?;
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

    fn csv(text: &str) -> Result<Vec<u8>, String> {
        let mut input = Input::plain("a.csv", text.as_bytes());
        read_csv(&mut input, 4, PixelScale::integers(255)).map_err(|error| error.to_string())
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
    fn a_first_line_with_one_wrong_pixel_is_a_mistake_instead_of_a_header() {
        let expected = "a.csv, line 1, value 2: `x` is not an integer from 0 to 255";
        assert_eq!(csv("1,x,3,4\n5,6,7,8\n").unwrap_err(), expected);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, expected) in [
            (
                "1,2,3,4\n1,2,3\n",
                "a.csv, line 2: 3 values separated by commas, expected 4",
            ),
            (
                "9,1,2,3,4\n",
                "a.csv, line 1: 5 values separated by commas, expected 4",
            ),
            (
                "label,a,b,c\n",
                "a.csv, line 1: 4 values separated by commas, expected 5",
            ),
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
    fn a_line_longer_than_any_image_is_refused_before_it_is_parsed() {
        let expected = "a.csv: pixels in a line = 16777217 is outside 1 to 16777216";
        assert_eq!(csv(&",".repeat((1 << 24) + 1)).unwrap_err(), expected);
    }

    #[cfg(feature = "pictures")]
    #[test]
    fn pictures_are_decoded_by_their_contents_and_keep_their_size_without_resize() {
        use image::ImageFormat;

        use crate::picture::testing::{colour, encoded};

        const SHAPE: ImageShape = ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let picture = image::RgbImage::from_fn(2, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        picture.save(&path).unwrap();
        let three = ImageShape {
            channels: 3,
            ..SHAPE
        };
        let images = Images::read(&path, three, PixelScale::integers(16), false).unwrap();
        assert_eq!(images.pixels, [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9]);
        assert_eq!(images.pixel_max, 255);
        let larger = ImageShape { width: 5, ..SHAPE };
        let error = Images::read(&path, larger, PixelScale::integers(16), false).unwrap_err();
        assert!(error.to_string().contains("is 1×2×2, expected 1×2×5"));
        assert_eq!(
            Images::read(&path, larger, PixelScale::integers(16), true)
                .unwrap()
                .pixels
                .len(),
            10
        );
        let whole = encoded(&colour([9; 3]), ImageFormat::Jpeg);
        let cut = folder.path().join("cut.jpg");
        std::fs::write(&cut, &whole[..whole.len() - 20]).unwrap();
        let error = Images::read(&cut, SHAPE, PixelScale::integers(16), false).unwrap_err();
        let expected = "cut.jpg is not a readable picture: it ends before the image does";
        assert!(error.to_string().ends_with(expected), "{error}");
        let wrong = folder.path().join("b.png");
        std::fs::write(&wrong, "no picture").unwrap();
        assert!(matches!(
            Images::read(&wrong, SHAPE, PixelScale::integers(16), false),
            Err(Error::NotAPicture { .. })
        ));
        let unknown = Images::read(
            &folder.path().join("c.bmp"),
            SHAPE,
            PixelScale::integers(16),
            false,
        );
        assert!(matches!(unknown, Err(Error::UnknownFormat { .. })));
    }
}
