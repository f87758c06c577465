//! Helpers for the tests of several readers: compression, and damage to valid files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::Index;

/// Returns the bytes in gzip's format.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Generates variants of a file: up to four bytes are replaced, the end may be cut, and bytes may be added.
pub(crate) fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let replaced = prop::collection::vec(any::<(Index, u8)>(), 0..=4);
    let cut = prop::option::weighted(0.2, any::<Index>());
    let added = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 1..=4)];
    (replaced, cut, added).prop_map(move |(replaced, cut, added)| {
        let mut bytes = valid.clone();
        for (at, value) in replaced {
            *at.get_mut(&mut bytes) = value;
        }
        bytes.truncate(cut.map_or(valid.len(), |at| at.index(valid.len())));
        bytes.extend(added);
        bytes
    })
}
