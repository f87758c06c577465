//! The registry of data sets.
//!
//! A data set is one file in this folder, with its [`Definition`] and a constant of [`Source`], plus its `mod` line and
//! its line in [`Source::ALL`] below.

pub(crate) mod cifar10;
pub(crate) mod csv;
pub(crate) mod digits;
mod distribution;
mod fashion_mnist;
pub(crate) mod folder;
mod mnist;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::str::FromStr;

pub use distribution::{Distribution, KnownFile, Located, Unpacked};

use crate::{Dataset, Error, ImageShape, SplitRule, TableRule};

/// A data set that can be loaded by name.
#[derive(Clone, Copy)]
pub struct Source(&'static Definition);

impl Source {
    /// Every data set, in the order of listings.
    pub const ALL: &'static [Self] = &[
        Self::DIGITS,
        Self::MNIST,
        Self::FASHION_MNIST,
        Self::CIFAR10,
        Self::FOLDER,
        Self::CSV,
    ];

    /// Returns the name in configurations and on the command line, which [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns a description of a few words.
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// Returns the facts that are known without reading the data; `None` for data of the user.
    pub fn facts(self) -> Option<Facts> {
        self.0.facts
    }

    /// Returns how the data set is published; `None` for embedded data and data of the user.
    pub fn distribution(self) -> Option<&'static Distribution> {
        self.0.distribution
    }

    /// Returns a description of the files that the folder must hold; `None` for embedded data.
    pub fn files(self) -> Option<&'static str> {
        match self.0.loader {
            Loader::Embedded(_) => None,
            Loader::Splits { files, .. }
            | Loader::Samples { files, .. }
            | Loader::Tables { files, .. } => Some(files),
        }
    }

    /// Returns whether [`load`](Self::load) requires a folder; otherwise it refuses one.
    pub fn needs_folder(self) -> bool {
        self.files().is_some()
    }

    /// Returns whether the data always brings a test split, so that no [`SplitRule`] applies.
    pub fn has_test_split(self) -> bool {
        !matches!(
            self.0.loader,
            Loader::Samples { .. } | Loader::Tables { .. }
        )
    }

    /// Returns whether the data are tables, so that a [`TableRule`] applies.
    pub fn is_table(self) -> bool {
        matches!(self.0.loader, Loader::Tables { .. })
    }

    /// Loads both splits, from `folder` unless the data is embedded; tables by the usual [`TableRule`].
    ///
    /// `folder` holds the files under the names of their distribution. It may also be the path of the archive for
    /// [`CIFAR10`](Self::CIFAR10), and the path of the file for [`CSV`](Self::CSV). `split` draws a test split from data
    /// that comes without one, see [`Dataset::test_is_drawn`].
    ///
    /// # Errors
    /// [`Error::FolderNeeded`] or [`Error::FolderNotUsed`] when `folder` contradicts
    /// [`needs_folder`](Self::needs_folder); otherwise an [`Error`] that names the first file that is missing,
    /// unreadable or invalid in its format.
    pub fn load(self, folder: Option<&Path>, split: &SplitRule) -> Result<Dataset, Error> {
        self.load_by(folder, split, &TableRule::default())
    }

    /// Loads both splits as [`load`](Self::load) does; `table` says where labels and pixels are in tables, and means nothing for
    /// other data.
    ///
    /// # Errors
    /// As [`load`](Self::load), [`Error::PixelMax`] and [`Error::LabelColumn`].
    pub fn load_by(
        self,
        folder: Option<&Path>,
        split: &SplitRule,
        table: &TableRule,
    ) -> Result<Dataset, Error> {
        let dataset = self.name();
        match (&self.0.loader, folder) {
            (Loader::Embedded(load), None) => load(),
            (Loader::Embedded(_), Some(folder)) => Err(Error::FolderNotUsed {
                dataset,
                folder: folder.display().to_string(),
            }),
            (Loader::Splits { load, .. }, Some(folder)) => load(folder),
            (Loader::Samples { load, .. }, Some(folder)) => load(folder, split),
            (Loader::Tables { load, .. }, Some(folder)) => load(folder, split, table),
            (
                Loader::Splits { files, .. }
                | Loader::Samples { files, .. }
                | Loader::Tables { files, .. },
                None,
            ) => Err(Error::FolderNeeded { dataset, files }),
        }
    }
}

// Names are unique, so they alone decide equality.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name()).finish()
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
        let mut all = Self::ALL.iter().copied();
        all.find(|source| source.name() == name)
            .ok_or_else(|| Error::UnknownSource {
                found: name.to_owned(),
                allowed: names(|_| true),
            })
    }
}

/// Returns the names of the selected data sets, comma-separated.
pub(crate) fn names(is_selected: impl Fn(Source) -> bool) -> String {
    let selected = Source::ALL.iter().filter(|&&source| is_selected(source));
    let names: Vec<&str> = selected.map(|source| source.name()).collect();
    names.join(", ")
}

/// Properties of a data set that are known without reading it.
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

/// Everything that the crate knows about a data set.
struct Definition {
    name: &'static str,
    about: &'static str,
    facts: Option<Facts>,
    loader: Loader,
    distribution: Option<&'static Distribution>,
}

/// Function that loads a data set; `files` describes the contents of the folder for messages.
enum Loader {
    /// Both splits are embedded in the crate.
    Embedded(fn() -> Result<Dataset, Error>),
    /// A folder holds both splits.
    Splits {
        files: &'static str,
        load: fn(&Path) -> Result<Dataset, Error>,
    },
    /// A folder holds samples of the user, which may lack a test split.
    Samples {
        files: &'static str,
        load: fn(&Path, &SplitRule) -> Result<Dataset, Error>,
    },
    /// Tables of the user, which may lack a test split.
    Tables {
        files: &'static str,
        load: fn(&Path, &SplitRule, &TableRule) -> Result<Dataset, Error>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_read_back() {
        for &source in Source::ALL {
            let name = source.to_string();
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(allowed), "{name}");
            assert_eq!(name.parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "MNIST".parse::<Source>().unwrap_err().to_string();
        let known = names(|_| true);
        assert!(known.starts_with("digits, mnist, "), "{known}");
        assert_eq!(
            error,
            format!("unknown data set `MNIST`, expected one of: {known}")
        );
    }

    #[test]
    fn embedded_data_load_without_a_folder() {
        for &source in Source::ALL {
            if !source.needs_folder() {
                let data = source.load(None, &SplitRule::default()).unwrap();
                assert!(!data.train.is_empty(), "{source}");
            }
        }
        assert!(!Source::DIGITS.needs_folder());
    }

    #[test]
    fn facts_are_unknown_for_data_of_the_user_alone() {
        for &source in Source::ALL {
            assert_eq!(
                source.facts().is_some(),
                source.has_test_split(),
                "{source}"
            );
        }
    }

    #[test]
    fn without_a_folder_the_error_says_what_it_should_hold() {
        let error = Source::MNIST
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
        let error = Source::DIGITS
            .load(Some(Path::new("here")), &SplitRule::default())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "data set digits is embedded and reads no folder, but here was given"
        );
    }
}
