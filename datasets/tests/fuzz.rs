//! Arbitrary and damaged files for every reader: no panic, no value out of its range, memory in proportion to the file.
//!
//! `LAYERSEP_FUZZ_CASES` sets the number of cases of each reader; 256 by default.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba};
use ls_datasets::{ImageShape, Images, fuzzing};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

thread_local! {
    /// Bytes allocated by this thread and not freed, and their maximum.
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts the allocated bytes of each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // When a thread ends, its counters are destroyed before its last memory is freed.
    let _ = IN_USE.try_with(|in_use| {
        in_use.set(in_use.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(in_use.get())));
    });
}

#[expect(unsafe_code, reason = "only a global allocator sees allocations")]
// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Returns the result of `work`, and the most bytes that it had in use at once.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.get();
    PEAK.set(before);
    let result = work();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Limit on the memory of a reader: `factor` bytes per byte of the file, plus `constant` bytes.
struct Bound {
    factor: usize,
    constant: usize,
}

impl Bound {
    fn check(&self, size: usize, peak: usize) -> Result<(), TestCaseError> {
        let most = self.factor * size + self.constant;
        prop_assert!(peak <= most, "{peak} bytes for a file of {size}");
        Ok(())
    }
}

/// Limit for plain formats: a growing buffer takes up to twice its contents, and the pixels are a copy.
const PLAIN: Bound = Bound {
    factor: 4,
    constant: 16 << 10,
};

/// Limit for tables: the CSV reader has its own buffer.
const TABLE: Bound = Bound {
    factor: 4,
    constant: 64 << 10,
};

/// Limit for a long first line of a table: the CSV reader keeps it three times, with a position of eight bytes for each
/// value, in buffers up to twice as long.
const LINE: Bound = Bound {
    factor: 52,
    constant: 64 << 10,
};

/// Limit for compressed formats: a byte of deflate unpacks to up to 1,032 bytes, each as expensive as in a plain format.
const PACKED: Bound = Bound {
    factor: 4 * 1032,
    constant: 256 << 10,
};

/// Limit for pictures: a header may claim 2,048 bytes per byte of the file, and the planes of RGB are a copy.
const IMAGE: Bound = Bound {
    factor: 2 * 2048,
    constant: 256 << 10,
};

/// Limit for scaled pictures: the scaling keeps a column of floating-point numbers for each column of the picture.
const SCALED: Bound = Bound {
    factor: 2 * 2048,
    constant: 2 << 20,
};

/// Runs a reader on many files, and `check` on every accepted result.
fn fuzz<T>(
    files: impl Strategy<Value = Vec<u8>>,
    bound: &Bound,
    read: impl Fn(&[u8]) -> Option<T>,
    check: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let cases = std::env::var("LAYERSEP_FUZZ_CASES").map_or(256, |cases| cases.parse().unwrap());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let accepted = Cell::new(0_u64);
    let outcome = TestRunner::new(config).run(&files, |bytes| {
        let (result, peak) = peak_of(|| read(&bytes));
        bound.check(bytes.len(), peak)?;
        accepted.set(accepted.get() + u64::from(result.is_some()));
        result.map_or(Ok(()), &check)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // Without an accepted file, only the first lines of the reader would have run.
    assert!(
        accepted.get() > 0 && accepted.get() < cases.into(),
        "{accepted:?} of {cases} accepted"
    );
}

/// Generates files with up to eight bytes replaced, a piece removed or doubled, the end cut off, or bytes added.
fn damaged(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let replaced = prop::collection::vec(any::<(Index, u8)>(), 0..=8);
    let piece = prop::option::weighted(0.2, any::<(Index, Index, bool)>());
    let cut = prop::option::weighted(0.2, any::<Index>());
    let added = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..=4)];
    (prop::sample::select(valid), replaced, piece, cut, added).prop_map(
        |(mut bytes, replaced, piece, cut, added)| {
            for (at, value) in replaced {
                *at.get_mut(&mut bytes) = value;
            }
            if let Some((from, to, is_doubled)) = piece {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let piece: Vec<u8> = bytes.drain(from.min(to)..from.max(to)).collect();
                if is_doubled {
                    bytes.splice(from.min(to)..from.min(to), piece.repeat(2));
                }
            }
            if let Some(cut) = cut.filter(|_| !bytes.is_empty()) {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes.extend(added);
            bytes
        },
    )
}

/// Generates arbitrary files, one in four, and damaged ones.
fn files(valid: Vec<Vec<u8>>, longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let arbitrary = prop::collection::vec(any::<u8>(), 0..longest);
    prop_oneof![1 => arbitrary, 3 => damaged(valid)]
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx(words: &[u32], values: &[u8]) -> Vec<u8> {
    let header = words.iter().flat_map(|word| word.to_be_bytes());
    header.chain(values.iter().copied()).collect()
}

fn is_image(shape: ImageShape, pixels: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(shape.height <= 4096 && shape.width <= 4096);
    prop_assert!(!pixels.is_empty() && pixels.len().is_multiple_of(shape.features()));
    Ok(())
}

fn is_labelled(samples: &ls_datasets::Samples) -> Result<(), TestCaseError> {
    is_image(samples.shape(), samples.pixels())?;
    prop_assert_eq!(
        samples.pixels().len(),
        samples.len() * samples.shape().features()
    );
    prop_assert_eq!(samples.class_counts().iter().sum::<usize>(), samples.len());
    prop_assert!(
        samples
            .pixels()
            .iter()
            .all(|&pixel| pixel <= samples.pixel_max())
    );
    Ok(())
}

#[test]
fn idx_images() {
    let valid = vec![
        idx(&[2051, 2, 2, 3], &[7; 12]),
        idx(&[2051, 1, 1, 1], &[0]),
        idx(&[2051, 300, 2, 2], &[9; 1200]),
    ];
    let read = |bytes: &[u8]| fuzzing::idx_images(bytes, false).ok();
    fuzz(files(valid, 200), &PLAIN, read, |(shape, pixels)| {
        is_image(shape, &pixels)
    });
}

#[test]
fn idx_images_in_gzip() {
    let valid = vec![
        gzipped(&idx(&[2051, 2, 2, 3], &[7; 12])),
        gzipped(&idx(&[2051, 300, 2, 2], &[9; 1200])),
    ];
    let read = |bytes: &[u8]| fuzzing::idx_images(bytes, true).ok();
    fuzz(files(valid, 200), &PACKED, read, |(shape, pixels)| {
        is_image(shape, &pixels)
    });
}

#[test]
fn idx_labels() {
    let valid = vec![idx(&[2049, 3], &[2, 0, 1]), idx(&[2049, 260], &[5; 260])];
    let read = |bytes: &[u8]| fuzzing::idx_labels(bytes, false).ok();
    fuzz(files(valid, 100), &PLAIN, read, |labels| {
        prop_assert!(!labels.is_empty());
        Ok(())
    });
}

/// Returns one record for each label.
fn batch(labels: &[u8]) -> Vec<u8> {
    let record = |&label: &u8| [vec![label], vec![10 * label; 3072]].concat();
    labels.iter().flat_map(record).collect()
}

#[test]
fn cifar_batches() {
    let read = |bytes: &[u8]| fuzzing::cifar_batch(bytes).ok();
    let valid = vec![batch(&[1]), batch(&[9, 0])];
    fuzz(files(valid, 4000), &PLAIN, read, |(pixels, labels)| {
        prop_assert!(labels.iter().all(|&label| label < 10));
        prop_assert_eq!(pixels.len(), 3072 * labels.len());
        Ok(())
    });
}

fn cifar_tar() -> Vec<u8> {
    let files = [
        (
            "batches.meta.txt",
            b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".to_vec(),
        ),
        ("data_batch_1.bin", batch(&[3])),
        ("test_batch.bin", batch(&[9])),
    ];
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let path = format!("cifar-10-batches-bin/{name}");
        builder.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn is_dataset(dataset: &ls_datasets::Dataset) -> Result<(), TestCaseError> {
    is_labelled(&dataset.train)?;
    is_labelled(&dataset.test)
}

#[test]
fn cifar_archives() {
    // The damage precedes compression, so that it reaches the headers of the tar format.
    let tars = files(vec![cifar_tar(), cifar_tar()[..2048].to_vec()], 2000);
    let archives = tars.prop_map(|tar| gzipped(&tar));
    let read = |bytes: &[u8]| fuzzing::cifar_archive(bytes).ok();
    fuzz(archives, &PACKED, read, |dataset| is_dataset(&dataset));
}

#[test]
fn cifar_archives_with_damaged_compression() {
    let read = |bytes: &[u8]| fuzzing::cifar_archive(bytes).ok();
    let archives = files(vec![gzipped(&cifar_tar())], 500);
    fuzz(archives, &PACKED, read, |dataset| is_dataset(&dataset));
}

#[test]
fn digits_text() {
    let line = |pixel: &str, label: &str| format!("{}{label}\n", format!("{pixel},").repeat(64));
    let valid = vec![
        line("7", "3").repeat(2).into_bytes(),
        line("16", "9").into_bytes(),
    ];
    let read = |bytes: &[u8]| fuzzing::digits(bytes).ok();
    fuzz(files(valid, 300), &PLAIN, read, |samples| {
        is_labelled(&samples)
    });
}

/// Generates tables, and text of the characters that matter in a table.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let valid = vec![
        b"label,p0,p1,p2,p3\ncat,1,2,3,4\n\"a, b\",5,6,7,255\n".to_vec(),
        b"3,0,1\n10,2,3\r\n3,4,5".to_vec(),
        b"0,1,class\n1,2,x\n3,4,y\n".to_vec(),
        b"a;0;0.5\nb;1;0.25\n".to_vec(),
        b"a\t16\t3\nb\t0\t1e1\n".to_vec(),
    ];
    let alike = prop::collection::vec(
        prop::sample::select(b"01259,,,;;\t\n\n\"abe -.\r".to_vec()),
        0..60,
    );
    prop_oneof![2 => files(valid, 200), 1 => alike]
}

#[test]
fn csv() {
    let read = |bytes: &[u8]| fuzzing::csv(bytes).ok();
    fuzz(tables(), &TABLE, read, |samples| is_labelled(&samples));
}

/// Checks images without labels: one shape, and pixels within their range.
fn is_in_shape(images: &Images, shape: ImageShape) -> Result<(), TestCaseError> {
    is_image(shape, &images.pixels)?;
    prop_assert!(images.pixels.iter().all(|&pixel| pixel <= images.pixel_max));
    Ok(())
}

#[test]
fn tables_without_labels() {
    let shape = ImageShape {
        channels: 1,
        height: 1,
        width: 2,
    };
    let valid = vec![
        b"p0,Label,p1\n1,a,2\n200,,4\n".to_vec(),
        b"1,2\r\n\n3, 4".to_vec(),
    ];
    let files = prop_oneof![1 => tables(), 1 => files(valid, 200)];
    let read = |bytes: &[u8]| fuzzing::images_csv(bytes, shape, 200).ok();
    fuzz(files, &TABLE, read, |images| is_in_shape(&images, shape));
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn pictures() -> Vec<Vec<u8>> {
    let grey = GrayImage::from_fn(9, 7, |x, y| Luma([(20 * x + y) as u8]));
    let colour = RgbImage::from_fn(17, 5, |x, y| Rgb([(9 * x) as u8, (40 * y) as u8, 7]));
    let deep = ImageBuffer::from_fn(3, 3, |x, y| Rgba([500 * x as u16, 9, 60_000, y as u16]));
    vec![
        encoded(grey.clone(), ImageFormat::Png),
        encoded(colour.clone(), ImageFormat::Png),
        encoded(deep, ImageFormat::Png),
        encoded(grey, ImageFormat::Jpeg),
        encoded(colour, ImageFormat::Jpeg),
    ]
}

/// Corrects the checksums of a damaged PNG, so that the damage reaches the decoder.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(header) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(end) = at
            .checked_add(8 + length)
            .filter(|end| end + 4 <= bytes.len())
        else {
            break;
        };
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
    bytes
}

/// Generates damaged pictures, some of them with valid checksums.
fn damaged_pictures() -> impl Strategy<Value = Vec<u8>> {
    let mended = |(bytes, is_mended)| {
        if is_mended {
            with_checksums(bytes)
        } else {
            bytes
        }
    };
    (files(pictures(), 200), any::<bool>()).prop_map(mended)
}

#[test]
fn images() {
    let read = |bytes: &[u8]| fuzzing::image(bytes).ok();
    fuzz(damaged_pictures(), &IMAGE, read, |(shape, pixels)| {
        is_image(shape, &pixels)?;
        prop_assert_eq!(pixels.len(), shape.features());
        Ok(())
    });
}

/// Returns the shape that the pictures are read in.
fn small(channels: usize) -> ImageShape {
    ImageShape {
        channels,
        height: 5,
        width: 17,
    }
}

#[test]
fn pictures_without_labels() {
    let shape = small(3);
    let read = |bytes: &[u8]| fuzzing::images_picture(bytes, shape, false).ok();
    fuzz(damaged_pictures(), &IMAGE, read, |images| {
        prop_assert_eq!(images.pixels.len(), shape.features());
        is_in_shape(&images, shape)
    });
}

#[test]
fn scaled_pictures_without_labels() {
    let shape = small(1);
    let read = |bytes: &[u8]| fuzzing::images_picture(bytes, shape, true).ok();
    fuzz(damaged_pictures(), &SCALED, read, |images| {
        prop_assert_eq!(images.pixels.len(), shape.features());
        is_in_shape(&images, shape)
    });
}

/// Checks the limit on one file, which must be large enough for the factor to matter.
fn within<T>(bound: &Bound, bytes: &[u8], read: impl Fn(&[u8]) -> T) {
    let (_, peak) = peak_of(|| read(bytes));
    bound.check(bytes.len(), peak).unwrap();
}

#[test]
fn large_files_take_memory_in_proportion_to_their_size() {
    let million = 1 << 20;
    let images = idx(&[2051, million as u32, 1, 1], &vec![3; million]);
    within(&PLAIN, &images, |bytes| {
        fuzzing::idx_images(bytes, false).unwrap()
    });
    within(&PLAIN, &images[..1000], |bytes| {
        fuzzing::idx_images(bytes, false).unwrap_err()
    });
    within(&PACKED, &gzipped(&images), |bytes| {
        fuzzing::idx_images(bytes, true).unwrap()
    });
    within(&PLAIN, &batch(&[1; 300]), |bytes| {
        fuzzing::cifar_batch(bytes).unwrap()
    });
    let line = format!("{}5\n", "1,".repeat(64));
    let text = line.repeat(8000);
    within(&PLAIN, text.as_bytes(), |bytes| {
        fuzzing::digits(bytes).unwrap()
    });

    within(&TABLE, "a,1\n".repeat(million / 4).as_bytes(), |bytes| {
        fuzzing::csv(bytes).unwrap()
    });
    within(&LINE, ",".repeat(million).as_bytes(), |bytes| {
        fuzzing::csv(bytes).unwrap_err()
    });
    within(&TABLE, "\"".repeat(million).as_bytes(), |bytes| {
        fuzzing::csv(bytes).unwrap_err()
    });
    let pair = ImageShape {
        channels: 1,
        height: 1,
        width: 2,
    };
    within(&TABLE, "2,1\n".repeat(million / 4).as_bytes(), |bytes| {
        fuzzing::images_csv(bytes, pair, 255).unwrap()
    });
    within(&LINE, ",".repeat(million).as_bytes(), |bytes| {
        fuzzing::images_csv(bytes, pair, 255).unwrap_err()
    });

    let black = encoded(RgbImage::new(2000, 2000), ImageFormat::Png);
    within(&IMAGE, &black, |bytes| fuzzing::image(bytes).unwrap());
    let black = encoded(GrayImage::new(4096, 4096), ImageFormat::Jpeg);
    within(&IMAGE, &black, |bytes| fuzzing::image(bytes).unwrap());
    within(&SCALED, &black, |bytes| {
        fuzzing::images_picture(bytes, small(3), true).unwrap()
    });
}
