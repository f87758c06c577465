//! The registry of data sets; each is one file with an `ENTRY`, named in the lists below.

pub(crate) mod cifar10;
pub(crate) mod csv;
pub(crate) mod digits;
mod distribution;
mod fashion_mnist;
pub(crate) mod folder;
mod mnist;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use distribution::{Distribution, KnownFile, Located, Unpacked};

use crate::{Dataset, Error, ImageShape, SplitRule};

/// A data set that can be loaded by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Embedded 8×8 handwritten digits, pixels 0 to 16.
    Digits,
    /// 28×28 handwritten digits.
    Mnist,
    /// 28×28 articles of clothing.
    FashionMnist,
    /// 32×32 colour photographs.
    Cifar10,
    /// Images of the user's own, in one folder for each class.
    Folder,
    /// A table of the user's own, with a label and the pixels of one image in a line.
    Csv,
}

impl Source {
    /// Every source, in the order to list them in.
    pub const ALL: [Self; 6] = [
        Self::Digits,
        Self::Mnist,
        Self::FashionMnist,
        Self::Cifar10,
        Self::Folder,
        Self::Csv,
    ];

    fn entry(self) -> &'static Entry {
        match self {
            Self::Digits => &digits::ENTRY,
            Self::Mnist => &mnist::ENTRY,
            Self::FashionMnist => &fashion_mnist::ENTRY,
            Self::Cifar10 => &cifar10::ENTRY,
            Self::Folder => &folder::ENTRY,
            Self::Csv => &csv::ENTRY,
        }
    }

    /// Name in configurations and on the command line, also what [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What is known without reading anything; nothing where the samples are the user's own.
    pub fn facts(self) -> Option<Facts> {
        self.entry().facts
    }

    /// How the data set is published; nothing where it is embedded or the user's own.
    pub fn distribution(self) -> Option<&'static Distribution> {
        self.entry().distribution
    }

    /// What has to lie in the folder; nothing where the data is embedded.
    pub fn files(self) -> Option<&'static str> {
        match self.entry().reads {
            Reads::Embedded(_) => None,
            Reads::Folder { files, .. } | Reads::Own { files, .. } => Some(files),
        }
    }

    /// Whether [`load`](Self::load) must be given a folder; without that need it must be given none.
    pub fn needs_folder(self) -> bool {
        self.files().is_some()
    }

    /// Whether the data always brings a test split, so that a [`SplitRule`] is never used.
    pub fn has_test_split(self) -> bool {
        !matches!(self.entry().reads, Reads::Own { .. })
    }

    /// Loads both splits, from `folder` unless the source is embedded.
    ///
    /// `folder` holds the files under the names they are distributed with; for CIFAR-10 it may also be the path of
    /// the archive itself, for [`Csv`](Self::Csv) that of the file. `split` is used where the data has no test split
    /// of its own; [`Dataset::is_dealt`] tells.
    ///
    /// # Errors
    /// [`Error::FolderNeeded`] or [`Error::FolderNotUsed`] when `folder` and
    /// [`needs_folder`](Self::needs_folder) disagree; otherwise an [`Error`] that names the first file that is
    /// missing, unreadable or not as its format demands.
    pub fn load(self, folder: Option<&Path>, split: &SplitRule) -> Result<Dataset, Error> {
        let dataset = self.name();
        match (&self.entry().reads, folder) {
            (Reads::Embedded(load), None) => load(),
            (Reads::Embedded(_), Some(folder)) => Err(Error::FolderNotUsed {
                dataset,
                folder: folder.display().to_string(),
            }),
            (Reads::Folder { load, .. }, Some(folder)) => load(folder),
            (Reads::Own { load, .. }, Some(folder)) => load(folder, split),
            (Reads::Folder { files, .. } | Reads::Own { files, .. }, None) => {
                Err(Error::FolderNeeded { dataset, files })
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|source| source.name() == name)
            .ok_or_else(|| Error::UnknownSource {
                found: name.to_owned(),
                allowed: Self::ALL.map(Self::name).join(", "),
            })
    }
}

/// What is known about a data set without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Shape of one image.
    pub shape: ImageShape,
    /// Number of classes.
    pub classes: usize,
    /// Training samples of the full distribution.
    pub train_samples: usize,
    /// Test samples of the full distribution.
    pub test_samples: usize,
}

/// What a source's file says about itself.
struct Entry {
    name: &'static str,
    facts: Option<Facts>,
    reads: Reads,
    distribution: Option<&'static Distribution>,
}

/// Where a source's bytes come from.
enum Reads {
    Embedded(fn() -> Result<Dataset, Error>),
    Folder {
        files: &'static str,
        load: fn(&Path) -> Result<Dataset, Error>,
    },
    /// Samples of the user's, perhaps without a test split.
    Own {
        files: &'static str,
        load: fn(&Path, &SplitRule) -> Result<Dataset, Error>,
    },
}

/// What the folder of a source in MNIST's layout holds.
const IDX_FILES: &str = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                         t10k-labels-idx1-ubyte, plain or .gz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_read_back() {
        assert_eq!(
            Source::ALL.map(Source::name),
            [
                "digits",
                "mnist",
                "fashion-mnist",
                "cifar10",
                "folder",
                "csv"
            ]
        );
        for source in Source::ALL {
            assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "MNIST".parse::<Source>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown data set `MNIST`, expected one of: digits, mnist, fashion-mnist, cifar10, folder, csv"
        );
    }

    #[test]
    fn only_the_digits_need_no_folder() {
        assert_eq!(
            Source::ALL.map(Source::needs_folder),
            [false, true, true, true, true, true]
        );
    }

    #[test]
    fn facts_are_unknown_where_the_samples_are_the_users() {
        for source in Source::ALL {
            assert_eq!(
                source.facts().is_some(),
                source.has_test_split(),
                "{source}"
            );
        }
    }

    #[test]
    fn without_a_folder_the_error_says_what_it_should_hold() {
        let error = Source::Mnist
            .load(None, &SplitRule::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("data set mnist needs a folder that holds train-images-idx3-ubyte, "),
            "{error}"
        );
    }

    #[test]
    fn a_folder_for_the_embedded_digits_is_refused_rather_than_ignored() {
        let error = Source::Digits
            .load(Some(Path::new("here")), &SplitRule::default())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "data set digits is embedded and reads no folder, but here was given"
        );
    }
}
