//! CIFAR-10 in its binary version: records of one label byte and 3,072 pixel bytes in CHW order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::Archive;

use super::{Definition, Distribution, Facts, KnownFile, Loader, Source, Unpacked};
use crate::input::{BYTES_LIMIT, Input, check_folder, read_failed};
use crate::samples::{check_labels, check_size};
use crate::{Dataset, Error, ImageShape, Samples};

const NAME: &str = "cifar10";
const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];
const SHAPE: ImageShape = ImageShape {
    channels: 3,
    height: 32,
    width: 32,
};

const RECORD: u64 = 1 + 3 * 32 * 32;
const BATCH_LIMIT: u64 = 10_000 * RECORD;
/// Limit on training batches: far more than the published five, and still under a gigabyte.
const BATCHES_LIMIT: usize = 32;
const CLASS_NAMES_LIMIT: u64 = 4096;

const UNPACKED: &str = "cifar-10-batches-bin";
const PACKED: &str = "cifar-10-binary.tar.gz";
const TEST_FILE: &str = "test_batch.bin";
const CLASS_NAMES_FILE: &str = "batches.meta.txt";

impl Source {
    /// 32×32 colour photographs.
    pub const CIFAR10: Self = Self(&DEFINITION);
}

static DEFINITION: Definition = Definition {
    name: NAME,
    about: "32×32 colour photographs",
    facts: Some(Facts {
        shape: SHAPE,
        classes: 10,
        train_samples: 50_000,
        test_samples: 10_000,
    }),
    loader: Loader::Splits {
        files: "data_batch_1.bin and so on with test_batch.bin, or cifar-10-binary.tar.gz",
        load,
    },
    distribution: Some(&DISTRIBUTION),
};

static DISTRIBUTION: Distribution = Distribution {
    mirrors: &[
        "https://www.cs.toronto.edu/~kriz/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    ],
    files: &[KnownFile {
        name: PACKED,
        size: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    }],
    unpacked: Unpacked::Folder(
        UNPACKED,
        &[
            KnownFile {
                name: "data_batch_1.bin",
                size: 30_730_000,
                sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            },
            KnownFile {
                name: "data_batch_2.bin",
                size: 30_730_000,
                sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            },
            KnownFile {
                name: "data_batch_3.bin",
                size: 30_730_000,
                sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            },
            KnownFile {
                name: "data_batch_4.bin",
                size: 30_730_000,
                sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            },
            KnownFile {
                name: "data_batch_5.bin",
                size: 30_730_000,
                sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            },
            KnownFile {
                name: TEST_FILE,
                size: 30_730_000,
                sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            },
            KnownFile {
                name: CLASS_NAMES_FILE,
                size: 61,
                sha256: "558e74b5e208382e186da55784b4bac2cd52e558448e1b5800990fdb28ed8033",
            },
        ],
    ),
};

/// Loads from the archive if `path` is a file, else from the first place below the folder that holds the data.
fn load(path: &Path) -> Result<Dataset, Error> {
    if path.is_file() {
        return load_archive(path);
    }
    check_folder(path)?;
    let folders = [path.to_owned(), path.join(UNPACKED)];
    if let Some(folder) = folders
        .iter()
        .find(|folder| folder.join(TEST_FILE).is_file())
    {
        return load_folder(folder);
    }
    let archive = path.join(PACKED);
    if archive.is_file() {
        return load_archive(&archive);
    }
    let looked_for = format!("{TEST_FILE}, {UNPACKED}/{TEST_FILE}, {PACKED}");
    Err(Error::FileMissing {
        place: path.display().to_string(),
        looked_for,
    })
}

fn load_folder(folder: &Path) -> Result<Dataset, Error> {
    let place = folder.display().to_string();
    let failed = |cause| read_failed(&place, cause);
    let mut batches = Batches::default();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(kind) = path
            .file_name()
            .and_then(|name| FileKind::from_name(name.as_encoded_bytes()))
        else {
            continue;
        };
        let metadata = fs::metadata(&path);
        let metadata = metadata.map_err(|cause| read_failed(&path.display().to_string(), cause))?;
        if metadata.is_file() {
            batches.read(kind, &mut Input::open(&path)?, metadata.len())?;
        }
    }
    batches.into_dataset(&place)
}

fn load_archive(path: &Path) -> Result<Dataset, Error> {
    let place = path.display().to_string();
    let file = fs::File::open(path).map_err(|cause| read_failed(&place, cause))?;
    read_archive(&place, file, BYTES_LIMIT)?.into_dataset(&place)
}

/// Reads the archive as a stream, without unpacking it anywhere.
pub(crate) fn read_archive(
    place: &str,
    compressed: impl Read,
    limit: u64,
) -> Result<Batches, Error> {
    let mut archive = Archive::new(MultiGzDecoder::new(compressed).take(limit));
    let batches = read_entries(place, &mut archive);
    let mut rest = archive.into_inner();
    // The gzip checksum follows the last entry, so the pixels are only verified at the end of the stream.
    let end = io::copy(&mut rest, &mut io::sink());
    if rest.limit() == 0 {
        return Err(Error::TooLarge {
            file: place.to_owned(),
            limit,
        });
    }
    let batches = batches?;
    end.map_err(|cause| read_failed(place, cause))?;
    Ok(batches)
}

fn read_entries(place: &str, archive: &mut Archive<impl Read>) -> Result<Batches, Error> {
    let failed = |cause| read_failed(place, cause);
    let mut batches = Batches::default();
    // Raw mode skips extension entries for long names, which the tar reader would read into memory whole.
    for entry in archive.entries().map_err(failed)?.raw(true) {
        let entry = entry.map_err(failed)?;
        let path = entry.path_bytes();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let Some(kind) =
            FileKind::from_name(name).filter(|_| entry.header().entry_type().is_file())
        else {
            continue;
        };
        let name = format!("{place}: {}", String::from_utf8_lossy(name));
        let size = entry.size();
        batches.read(kind, &mut Input::plain(name, entry), size)?;
    }
    Ok(batches)
}

/// Contents of a file of the data set, which its name determines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Train(u8),
    Test,
    ClassNames,
}

impl FileKind {
    fn from_name(file_name: &[u8]) -> Option<Self> {
        match str::from_utf8(file_name).ok()? {
            TEST_FILE => Some(Self::Test),
            CLASS_NAMES_FILE => Some(Self::ClassNames),
            name => {
                let number = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
                // `01` or `+1` would name a batch a second time.
                number
                    .parse()
                    .ok()
                    .filter(|parsed: &u8| parsed.to_string() == number)
                    .map(Self::Train)
            }
        }
    }
}

/// Files read so far; their order does not matter.
#[derive(Default)]
pub(crate) struct Batches {
    train: BTreeMap<u8, Records>,
    test: Option<Records>,
    classes: Option<Vec<String>>,
}

impl Batches {
    /// Reads one file of `size` bytes; as in unpacking, a later file replaces an earlier one of its name.
    fn read(&mut self, kind: FileKind, input: &mut Input, size: u64) -> Result<(), Error> {
        match kind {
            FileKind::ClassNames => self.classes = Some(read_class_names(input)?),
            FileKind::Test => self.test = Some(Records::read(input, size)?),
            FileKind::Train(number) => {
                self.train.insert(number, Records::read(input, size)?);
                check_size(
                    input.name(),
                    "number of training batches",
                    self.train.len() as u64,
                    BATCHES_LIMIT as u64,
                )?;
            }
        }
        Ok(())
    }

    /// Joins the batches in the order of their numbers, and notes which were found.
    pub(crate) fn into_dataset(self, place: &str) -> Result<Dataset, Error> {
        let missing = |looked_for: &str| Error::FileMissing {
            place: place.to_owned(),
            looked_for: looked_for.to_owned(),
        };
        if self.train.is_empty() {
            return Err(missing("data_batch_1.bin to data_batch_5.bin"));
        }
        let test = self.test.ok_or_else(|| missing(TEST_FILE))?;
        let classes = self
            .classes
            .unwrap_or_else(|| CLASSES.map(String::from).to_vec());
        let numbers: Vec<String> = self.train.keys().map(u8::to_string).collect();
        let mut train = Records::default();
        for batch in self.train.into_values() {
            train.append(batch);
        }
        let mut dataset = Dataset::new(
            NAME,
            train.into_samples(place, &classes)?,
            test.into_samples(place, &classes)?,
        )?;
        dataset.note = Some(format!(
            "training batches read: {} (the full set is 1 to 5)",
            numbers.join(", ")
        ));
        Ok(dataset)
    }
}

fn read_class_names(input: &mut Input) -> Result<Vec<String>, Error> {
    let bytes = input.read_at_most(CLASS_NAMES_LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    // Names are printed, so a name with control characters does not count.
    let is_name = |name: &&str| !name.is_empty() && !name.contains(char::is_control);
    let names: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(is_name)
        .map(String::from)
        .collect();
    if names.len() == CLASSES.len() {
        return Ok(names);
    }
    Err(Error::ClassCount {
        file: input.name().to_owned(),
        found: names.len(),
        expected: CLASSES.len(),
    })
}

/// Pixels and labels of one batch file.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl Records {
    /// Reads a batch file of `size` bytes.
    pub(crate) fn read(input: &mut Input, size: u64) -> Result<Self, Error> {
        check_batch_size(input.name(), size)?;
        let mut records = Self::default();
        for record in input.read_rest(size)?.chunks_exact(RECORD as usize) {
            records.labels.extend_from_slice(&record[..1]);
            records.pixels.extend_from_slice(&record[1..]);
        }
        check_labels(input.name(), &records.labels, CLASSES.len())?;
        Ok(records)
    }

    fn append(&mut self, mut other: Self) {
        self.pixels.append(&mut other.pixels);
        self.labels.append(&mut other.labels);
    }

    fn into_samples(self, origin: &str, classes: &[String]) -> Result<Samples, Error> {
        Samples::new(
            origin,
            SHAPE,
            self.pixels,
            u8::MAX,
            self.labels,
            classes.to_vec(),
        )
    }
}

/// Checks that a file holds whole records, and no more than a batch file of the format.
fn check_batch_size(file: &str, size: u64) -> Result<(), Error> {
    if size == 0 {
        return Err(Error::NoSamples {
            file: file.to_owned(),
        });
    }
    check_size(file, "size in bytes", size, BATCH_LIMIT)?;
    let expected = size.next_multiple_of(RECORD);
    if size != expected {
        return Err(Error::Truncated {
            file: file.to_owned(),
            found: size,
            expected,
        });
    }
    Ok(())
}

#[cfg(test)]
#[path = "cifar10_tests.rs"]
mod tests;
