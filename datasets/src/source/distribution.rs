use std::path::{Path, PathBuf};

use crate::idx;

/// Published files of a data set, packed and unpacked, and their addresses.
#[derive(Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Addresses in order of preference; the name of a file is appended to them.
    pub mirrors: &'static [&'static str],
    /// Files as they are downloaded.
    pub files: &'static [KnownFile],
    /// Unpacked files.
    pub unpacked: Unpacked,
}

/// Name, size and checksum of a published file.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Name of the file.
    pub name: &'static str,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// Result of unpacking the published files.
#[derive(Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// A file `NAME` for each `NAME.gz`, in the order of the packed files.
    Each(&'static [KnownFile]),
    /// A folder with this name and these files.
    Folder(&'static str, &'static [KnownFile]),
}

/// Actual or expected position of a published file in a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Located {
    /// Path of the file.
    pub path: PathBuf,
    /// Published file of this name.
    pub known: &'static KnownFile,
    /// Published contents of a compressed file.
    pub contents: Option<&'static KnownFile>,
}

impl Distribution {
    /// Returns the size of a complete download in bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Returns the files that are read when the data set is loaded from `folder`; a missing file has the name of its
    /// download.
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
                let has_any = |folder: &&PathBuf| {
                    unpacked.iter().any(|file| folder.join(file.name).is_file())
                };
                match folders.iter().find(has_any) {
                    Some(folder) => locate_all(folder, unpacked),
                    None => locate_all(folder, self.files),
                }
            }
        }
    }

    /// Returns whether a folder holds all files, without a look into them.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.locate(folder).iter().all(|file| file.path.is_file())
    }
}

fn locate_all(folder: &Path, files: &'static [KnownFile]) -> Vec<Located> {
    let located = |known: &'static KnownFile| Located {
        path: folder.join(known.name),
        known,
        contents: None,
    };
    files.iter().map(located).collect()
}

/// Locates a file under the name that the loader would choose among the variants.
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
        for &source in Source::ALL {
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
    fn the_variant_that_the_loader_chooses_is_located() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "train-images.idx3-ubyte",
            "t10k-labels-idx1-ubyte",
            "t10k-labels-idx1-ubyte.gz",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(
            names(Source::MNIST, folder.path()),
            [
                "train-images.idx3-ubyte",
                "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte"
            ]
        );
        assert!(!Source::MNIST.distribution().unwrap().is_in(folder.path()));
    }

    #[test]
    fn batches_are_located_where_the_archive_unpacks_them() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            names(Source::CIFAR10, folder.path()),
            ["cifar-10-binary.tar.gz"]
        );
        let below = folder.path().join("cifar-10-batches-bin");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("test_batch.bin"), "").unwrap();
        assert_eq!(names(Source::CIFAR10, &below).len(), 7);
        assert_eq!(names(Source::CIFAR10, folder.path()).len(), 7);
    }
}
