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
    assert_eq!(
        FileKind::from_name(b"data_batch_5.bin"),
        Some(FileKind::Train(5))
    );
    for name in [
        "data_batch_.bin",
        "data_batch_01.bin",
        "data_batch_+1.bin",
        "data_batch_999.bin",
        "data_batch_1",
    ] {
        assert_eq!(FileKind::from_name(name.as_bytes()), None, "{name}");
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
    let looked_for = "test_batch.bin, cifar-10-batches-bin/test_batch.bin, cifar-10-binary.tar.gz";
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
fn a_path_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(&folder.path().join("typo")).unwrap_err();
    assert!(matches!(error, Error::PathMissing { .. }), "{error}");
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
        if let Ok(batch) = Records::read(&mut Input::plain("batch", &bytes[..]), size) {
            prop_assert!(batch.labels.iter().all(|&label| label < 10));
            prop_assert_eq!(batch.pixels.len(), 3072 * batch.labels.len());
        }
    }
}
