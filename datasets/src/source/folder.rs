//! Images of the user's own, PNG or JPEG, in one folder for each class.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::csv::listed;
use super::{Entry, Reads};
use crate::input::{BYTES_LIMIT, Input, check_folder, cleaned, read_failed, shortened};
use crate::samples::{SIDE_LIMIT, check_size};
use crate::{Dataset, Error, ImageShape, Samples, SplitRule};

const NAME: &str = "folder";
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
/// Labels are bytes.
const CLASSES_LIMIT: usize = 256;
/// Two bytes for each of four channels of the largest image, and some: more is no image of ours.
const FILE_LIMIT: u64 = 1 << 28;
/// Neither format packs more bytes into one: 1,032 is the limit of deflate, JPEG stays below with one bit a block.
const PACKING: u64 = 2048;
/// What a decoder may need beside the pixels.
const DECODER_BYTES: u64 = 1 << 16;

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    facts: None,
    reads: Reads::Own {
        files: "a folder of .png or .jpg images for each class, perhaps below train and test",
        load,
    },
    distribution: None,
};

/// Loads `train` and `test` below the folder, or deals the classes in it by the rule.
fn load(folder: &Path, rule: &SplitRule) -> Result<Dataset, Error> {
    check_folder(folder)?;
    let (train, test) = (folder.join("train"), folder.join("test"));
    let root = if train.is_dir() { &train } else { folder };
    let classes = class_folders(root)?;
    let names: Vec<String> = classes.iter().map(|class| name_of(class)).collect();
    let mut files = image_files(&classes, 0..)?;
    let train_count = files.len();
    let has_test = root == train && test.is_dir();
    if has_test {
        let classes = class_folders(&test)?;
        let labels = places(&classes, &names)?;
        files.extend(image_files(&classes, labels)?);
    }
    let all = read(&root.display().to_string(), &files, names)?;
    if !has_test {
        return Dataset::dealt(NAME, &root.display().to_string(), &all, rule);
    }
    let indices: Vec<usize> = (0..files.len()).collect();
    let (train, test) = indices.split_at(train_count);
    Dataset::new(NAME, all.select(train)?, all.select(test)?)
}

/// The sub-folders, sorted by name.
fn class_folders(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let folders: Vec<PathBuf> = visible(root)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    let place = root.display().to_string();
    match folders.len() {
        0 => Err(Error::NoClassFolders { folder: place }),
        1..=CLASSES_LIMIT => Ok(folders),
        _ => Err(Error::TooManyClasses {
            place,
            limit: CLASSES_LIMIT,
        }),
    }
}

/// Everything in a folder that is not hidden, sorted by name.
fn visible(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |cause| read_failed(&folder.display().to_string(), cause);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn name_of(class: &Path) -> String {
    let name = class.file_name().unwrap_or_default();
    cleaned(&name.to_string_lossy())
}

/// Labels of the classes of the test split, by their names in the train split.
fn places(classes: &[PathBuf], names: &[String]) -> Result<Vec<u8>, Error> {
    let place = |class: &PathBuf| {
        let name = name_of(class);
        let at = names.iter().position(|other| *other == name);
        at.map(|at| at as u8).ok_or_else(|| Error::UnknownClass {
            file: class.display().to_string(),
            class: shortened(name.as_bytes()),
            allowed: listed(names),
        })
    };
    classes.iter().map(place).collect()
}

/// The images of all classes with their labels.
///
/// The first of every class come before the second ones, so that the first samples are a mixture of all classes.
fn image_files(
    classes: &[PathBuf],
    labels: impl IntoIterator<Item = u8>,
) -> Result<Vec<(PathBuf, u8)>, Error> {
    let mut files = Vec::new();
    for (class, label) in classes.iter().zip(labels) {
        let images = visible(class)?.into_iter().filter(|path| is_image(path));
        let before = files.len();
        files.extend(images.enumerate().map(|(at, path)| (at, label, path)));
        if files.len() == before {
            return Err(Error::NoImages {
                folder: class.display().to_string(),
            });
        }
    }
    files.sort_unstable();
    Ok(files
        .into_iter()
        .map(|(_, label, path)| (path, label))
        .collect())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
        && path.is_file()
}

fn read(place: &str, files: &[(PathBuf, u8)], classes: Vec<String>) -> Result<Samples, Error> {
    let mut images = Images::default();
    for (path, _) in files {
        let mut input = Input::open(path)?;
        let bytes = input.read_at_most(FILE_LIMIT + 1)?;
        images.add(input.name(), &decode(input.name(), &bytes)?)?;
    }
    let labels = files.iter().map(|(_, label)| *label).collect();
    let shape = images.shape();
    Samples::new(place, shape, images.pixels, u8::MAX, labels, classes)
}

/// Images of one size so far; grey until the first coloured one.
#[derive(Default)]
struct Images {
    first: Option<(String, ImageShape)>,
    is_coloured: bool,
    pixels: Vec<u8>,
}

impl Images {
    fn add(&mut self, file: &str, image: &Picture) -> Result<(), Error> {
        let (first, expected) = self
            .first
            .get_or_insert_with(|| (file.to_owned(), image.shape));
        let found = image.shape;
        if (found.height, found.width) != (expected.height, expected.width) {
            return Err(Error::ImageShape {
                file: file.to_owned(),
                found,
                expected: *expected,
                first: first.clone(),
            });
        }
        if image.shape.channels == 3 && !self.is_coloured {
            self.pixels = coloured(&self.pixels, found.height * found.width);
            self.is_coloured = true;
        }
        let grey_in_colour = self.is_coloured && image.shape.channels == 1;
        for _ in 0..if grey_in_colour { 3 } else { 1 } {
            self.pixels.extend_from_slice(&image.pixels);
        }
        let size = self.pixels.len() as u64;
        check_size(file, "size of all images in bytes", size, BYTES_LIMIT)
    }

    fn shape(&self) -> ImageShape {
        let first = self.first.as_ref().map(|(_, shape)| *shape);
        let (height, width) = first.map_or((0, 0), |shape| (shape.height, shape.width));
        ImageShape {
            channels: if self.is_coloured { 3 } else { 1 },
            height,
            width,
        }
    }
}

/// Grey images as coloured ones, each with its one channel three times.
fn coloured(grey: &[u8], size: usize) -> Vec<u8> {
    grey.chunks_exact(size)
        .flat_map(|image| image.repeat(3))
        .collect()
}

/// A decoded image, of 1 or 3 channels in CHW order.
pub(crate) struct Picture {
    pub(crate) shape: ImageShape,
    pub(crate) pixels: Vec<u8>,
}

/// Decodes an image: grey with one channel, everything else as RGB; 16 bits become 8, transparency is dropped.
pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<Picture, Error> {
    let failed = |reason: &dyn ToString| Error::Image {
        file: file.to_owned(),
        reason: cleaned(&reason.to_string()),
    };
    check_size(file, "size in bytes", bytes.len() as u64, FILE_LIMIT)?;
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return Err(failed(&"it is neither PNG nor JPEG")),
    };
    if format == ImageFormat::Jpeg && is_cut(bytes) {
        return Err(failed(&"it ends before the image does"));
    }
    let most = PACKING * bytes.len() as u64;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // The sides are checked below, where the message can name them.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most + DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| failed(&error))?;
    let (width, height) = decoder.dimensions();
    check_size(file, "height", height.into(), SIDE_LIMIT)?;
    check_size(file, "width", width.into(), SIDE_LIMIT)?;
    if decoder.total_bytes() > most {
        return Err(failed(&format!(
            "{width} × {height} pixels do not fit into its {} bytes",
            bytes.len()
        )));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(|error| failed(&error))?;
    Ok(Picture::new(&image))
}

/// Whether the end marker of a JPEG is missing, for which the decoder would make up grey pixels without a word.
fn is_cut(jpeg: &[u8]) -> bool {
    // Neither marker occurs within the data of a scan; a preview comes with both, before the last scan.
    let last = |marker| jpeg.windows(2).rposition(|bytes| bytes == [0xff, marker]);
    let (scan, end) = (last(0xda), last(0xd9));
    end.is_none() || end < scan
}

impl Picture {
    fn new(image: &DynamicImage) -> Self {
        let (channels, pixels) = if image.color().has_color() {
            let mixed = image.to_rgb8().into_raw();
            let channel = |c| mixed.iter().skip(c).step_by(3).copied();
            (3, (0..3).flat_map(channel).collect())
        } else {
            (1, image.to_luma8().into_raw())
        };
        let shape = ImageShape {
            channels,
            height: image.height() as usize,
            width: image.width() as usize,
        };
        Self { shape, pixels }
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, ImageBuffer, Luma, LumaA, RgbImage, Rgba};

    use super::*;

    fn grey(width: u32, value: u8) -> DynamicImage {
        GrayImage::from_pixel(width, 2, Luma([value])).into()
    }

    fn colour(value: [u8; 3]) -> DynamicImage {
        RgbImage::from_pixel(2, 2, image::Rgb(value)).into()
    }

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn folder_with(files: &[(&str, DynamicImage)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, image) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, encoded(image, ImageFormat::Png)).unwrap();
        }
        folder
    }

    fn message(folder: &tempfile::TempDir) -> String {
        let error = load(folder.path(), &SplitRule::default()).unwrap_err();
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "DIR").replace('\\', "/")
    }

    #[test]
    fn sub_folders_are_classes_and_the_rule_deals_their_images() {
        let folder = folder_with(&[
            ("b/2.png", grey(3, 4)),
            ("b/1.PNG", grey(3, 2)),
            ("a/2.jpeg", grey(3, 3)),
            ("a/1.jpg", grey(3, 1)),
            ("a/.hidden.png", grey(9, 0)),
            (".git/x.png", grey(9, 0)),
        ]);
        fs::write(folder.path().join("a/notes.txt"), "no image").unwrap();
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.classes(), ["a", "b"]);
        assert_eq!(dataset.train.shape().to_string(), "1×2×3");
        assert_eq!(dataset.train.class_counts(), [1, 1]);
        assert_eq!(dataset.test.class_counts(), [1, 1]);
        assert!(dataset.is_dealt);
    }

    #[test]
    fn a_test_folder_is_used_and_the_classes_take_turns() {
        let folder = folder_with(&[
            ("train/a/1.png", grey(2, 1)),
            ("train/a/2.png", grey(2, 2)),
            ("train/b/1.png", grey(2, 3)),
            ("train/b/2.png", grey(2, 4)),
            ("test/b/1.png", grey(2, 5)),
        ]);
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.labels(), [0, 1, 0, 1]);
        let firsts: Vec<u8> = dataset.train.pixels().iter().step_by(4).copied().collect();
        assert_eq!(firsts, [1, 3, 2, 4]);
        assert_eq!(
            (dataset.test.labels(), dataset.test.pixels()),
            (&[1][..], &[5; 4][..])
        );
        assert!(!dataset.is_dealt && dataset.note.is_none());
    }

    #[test]
    fn one_coloured_image_makes_all_of_them_coloured() {
        let folder = folder_with(&[
            ("train/a/1.png", grey(2, 7)),
            ("train/a/2.png", colour([1, 2, 3])),
            ("test/a/1.png", grey(2, 9)),
        ]);
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.shape().to_string(), "3×2×2");
        assert_eq!(dataset.train.image(0), Some(&[7; 12][..]));
        assert_eq!(
            dataset.train.image(1),
            Some(&[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3][..])
        );
        assert_eq!(dataset.test.pixels(), [9; 12]);
    }

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
            let picture = decode("x", &encoded(&image, ImageFormat::Png)).unwrap();
            assert_eq!(picture.pixels, expected);
        }
    }

    #[test]
    fn a_jpeg_is_read_whatever_its_file_is_called() {
        let picture = decode("x.png", &encoded(&colour([200; 3]), ImageFormat::Jpeg)).unwrap();
        assert_eq!(picture.shape.to_string(), "3×2×2");
        // A uniform image survives JPEG within rounding.
        assert!(picture.pixels.iter().all(|&pixel| pixel.abs_diff(200) <= 2));
    }

    #[test]
    fn every_defect_of_a_folder_has_its_own_message() {
        let other_size = [("a/1.png", grey(2, 0)), ("a/2.png", grey(3, 0))];
        assert_eq!(
            message(&folder_with(&other_size)),
            "DIR/a/2.png has the shape 1×2×3, expected 1×2×2 as in DIR/a/1.png"
        );
        assert_eq!(
            message(&folder_with(&[])),
            "DIR holds no folders, expected one for each class"
        );
        let empty = folder_with(&[("a/1.png", grey(2, 0))]);
        fs::create_dir(empty.path().join("b")).unwrap();
        fs::write(empty.path().join("b/1.gif"), "").unwrap();
        assert_eq!(
            message(&empty),
            "DIR/b holds no image, expected files that end in .png, .jpg or .jpeg"
        );
        let strange = [("train/a/1.png", grey(2, 0)), ("test/c/1.png", grey(2, 0))];
        assert_eq!(
            message(&folder_with(&strange)),
            "DIR/test/c: class `c` is not among the classes of the train split: a"
        );
        let broken = folder_with(&[("a/1.png", grey(2, 0))]);
        fs::write(broken.path().join("a/2.png"), "GIF89a").unwrap();
        assert_eq!(
            message(&broken),
            "DIR/a/2.png is not a valid image: it is neither PNG nor JPEG"
        );
    }

    #[test]
    fn more_classes_than_labels_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for class in 0..257 {
            fs::create_dir(folder.path().join(class.to_string())).unwrap();
        }
        assert_eq!(message(&folder), "DIR has more than 256 classes");
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
            "x is not a valid image: 4096 × 4096 pixels do not fit into its N bytes"
        );
    }
}
