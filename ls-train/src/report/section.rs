//! The content of one run.

use std::path::Path;

use ls_datasets::Source;

use super::charts::{self, ReportChart};
use super::key_figures::KeyFigures;
use super::options::ReportOptions;
use super::test_images::TestImages;
use super::weights::WeightPictures;
use crate::config::RunConfig;
use crate::data::Fingerprint;
use crate::run_dir::{HistoryTable, RunDir, Summary};
use crate::{Error, Result, Trained};
use ls_core::fit::Stop;

/// The content of a report about one run.
pub(super) struct RunSection {
    /// Path of the folder, as the user gave it.
    pub(super) folder: String,
    pub(super) config: RunConfig,
    /// Text of the configuration file.
    pub(super) config_text: String,
    /// Summary of the architecture, where it is known.
    pub(super) model: Option<String>,
    /// Summary of the run; `None` where it has not ended.
    pub(super) summary: Option<Summary>,
    pub(super) key_figures: KeyFigures,
    pub(super) history: HistoryTable,
    pub(super) charts: Vec<ReportChart>,
    pub(super) test_images: Option<TestImages>,
    pub(super) weights: Option<WeightPictures>,
    /// Remarks on missing content, with a remedy where there is one.
    pub(super) notes: Vec<String>,
}

impl RunSection {
    /// Reads a run.
    ///
    /// # Errors
    /// [`Error::NoRun`] for a folder without a run, [`Error::File`] for a file that cannot be parsed.
    pub(super) fn gather(run: &Path, options: &ReportOptions<'_>) -> Result<Self> {
        let config = RunDir::read_config(run)?;
        let config_text = RunDir::read_config_text(run)?;
        let history = HistoryTable::read(run)?;
        let summary = match RunDir::has_ended(run)? {
            true => Some(RunDir::read_summary(run)?),
            false => None,
        };
        let mut section = Self {
            folder: run.display().to_string(),
            model: model(run, &config, summary.as_ref())?,
            key_figures: KeyFigures::new(summary.as_ref(), &history),
            charts: charts::run_charts(
                &history,
                summary
                    .as_ref()
                    .and_then(|own| own.facts.cross_validation.as_ref()),
            ),
            config,
            config_text,
            summary,
            history,
            test_images: None,
            weights: None,
            notes: Vec::new(),
        };
        section.notes.extend(section.history_gap());
        match section.summary.is_some() {
            true => section.add_network(run, options)?,
            false => section.notes.push(section.unfinished().into()),
        }
        Ok(section)
    }

    /// Returns a note on rows that the history lacks, for which charts are missing or have gaps.
    fn history_gap(&self) -> Option<String> {
        let missing = self.history.missing_sweeps();
        let what = match (self.summary.is_some(), missing.first(), missing.last()) {
            (true, ..) if self.history.is_empty() => {
                "history.csv holds no rows, so there are no charts".to_owned()
            }
            (_, Some(first), Some(last)) => format!(
                "history.csv lacks {} rows from sweep {first} to {last}, so charts have gaps",
                missing.len()
            ),
            _ => return None,
        };
        Some(format!(
            "{what}; `train --resume` restores it from the last checkpoint"
        ))
    }

    /// Returns the note on a run that has not ended.
    fn unfinished(&self) -> &'static str {
        match self.history.is_empty() {
            true => {
                "the run has not ended its first sweep; there is nothing to show but its configuration"
            }
            false => {
                "the run has not ended; all figures are those of its last sweep, and there are no weights to show"
            }
        }
    }

    /// Adds pictures of the weights and the classified test images, or a note on their absence.
    fn add_network(&mut self, run: &Path, options: &ReportOptions<'_>) -> Result<()> {
        let trained = match Trained::load(run, options.device) {
            Err(error @ Error::ApplicationNetwork { .. }) => {
                let note = format!("there are no test images and no weights: {error}");
                self.notes.push(note);
                return Ok(());
            }
            trained => trained?,
        };
        self.weights = WeightPictures::draw(&trained)?;
        match test_images(run, &trained, options) {
            Ok((images, difference)) => {
                self.test_images = Some(images);
                self.notes.extend(difference.map(|difference| {
                    format!("the test images are not those of the run: {difference}")
                }));
            }
            Err(error @ Error::Data(_)) => self.notes.push(format!(
                "there are no test images: {error}; name the folder of the data set with --data-dir DIR"
            )),
            Err(error) => self.notes.push(format!("there are no test images: {error}")),
        }
        Ok(())
    }

    /// Returns the reason for the end of the run.
    pub(super) fn ending(&self) -> &'static str {
        match self.summary.as_ref().map(|summary| summary.stop) {
            None => "not ended",
            Some(Stop::SweepLimit) => "sweep limit reached",
            Some(Stop::Complete) => "end of the path reached",
            Some(Stop::Target) => "target loss reached",
            Some(Stop::Patience) => "no improvement on the validation split",
            Some(Stop::Stalled) => "no further descent",
            Some(Stop::TimeLimit) => "time limit reached",
            Some(Stop::Interrupted) => "interrupted",
        }
    }
}

/// Returns the summary of the architecture; `None` for a run that has not read its data yet.
fn model(run: &Path, config: &RunConfig, summary: Option<&Summary>) -> Result<Option<String>> {
    if let Some(summary) = summary {
        return Ok(Some(summary.facts.model.clone()));
    }
    if !RunDir::has_preprocessing(run)? {
        return Ok(None);
    }
    let own = RunDir::read_preprocessing(run)?;
    let text = config
        .model
        .describe(own.feature_shape(), own.classes.len());
    Ok(Some(text))
}

/// Classifies the test images. Where the data differ from those of the run, the second value says how.
fn test_images(
    run: &Path,
    trained: &Trained,
    options: &ReportOptions<'_>,
) -> Result<(TestImages, Option<String>)> {
    let mut plan = trained.config.clone().check()?;
    // Embedded data have no folder.
    let needs_folder = plan.source().is_some_and(Source::needs_folder);
    if let Some(folder) = options.data.filter(|_| needs_folder) {
        let mut config = trained.config.clone();
        // A report on runs with several data sets gets a folder with a sub-folder for each.
        let own = folder.join(&config.data.dataset);
        config.data.folder = Some(if own.is_dir() { own } else { folder.into() });
        plan = config.check()?;
    }
    let dataset = plan.dataset()?;
    let found = Fingerprint::of(&dataset, trained.config.data.limit)?;
    let difference = RunDir::read_fingerprint(run)?.difference(&found);
    let images = TestImages::classify(trained, &dataset.test, options.device)?;
    Ok((images, difference))
}
