//! The options that choose the samples.

use std::path::PathBuf;

use clap::Args;
use ls_datasets::Source;
use ls_train::config::DataConfig;

use super::values::{count, finite, named};
use crate::downloads;

/// The options that choose the samples.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct SampleArgs {
    /// Data set [default: digits]
    #[arg(long, value_parser = named(Source::ALL, Source::name))]
    dataset: Option<Source>,
    /// Folder with the files of the data set, under the names they are distributed with; for `folder` one with a folder of
    /// images for each class, for `csv` a file with a label and pixels in each line [default: the folder of `data download`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// With `folder` or `csv` and no test split: share of each class to test with, chosen by the seed [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = finite())]
    test_share: Option<f64>,
    /// With `csv`: column of the labels, by its position from 1, as `first` or `last`, or by its name in the header [default: the one
    /// that a header calls label, class or target, else the first]
    #[arg(long, value_name = "COLUMN")]
    label_column: Option<String>,
    /// With `csv`: number that is full intensity [default: the least of 1, 16 and 255 that no number exceeds]
    #[arg(long, value_name = "NUMBER", value_parser = finite())]
    pixel_max: Option<f64>,
    /// Use only the first N training samples
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    limit: Option<u64>,
    /// Hold out N of the training samples, chosen by the seed, and end with the weights whose calibrated loss on them is lowest
    #[arg(long, value_name = "N", value_parser = count::<usize>())]
    validation: Option<usize>,
    /// With --path: choose the decay by K folds of the training samples, 2 to 20, then train on all of them; takes the time of K + 1 paths
    #[arg(long, value_name = "K", value_parser = count::<usize>())]
    folds: Option<usize>,
}

impl SampleArgs {
    /// Returns `base` with the given options in place of its own values.
    pub(crate) fn config(&self, mut base: DataConfig) -> DataConfig {
        if let Some(source) = self.dataset
            && source.name() != base.dataset
        {
            // Folder, split and columns belong to the other data set.
            base.dataset = source.name().into();
            base.folder = None;
            base.test_share = None;
            base.label_column = None;
            base.pixel_max = None;
        }
        if self.data_dir.is_some() {
            base.folder.clone_from(&self.data_dir);
        }
        if base.folder.is_none() {
            base.folder = base.dataset.parse().ok().and_then(downloads::complete);
        }
        base.test_share = self.test_share.or(base.test_share);
        base.label_column = self.label_column.clone().or(base.label_column);
        base.pixel_max = self.pixel_max.or(base.pixel_max);
        if let Some(limit) = self.limit {
            base.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        base.validation = self.validation.or(base.validation);
        base.folds = self.folds.or(base.folds);
        base
    }
}
