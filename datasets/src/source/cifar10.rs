//! CIFAR-10 in its binary version: records of one label byte and 3,072 pixel bytes, already in CHW order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::Archive;

use super::{Distribution, Entry, Facts, KnownFile, Reads, Unpacked};
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
/// Far more than the five there are, and still under a gigabyte.
const BATCHES_LIMIT: usize = 32;
const CLASS_NAMES_LIMIT: u64 = 4096;

const UNPACKED: &str = "cifar-10-batches-bin";
const PACKED: &str = "cifar-10-binary.tar.gz";
const TEST_FILE: &str = "test_batch.bin";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    facts: Some(Facts {
        shape: SHAPE,
        classes: 10,
        train_samples: 50_000,
        test_samples: 10_000,
    }),
    reads: Reads::Folder {
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
        name: "cifar-10-binary.tar.gz",
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
                name: "test_batch.bin",
                size: 30_730_000,
                sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            },
            KnownFile {
                name: "batches.meta.txt",
                size: 61,
                sha256: "558e74b5e208382e186da55784b4bac2cd52e558448e1b5800990fdb28ed8033",
            },
        ],
    ),
};

/// Loads from the archive if `path` is a file, else from the first place in the folder that holds the data.
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
    let mut parts = Parts::default();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(role) = path
            .file_name()
            .and_then(|name| Role::of(name.as_encoded_bytes()))
        else {
            continue;
        };
        let metadata = fs::metadata(&path);
        let metadata = metadata.map_err(|cause| read_failed(&path.display().to_string(), cause))?;
        if metadata.is_file() {
            parts.read(role, &mut Input::open(&path)?, metadata.len())?;
        }
    }
    parts.into_dataset(&place)
}

fn load_archive(path: &Path) -> Result<Dataset, Error> {
    let place = path.display().to_string();
    let file = fs::File::open(path).map_err(|cause| read_failed(&place, cause))?;
    read_archive(&place, file, BYTES_LIMIT)?.into_dataset(&place)
}

/// Reads the archive as a stream, without unpacking it anywhere.
pub(crate) fn read_archive(place: &str, compressed: impl Read, limit: u64) -> Result<Parts, Error> {
    let mut archive = Archive::new(MultiGzDecoder::new(compressed).take(limit));
    let parts = read_entries(place, &mut archive);
    let mut rest = archive.into_inner();
    // The gzip checksum comes after the last entry, so only the end of the stream vouches for the pixels.
    let end = io::copy(&mut rest, &mut io::sink());
    if rest.limit() == 0 {
        return Err(Error::TooLarge {
            file: place.to_owned(),
            limit,
        });
    }
    let parts = parts?;
    end.map_err(|cause| read_failed(place, cause))?;
    Ok(parts)
}

fn read_entries(place: &str, archive: &mut Archive<impl Read>) -> Result<Parts, Error> {
    let failed = |cause| read_failed(place, cause);
    let mut parts = Parts::default();
    // Raw: extension entries for long names, which the library would read into memory whole, are skipped.
    for entry in archive.entries().map_err(failed)?.raw(true) {
        let entry = entry.map_err(failed)?;
        let path = entry.path_bytes();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let Some(role) = Role::of(name).filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        let name = format!("{place}: {}", String::from_utf8_lossy(name));
        let size = entry.size();
        parts.read(role, &mut Input::plain(name, entry), size)?;
    }
    Ok(parts)
}

/// What a file of the data set holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Train(u8),
    Test,
    ClassNames,
}

impl Role {
    fn of(file_name: &[u8]) -> Option<Self> {
        match str::from_utf8(file_name).ok()? {
            TEST_FILE => Some(Self::Test),
            "batches.meta.txt" => Some(Self::ClassNames),
            name => {
                let number = name.strip_prefix("data_batch_")?.strip_suffix(".bin")?;
                // `01` or `+1` would be a second file for the same batch.
                number
                    .parse()
                    .ok()
                    .filter(|parsed: &u8| parsed.to_string() == number)
                    .map(Self::Train)
            }
        }
    }
}

/// The files read so far, in whichever order they came.
#[derive(Default)]
pub(crate) struct Parts {
    train: BTreeMap<u8, Batch>,
    test: Option<Batch>,
    classes: Option<Vec<String>>,
}

impl Parts {
    /// Reads one file of `size` bytes; like unpacking, a second file of the same name replaces the first.
    fn read(&mut self, role: Role, input: &mut Input, size: u64) -> Result<(), Error> {
        match role {
            Role::ClassNames => self.classes = Some(read_class_names(input)?),
            Role::Test => self.test = Some(Batch::read(input, size)?),
            Role::Train(number) => {
                self.train.insert(number, Batch::read(input, size)?);
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
        let mut train = Batch::default();
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
    // Names are printed: one with control characters does not count as a name.
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

#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl Batch {
    pub(crate) fn read(input: &mut Input, size: u64) -> Result<Self, Error> {
        check_batch_size(input.name(), size)?;
        let mut batch = Self::default();
        for record in input.read_rest(size)?.chunks_exact(RECORD as usize) {
            batch.labels.extend_from_slice(&record[..1]);
            batch.pixels.extend_from_slice(&record[1..]);
        }
        check_labels(input.name(), &batch.labels, CLASSES.len())?;
        Ok(batch)
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

/// Checks that a file holds whole records, at most as many as the format puts into one file.
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{gzipped, mutated};

    type Files<'a> = [(&'a str, Vec<u8>)];

    /// One record per label, all pixels equal to `10 · label`.
    fn batch(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&label| [vec![label], vec![10 * label; 3072]].concat())
            .collect()
    }

    fn names() -> Vec<u8> {
        b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".to_vec()
    }

    fn two_batches() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("data_batch_10.bin", batch(&[7])),
            ("readme.html", b"not data".to_vec()),
            ("data_batch_2.bin", batch(&[3, 4])),
            (TEST_FILE, batch(&[9])),
        ]
    }

    fn folder_with(files: &Files) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn tar_of(files: &Files) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            builder
                .append_data(&mut header, format!("{UNPACKED}/{name}"), &bytes[..])
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn from_archive(compressed: &[u8]) -> Result<Dataset, Error> {
        read_archive("cifar", compressed, BYTES_LIMIT)?.into_dataset("cifar")
    }

    fn batch_error(bytes: &[u8]) -> String {
        let files = [
            (TEST_FILE, batch(&[0])),
            ("data_batch_1.bin", bytes.to_vec()),
        ];
        let folder = folder_with(&files);
        let error = load(folder.path()).unwrap_err().to_string();
        let prefix = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
        error.strip_prefix(&prefix).unwrap_or(&error).to_owned()
    }

    #[test]
    fn batches_are_joined_by_number_and_the_note_lists_them() {
        let dataset = load(folder_with(&two_batches()).path()).unwrap();
        assert_eq!(dataset.train.labels(), [3, 4, 7]);
        assert_eq!(dataset.train.image(2), Some(&[70; 3072][..]));
        assert_eq!(dataset.test.labels(), [9]);
        assert_eq!(dataset.train.shape().to_string(), "3×32×32");
        assert_eq!(dataset.train.classes(), CLASSES);
        assert_eq!(
            dataset.note.unwrap(),
            "training batches read: 2, 10 (the full set is 1 to 5)"
        );
    }

    #[test]
    fn the_folder_the_folder_above_it_and_the_archive_give_the_same_dataset() {
        let files = two_batches();
        let expected = load(folder_with(&files).path()).unwrap();

        let above = tempfile::tempdir().unwrap();
        fs::create_dir(above.path().join(UNPACKED)).unwrap();
        for (name, bytes) in &files {
            fs::write(above.path().join(UNPACKED).join(name), bytes).unwrap();
        }
        assert_eq!(load(above.path()).unwrap(), expected);

        let packed = folder_with(&[(PACKED, gzipped(&tar_of(&files)))]);
        assert_eq!(load(packed.path()).unwrap(), expected);
        assert_eq!(load(&packed.path().join(PACKED)).unwrap(), expected);
    }

    #[test]
    fn class_names_come_from_the_file_when_there_is_one() {
        let files = [two_batches(), vec![("batches.meta.txt", names())]].concat();
        let dataset = load(folder_with(&files).path()).unwrap();
        assert_eq!(
            dataset.test.classes(),
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
        );
        assert_eq!(from_archive(&gzipped(&tar_of(&files))).unwrap(), dataset);
    }

    #[test]
    fn a_class_too_few_or_too_many_is_refused() {
        let files = [
            two_batches(),
            vec![("batches.meta.txt", b"cat\ndog\n".to_vec())],
        ]
        .concat();
        let error = from_archive(&gzipped(&tar_of(&files)))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "cifar: batches.meta.txt names 2 classes, expected 10"
        );
    }

    #[test]
    fn text_from_a_file_never_brings_control_characters_into_a_message() {
        let mut tar = tar_of(&two_batches());
        tar[..15].copy_from_slice(b"\x1b[2J\nname\r\x07bcde");
        tar[148..156].copy_from_slice(b"\x1b[1m\nxyz");
        let error = from_archive(&gzipped(&tar)).unwrap_err().to_string();
        assert!(
            error.contains("[2Jname"),
            "the library quotes the file: {error:?}"
        );
        assert!(!error.contains(char::is_control), "{error:?}");

        let names = String::from_utf8(names())
            .unwrap()
            .replace('a', "\u{1b}[2J");
        let error = read_class_names(&mut Input::plain("meta", names.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), "meta names 9 classes, expected 10");
    }

    #[test]
    fn only_the_formats_own_file_names_are_read() {
        assert_eq!(Role::of(b"data_batch_5.bin"), Some(Role::Train(5)));
        for name in [
            "data_batch_.bin",
            "data_batch_01.bin",
            "data_batch_+1.bin",
            "data_batch_999.bin",
            "data_batch_1",
        ] {
            assert_eq!(Role::of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn every_defect_of_a_batch_has_its_own_message() {
        assert_eq!(batch_error(&[]), "data_batch_1.bin holds no samples");
        assert_eq!(
            batch_error(&batch(&[1, 2])[..5000]),
            "data_batch_1.bin ends after 5000 bytes, expected 6146"
        );
        assert_eq!(
            batch_error(&vec![0; BATCH_LIMIT as usize + 1]),
            "data_batch_1.bin: size in bytes = 30730001 is outside 1 to 30730000"
        );
        assert_eq!(
            batch_error(&batch(&[1, 2, 10])),
            "data_batch_1.bin: label 10 of sample 2 (from 0) is not below the number of classes, 10"
        );
    }

    #[test]
    fn missing_files_are_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = load(empty.path()).unwrap_err().to_string();
        let looked_for =
            "test_batch.bin, cifar-10-batches-bin/test_batch.bin, cifar-10-binary.tar.gz";
        assert_eq!(
            error,
            format!("{} holds none of: {looked_for}", empty.path().display())
        );

        let only_test = gzipped(&tar_of(&[(TEST_FILE, batch(&[0]))]));
        let error = from_archive(&only_test).unwrap_err().to_string();
        assert_eq!(
            error,
            "cifar holds none of: data_batch_1.bin to data_batch_5.bin"
        );

        let only_train = gzipped(&tar_of(&[("data_batch_1.bin", batch(&[0]))]));
        assert_eq!(
            from_archive(&only_train).unwrap_err().to_string(),
            "cifar holds none of: test_batch.bin"
        );
    }

    #[test]
    fn a_path_that_does_not_exist_is_not_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(&folder.path().join("typo")).unwrap_err();
        assert!(matches!(error, Error::NotAFolder { .. }), "{error}");
    }

    #[test]
    fn a_cut_archive_is_an_error_at_any_length() {
        let tar = tar_of(&two_batches());
        let whole = gzipped(&tar);
        for length in 0..whole.len() {
            assert!(
                from_archive(&whole[..length]).is_err(),
                "gzip cut to {length} of {}",
                whole.len()
            );
        }
        // The gzip data is whole here, but ends 512 bytes into the second batch.
        let error = from_archive(&gzipped(&tar[..6144]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "cifar: data_batch_2.bin ends after 512 bytes, expected 6146"
        );
    }

    #[test]
    fn a_wrong_checksum_at_the_end_of_the_archive_is_noticed() {
        let mut bytes = gzipped(&tar_of(&two_batches()));
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
        let error = from_archive(&bytes).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }

    #[test]
    fn an_archive_that_unpacks_beyond_the_limit_is_refused() {
        let bytes = gzipped(&tar_of(&[("readme.html", vec![0; 100_000])]));
        let error = read_archive("cifar", &bytes[..], 50_000).err().unwrap();
        let expected = "cifar holds more than the 50000 bytes that are allowed";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn too_many_batches_are_refused() {
        let files: Vec<_> = (0..=BATCHES_LIMIT)
            .map(|i| (format!("data_batch_{i}.bin"), batch(&[0])))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone()))
            .collect();
        let error = from_archive(&gzipped(&tar_of(&files)))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "cifar: data_batch_32.bin: number of training batches = 33 is outside 1 to 32"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_never_an_archive(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(from_archive(&bytes).is_err());
            prop_assert!(from_archive(&gzipped(&bytes)).is_err());
        }

        #[test]
        fn mutated_archives_never_panic(tar in mutated(tar_of(&two_batches()))) {
            if let Ok(dataset) = from_archive(&gzipped(&tar)) {
                prop_assert!(dataset.train.len() <= 3);
            }
        }

        #[test]
        fn mutated_headers_never_panic(header in mutated(tar_of(&two_batches())[..512].to_vec())) {
            let tar = [&header[..], &tar_of(&two_batches())[512..]].concat();
            let _outcome = from_archive(&gzipped(&tar));
        }

        #[test]
        fn damaged_compression_never_changes_the_data(bytes in mutated(gzipped(&tar_of(&two_batches())))) {
            if let Ok(dataset) = from_archive(&bytes) {
                prop_assert_eq!(dataset.train.labels(), [3, 4, 7]);
            }
        }

        #[test]
        fn mutated_batches_keep_labels_in_range(bytes in mutated(batch(&[1, 2]))) {
            let size = bytes.len() as u64;
            if let Ok(batch) = Batch::read(&mut Input::plain("batch", &bytes[..]), size) {
                prop_assert!(batch.labels.iter().all(|&label| label < 10));
                prop_assert_eq!(batch.pixels.len(), 3072 * batch.labels.len());
            }
        }
    }
}
