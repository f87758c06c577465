//! What tells two data sets apart.

use ls_datasets::{Dataset, Samples};
use serde::{Deserialize, Serialize};

use crate::Result;

/// Checksums of the samples of a run: pixels as they were read, or the numbers of an application, and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fingerprint {
    /// Name of the data set.
    pub name: String,
    /// Number of training samples.
    pub train_samples: usize,
    /// CRC-32 of the training samples.
    pub train: u32,
    /// Number of test samples.
    pub test_samples: usize,
    /// CRC-32 of the test samples.
    pub test: u32,
}

impl Fingerprint {
    /// Of a data set of whose training samples the first `limit` are used.
    ///
    /// # Errors
    /// [`crate::Error::Data`] for a limit of 0.
    pub fn of(dataset: &Dataset, limit: Option<usize>) -> Result<Self> {
        let limited = limit.map(|limit| dataset.train.first(limit)).transpose()?;
        let (train, test) = (limited.as_ref().unwrap_or(&dataset.train), &dataset.test);
        Ok(Self {
            name: dataset.name.clone(),
            train_samples: train.len(),
            train: checksum(train),
            test_samples: test.len(),
            test: checksum(test),
        })
    }

    /// What differs from `other`, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let splits = [
            (
                "training",
                self.train_samples,
                other.train_samples,
                self.train == other.train,
            ),
            (
                "test",
                self.test_samples,
                other.test_samples,
                self.test == other.test,
            ),
        ];
        if self.name != other.name {
            return Some(format!(
                "it was trained on {}, and the data is {} now",
                self.name, other.name
            ));
        }
        splits.into_iter().find_map(|(split, saved, found, same)| {
            if saved != found {
                return Some(format!(
                    "the {split} split had {saved} samples when it was written, and has {found} now"
                ));
            }
            (!same).then(|| format!("the {split} split has other samples now"))
        })
    }
}

fn checksum(samples: &Samples) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(samples.pixels());
    hasher.update(samples.labels());
    hasher.finalize()
}
