//! Reader for the IDX format of MNIST and related data sets: big-endian sizes, then one byte per value.

use std::path::Path;

use crate::input::{BYTES_LIMIT, Input, check_folder};
use crate::samples::{SIDE_LIMIT, check_size};
use crate::{Dataset, Error, ImageShape, Samples};

const IMAGES_MAGIC: u32 = 2051;
const LABELS_MAGIC: u32 = 2049;

/// Description of the four files, for messages.
pub(crate) const FILES: &str = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                                t10k-labels-idx1-ubyte, plain or .gz";

/// Loads the four files of a data set with the names of MNIST's.
pub(crate) fn load(name: &str, classes: &[&str], folder: &Path) -> Result<Dataset, Error> {
    check_folder(folder)?;
    Dataset::new(
        name,
        load_split(folder, "train", classes)?,
        load_split(folder, "t10k", classes)?,
    )
}

fn load_split(folder: &Path, split: &str, classes: &[&str]) -> Result<Samples, Error> {
    let images = Input::find(folder, &file_names(split, "images", 3))?;
    let labels = Input::find(folder, &file_names(split, "labels", 1))?;
    read_split(images, labels, classes)
}

/// Returns the names in use for one file.
fn file_names(split: &str, contents: &str, dimensions: u8) -> Vec<String> {
    variants(&format!("{split}-{contents}-idx{dimensions}-ubyte")).to_vec()
}

/// Returns the original name of a file and the others in use, in the order of the search.
///
/// Names have a hyphen, as first published, or a dot; files are plain or compressed.
pub(crate) fn variants(name: &str) -> [String; 4] {
    let dotted = name.replace("-idx", ".idx");
    [
        name.to_owned(),
        format!("{name}.gz"),
        dotted.clone(),
        dotted + ".gz",
    ]
}

fn read_split(mut images: Input, mut labels: Input, classes: &[&str]) -> Result<Samples, Error> {
    let (shape, pixels) = read_images(&mut images)?;
    let label_bytes = read_labels(&mut labels)?;
    let image_count = pixels.len() / shape.features();
    if image_count != label_bytes.len() {
        return Err(Error::CountMismatch {
            images_file: images.name().to_owned(),
            images: image_count,
            labels_file: labels.name().to_owned(),
            labels: label_bytes.len(),
        });
    }
    let classes = classes.iter().map(ToString::to_string).collect();
    Samples::new(labels.name(), shape, pixels, u8::MAX, label_bytes, classes)
}

/// Reads the shape of the images, and the pixels of all of them.
pub(crate) fn read_images(input: &mut Input) -> Result<(ImageShape, Vec<u8>), Error> {
    let [count, height, width] = read_header(input, IMAGES_MAGIC)?;
    check_size(input.name(), "height", height.into(), SIDE_LIMIT)?;
    check_size(input.name(), "width", width.into(), SIDE_LIMIT)?;
    // Below 2^32 · 2^12 · 2^12, so the product cannot overflow.
    let size = u64::from(count) * u64::from(height) * u64::from(width);
    check_size(input.name(), "count × height × width", size, BYTES_LIMIT)?;
    let shape = ImageShape {
        channels: 1,
        height: height as usize,
        width: width as usize,
    };
    Ok((shape, input.read_rest(size)?))
}

/// Reads the labels.
pub(crate) fn read_labels(input: &mut Input) -> Result<Vec<u8>, Error> {
    let [count] = read_header(input, LABELS_MAGIC)?;
    check_size(input.name(), "count", count.into(), BYTES_LIMIT)?;
    input.read_rest(count.into())
}

/// Reads the magic number and the sizes after it; the first size is the number of samples.
fn read_header<const SIZES: usize>(
    input: &mut Input,
    expected: u32,
) -> Result<[u32; SIZES], Error> {
    let length = 4 * (1 + SIZES as u64);
    let bytes = input.read_at_most(length)?;
    let words: Vec<u32> = bytes
        .as_chunks()
        .0
        .iter()
        .copied()
        .map(u32::from_be_bytes)
        .collect();
    // The magic number comes first: a short file of another format is the wrong file, not a truncated one.
    if let Some(&found) = words.first().filter(|&&found| found != expected) {
        return Err(Error::WrongMagic {
            file: input.name().to_owned(),
            found,
            expected,
        });
    }
    let sizes = words
        .get(1..)
        .and_then(|sizes| <[u32; SIZES]>::try_from(sizes).ok());
    let sizes = sizes.ok_or_else(|| input.truncated(length))?;
    match sizes.first() {
        Some(0) => Err(Error::NoSamples {
            file: input.name().to_owned(),
        }),
        _ => Ok(sizes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Read};

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{gzipped, mutated};

    const CLASSES: [&str; 3] = ["a", "b", "c"];

    fn idx(words: &[u32], values: &[u8]) -> Vec<u8> {
        let header = words.iter().flat_map(|word| word.to_be_bytes());
        header.chain(values.iter().copied()).collect()
    }

    /// Returns two images of 2 rows and 3 columns.
    fn images() -> Vec<u8> {
        idx(
            &[IMAGES_MAGIC, 2, 2, 3],
            &[0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255],
        )
    }

    fn labels() -> Vec<u8> {
        idx(&[LABELS_MAGIC, 2], &[2, 0])
    }

    fn read(images: &[u8], labels: &[u8]) -> Result<Samples, Error> {
        read_split(
            Input::plain("images", images),
            Input::plain("labels", labels),
            &CLASSES,
        )
    }

    fn image_error(bytes: &[u8]) -> String {
        read(bytes, &labels()).unwrap_err().to_string()
    }

    fn label_error(bytes: &[u8]) -> String {
        read(&images(), bytes).unwrap_err().to_string()
    }

    fn for_each_file(write: impl Fn(&str, u8, &[u8])) {
        for split in ["train", "t10k"] {
            write(&format!("{split}-images"), 3, &images());
            write(&format!("{split}-labels"), 1, &labels());
        }
    }

    #[test]
    fn images_and_labels_keep_the_order_of_the_file() {
        let samples = read(&images(), &labels()).unwrap();
        assert_eq!(
            samples.shape(),
            ImageShape {
                channels: 1,
                height: 2,
                width: 3
            }
        );
        assert_eq!(samples.image(1), Some(&[250, 251, 252, 253, 254, 255][..]));
        assert_eq!((samples.labels(), samples.pixel_max()), (&[2, 0][..], 255));
        assert_eq!(samples.classes(), CLASSES);
    }

    #[test]
    fn all_four_naming_variants_load_the_same_data() {
        let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
        for (variant, folder) in folders.iter().enumerate() {
            let separator = ["-", "."][variant / 2];
            for_each_file(|name, dimensions, bytes| {
                let path = folder
                    .path()
                    .join(format!("{name}{separator}idx{dimensions}-ubyte"));
                match variant % 2 {
                    0 => fs::write(path, bytes).unwrap(),
                    _ => fs::write(path.with_added_extension("gz"), gzipped(bytes)).unwrap(),
                }
            });
            let dataset = load("tiny", &CLASSES, folder.path()).unwrap();
            assert_eq!(dataset.train, read(&images(), &labels()).unwrap());
            assert_eq!(dataset.test, dataset.train);
        }
    }

    #[test]
    fn a_missing_file_lists_all_variants_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train-images-idx3-ubyte"), images()).unwrap();
        let error = load("tiny", &CLASSES, folder.path())
            .unwrap_err()
            .to_string();
        let expected = "holds none of: train-labels-idx1-ubyte, train-labels-idx1-ubyte.gz, \
                        train-labels.idx1-ubyte, train-labels.idx1-ubyte.gz";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn a_missing_folder_is_not_reported_as_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = load("tiny", &CLASSES, &folder.path().join("typo")).unwrap_err();
        assert!(matches!(error, Error::PathMissing { .. }), "{error}");
    }

    #[test]
    fn swapped_files_are_recognised_by_their_magic_numbers() {
        assert_eq!(
            image_error(&labels()),
            "images starts with magic number 2049, expected 2051"
        );
        assert_eq!(
            label_error(&images()),
            "labels starts with magic number 2051, expected 2049"
        );
    }

    #[test]
    fn a_cut_file_states_found_and_expected_bytes() {
        assert_eq!(image_error(&[]), "images ends after 0 bytes, expected 16");
        assert_eq!(
            image_error(&images()[..15]),
            "images ends after 15 bytes, expected 16"
        );
        assert_eq!(
            image_error(&images()[..20]),
            "images ends after 20 bytes, expected 28"
        );
        assert_eq!(
            label_error(&labels()[..9]),
            "labels ends after 9 bytes, expected 10"
        );
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(
            image_error(&[images(), vec![0]].concat()),
            "images continues after the expected 28 bytes"
        );
        assert_eq!(
            label_error(&[labels(), vec![0]].concat()),
            "labels continues after the expected 10 bytes"
        );
    }

    #[test]
    fn a_compressed_bomb_is_abandoned_after_the_bytes_its_header_states() {
        let endless = flate2::read::GzEncoder::new(
            io::Cursor::new(images()).chain(io::repeat(0)),
            flate2::Compression::fast(),
        );
        let error = read_images(&mut Input::gzip("bomb.gz", endless)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "bomb.gz continues after the expected 28 bytes"
        );
    }

    #[test]
    fn sizes_that_would_take_gigabytes_are_refused_before_reading() {
        let header =
            |count, height, width| image_error(&idx(&[IMAGES_MAGIC, count, height, width], &[]));
        assert_eq!(header(1, 0, 28), "images: height = 0 is outside 1 to 4096");
        assert_eq!(
            header(1, 28, 4097),
            "images: width = 4097 is outside 1 to 4096"
        );
        assert_eq!(
            header(u32::MAX, 4096, 4096),
            "images: count × height × width = 72057594021150720 is outside 1 to 1073741824"
        );
        let labels = label_error(&idx(&[LABELS_MAGIC, u32::MAX], &[]));
        assert_eq!(
            labels,
            "labels: count = 4294967295 is outside 1 to 1073741824"
        );
    }

    #[test]
    fn zero_samples_are_refused() {
        assert_eq!(
            image_error(&idx(&[IMAGES_MAGIC, 0, 2, 3], &[])),
            "images holds no samples"
        );
        assert_eq!(
            label_error(&idx(&[LABELS_MAGIC, 0], &[])),
            "labels holds no samples"
        );
    }

    #[test]
    fn different_numbers_of_images_and_labels_are_refused() {
        let three = idx(&[LABELS_MAGIC, 3], &[0, 0, 0]);
        assert_eq!(
            label_error(&three),
            "images holds 2 images, but labels holds 3 labels"
        );
    }

    #[test]
    fn a_label_without_a_class_names_its_sample() {
        let wrong = idx(&[LABELS_MAGIC, 2], &[0, 3]);
        let expected = "labels: label 3 of sample 1 (from 0) is not below the number of classes, 3";
        assert_eq!(label_error(&wrong), expected);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes, &labels()).is_err());
            prop_assert!(read_images(&mut Input::gzip("images", &bytes[..])).is_err());
        }

        #[test]
        fn mutated_files_never_panic_and_keep_the_invariants(images in mutated(images()), labels in mutated(labels())) {
            if let Ok(samples) = read(&images, &labels) {
                prop_assert_eq!(samples.pixels().len(), samples.len() * samples.shape().features());
                prop_assert_eq!(samples.class_counts().iter().sum::<usize>(), samples.len());
            }
        }

        #[test]
        fn mutated_gzip_files_never_panic(bytes in mutated(gzipped(&images()))) {
            if let Ok((_, pixels)) = read_images(&mut Input::gzip("images", &bytes[..])) {
                // The checksum leaves only changes to the gzip header, which do not touch the pixels.
                prop_assert_eq!(&pixels, &images()[16..]);
            }
        }
    }
}
