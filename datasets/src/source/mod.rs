//! The registry of data sets; each is one file with an `ENTRY`, named in the lists below.

mod cifar10;
mod digits;
mod fashion_mnist;
mod mnist;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::{Dataset, Error, ImageShape};

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
}

impl Source {
    /// Every source, in the order to list them in.
    pub const ALL: [Self; 4] = [Self::Digits, Self::Mnist, Self::FashionMnist, Self::Cifar10];

    fn entry(self) -> &'static Entry {
        match self {
            Self::Digits => &digits::ENTRY,
            Self::Mnist => &mnist::ENTRY,
            Self::FashionMnist => &fashion_mnist::ENTRY,
            Self::Cifar10 => &cifar10::ENTRY,
        }
    }

    /// Name in configurations and on the command line, also what [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What is known without reading anything.
    pub fn facts(self) -> Facts {
        self.entry().facts
    }

    /// Whether [`load`](Self::load) must be given a folder; without that need it must be given none.
    pub fn needs_folder(self) -> bool {
        matches!(self.entry().reads, Reads::Folder { .. })
    }

    /// Loads both splits, from `folder` unless the source is embedded.
    ///
    /// `folder` holds the files under the names they are distributed with; for CIFAR-10 it may also be the path of
    /// the archive itself.
    ///
    /// # Errors
    /// [`Error::FolderNeeded`] or [`Error::FolderNotUsed`] when `folder` and
    /// [`needs_folder`](Self::needs_folder) disagree; otherwise an [`Error`] that names the first file that is
    /// missing, unreadable or not as its format demands.
    pub fn load(self, folder: Option<&Path>) -> Result<Dataset, Error> {
        let dataset = self.name();
        match (&self.entry().reads, folder) {
            (Reads::Embedded(load), None) => load(),
            (Reads::Embedded(_), Some(folder)) => Err(Error::FolderNotUsed {
                dataset,
                folder: folder.display().to_string(),
            }),
            (Reads::Folder { load, .. }, Some(folder)) => load(folder),
            (Reads::Folder { files, .. }, None) => Err(Error::FolderNeeded { dataset, files }),
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
}

/// What a source's file says about itself.
struct Entry {
    name: &'static str,
    facts: Facts,
    reads: Reads,
}

/// Where a source's bytes come from.
enum Reads {
    Embedded(fn() -> Result<Dataset, Error>),
    Folder {
        files: &'static str,
        load: fn(&Path) -> Result<Dataset, Error>,
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
            ["digits", "mnist", "fashion-mnist", "cifar10"]
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
            "unknown data set `MNIST`, expected one of: digits, mnist, fashion-mnist, cifar10"
        );
    }

    #[test]
    fn only_the_digits_need_no_folder() {
        assert_eq!(
            Source::ALL.map(Source::needs_folder),
            [false, true, true, true]
        );
    }

    #[test]
    fn without_a_folder_the_error_says_what_it_should_hold() {
        let error = Source::Mnist.load(None).unwrap_err().to_string();
        assert!(
            error.starts_with("data set mnist needs a folder that holds train-images-idx3-ubyte, "),
            "{error}"
        );
    }

    #[test]
    fn a_folder_for_the_embedded_digits_is_refused_rather_than_ignored() {
        let error = Source::Digits
            .load(Some(Path::new("here")))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "data set digits is embedded and reads no folder, but here was given"
        );
    }
}
