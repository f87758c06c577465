use std::path::{Path, PathBuf};

use crate::idx;

/// How a data set is published: what a download gets, and how it may lie in a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Addresses that the name of a file is added to, the first choice first.
    pub mirrors: &'static [&'static str],
    /// The files as they are downloaded.
    pub files: &'static [KnownFile],
    /// The same, unpacked.
    pub unpacked: Unpacked,
}

/// A published file.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Name.
    pub name: &'static str,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// What unpacking gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// For each `NAME.gz` a file `NAME`, in the same order.
    Each(&'static [KnownFile]),
    /// A folder of this name with these files.
    Folder(&'static str, &'static [KnownFile]),
}

/// Where a published file is, or should be, in a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Located {
    /// Its path.
    pub path: PathBuf,
    /// What is published under its name.
    pub known: &'static KnownFile,
    /// For a compressed file, what is published of its contents.
    pub contents: Option<&'static KnownFile>,
}

impl Distribution {
    /// Sum of the sizes of the files of a download, in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The files that loading from this folder reads; those that are missing under the name they are downloaded with.
    pub fn locate(&self, folder: &Path) -> Vec<Located> {
        match self.unpacked {
            Unpacked::Each(unpacked) => {
                let pairs = self.files.iter().zip(unpacked);
                pairs
                    .map(|(packed, plain)| locate_one(folder, packed, plain))
                    .collect()
            }
            Unpacked::Folder(name, unpacked) => {
                let folders = [folder.to_owned(), folder.join(name)];
                let is_there = |folder: &&PathBuf| {
                    unpacked.iter().any(|file| folder.join(file.name).is_file())
                };
                match folders.iter().find(is_there) {
                    Some(folder) => unpacked
                        .iter()
                        .map(|file| Located::new(folder, file))
                        .collect(),
                    None => self
                        .files
                        .iter()
                        .map(|file| Located::new(folder, file))
                        .collect(),
                }
            }
        }
    }

    /// Whether a folder holds all files, whatever is in them.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.locate(folder).iter().all(|file| file.path.is_file())
    }
}

impl Located {
    fn new(folder: &Path, known: &'static KnownFile) -> Self {
        Self {
            path: folder.join(known.name),
            known,
            contents: None,
        }
    }
}

/// The variant of a name that a loader would take.
fn locate_one(folder: &Path, packed: &'static KnownFile, plain: &'static KnownFile) -> Located {
    let paths = idx::variants(plain.name).map(|name| folder.join(name));
    let path = paths.into_iter().find(|path| path.is_file());
    let path = path.unwrap_or_else(|| folder.join(packed.name));
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    Located {
        path,
        known: if is_packed { packed } else { plain },
        contents: is_packed.then_some(plain),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Source;

    fn names(source: Source, folder: &Path) -> Vec<String> {
        let located = source.distribution().unwrap().locate(folder);
        let name = |file: &Located| {
            file.path
                .strip_prefix(folder)
                .unwrap()
                .display()
                .to_string()
        };
        located.iter().map(name).collect()
    }

    #[test]
    fn sums_and_addresses_are_well_formed() {
        for source in Source::ALL {
            let Some(distribution) = source.distribution() else {
                continue;
            };
            let (Unpacked::Each(unpacked) | Unpacked::Folder(_, unpacked)) = distribution.unpacked;
            for file in distribution.files.iter().chain(unpacked) {
                let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert!(
                    file.sha256.len() == 64 && file.sha256.chars().all(is_digit),
                    "{file:?}"
                );
            }
            assert!(distribution.mirrors.len() > 1, "{source}");
            for mirror in distribution.mirrors {
                assert!(
                    mirror.starts_with("http") && mirror.ends_with('/'),
                    "{mirror}"
                );
            }
            if let Unpacked::Each(unpacked) = distribution.unpacked {
                let packed = unpacked.iter().map(|file| format!("{}.gz", file.name));
                assert!(packed.eq(distribution.files.iter().map(|file| file.name.to_owned())));
            }
        }
    }

    #[test]
    fn the_variant_that_a_loader_takes_is_located() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "train-images.idx3-ubyte",
            "t10k-labels-idx1-ubyte",
            "t10k-labels-idx1-ubyte.gz",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(
            names(Source::Mnist, folder.path()),
            [
                "train-images.idx3-ubyte",
                "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte"
            ]
        );
        assert!(!Source::Mnist.distribution().unwrap().is_in(folder.path()));
    }

    #[test]
    fn batches_are_located_where_the_archive_unpacks_them() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            names(Source::Cifar10, folder.path()),
            ["cifar-10-binary.tar.gz"]
        );
        let below = folder.path().join("cifar-10-batches-bin");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("test_batch.bin"), "").unwrap();
        assert_eq!(names(Source::Cifar10, &below).len(), 7);
        assert_eq!(names(Source::Cifar10, folder.path()).len(), 7);
    }
}
