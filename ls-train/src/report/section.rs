//! All of one run.

use std::path::Path;

use ls_datasets::Source;

use super::Scope;
use super::charts::{self, Named};
use super::figures::Standing;
use super::test_images::TestImages;
use super::weights::Weights;
use crate::config::RunConfig;
use crate::data::Fingerprint;
use crate::learner::Stop;
use crate::run_dir::{HistoryTable, RunDir, Summary};
use crate::{Error, Result, Trained};

/// What a report says about a run.
pub(super) struct Section {
    /// The folder, as it was given.
    pub(super) folder: String,
    pub(super) config: RunConfig,
    /// The configuration, as it stands in its file.
    pub(super) config_text: String,
    /// The architecture in short, where it is known.
    pub(super) model: Option<String>,
    /// The end of the run, if there was one.
    pub(super) summary: Option<Summary>,
    pub(super) standing: Standing,
    pub(super) history: HistoryTable,
    pub(super) charts: Vec<Named>,
    pub(super) test_images: Option<TestImages>,
    pub(super) weights: Option<Weights>,
    /// What is missing, and what can be done about it.
    pub(super) notes: Vec<String>,
}

impl Section {
    /// Reads a run.
    ///
    /// # Errors
    /// [`Error::NoRun`] or [`Error::File`].
    pub(super) fn gather(run: &Path, scope: &Scope<'_>) -> Result<Self> {
        let config = RunDir::read_config(run)?;
        let config_text = RunDir::read_config_text(run)?;
        let history = HistoryTable::read(run)?;
        let summary = match RunDir::has_ended(run) {
            true => Some(RunDir::read_summary(run)?),
            false => None,
        };
        let mut section = Self {
            folder: run.display().to_string(),
            model: model(run, &config, summary.as_ref())?,
            standing: Standing::of(summary.as_ref(), &history),
            charts: charts::of(&history),
            config,
            config_text,
            summary,
            history,
            test_images: None,
            weights: None,
            notes: Vec::new(),
        };
        section.add_network(run, scope)?;
        Ok(section)
    }

    /// What the trained network gives, or a note that there is none.
    fn add_network(&mut self, run: &Path, scope: &Scope<'_>) -> Result<()> {
        if self.summary.is_none() {
            let note = match self.history.is_empty() {
                true => {
                    "the run has not ended its first sweep; there is nothing to show but its configuration"
                }
                false => {
                    "the run has not ended; figures are those of its last sweep, and there are no weights to show"
                }
            };
            self.notes.push(note.into());
            return Ok(());
        }
        let trained = match Trained::load(run, scope.device) {
            Err(error @ Error::Core(ls_core::Error::ApplicationNeeded { .. })) => {
                let note = format!("there are no test images and no weights: {error}");
                self.notes.push(note);
                return Ok(());
            }
            trained => trained?,
        };
        self.weights = Weights::of(&trained)?;
        match test_images(run, &trained, scope) {
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

    /// Why the run ended, in words.
    pub(super) fn ending(&self) -> &'static str {
        match self.summary.as_ref().map(|summary| summary.stop) {
            None => "not ended",
            Some(Stop::SweepLimit) => "all sweeps done",
            Some(Stop::Target) => "target loss reached",
            Some(Stop::Patience) => "validation no longer better",
            Some(Stop::Stalled) => "no more descent",
            Some(Stop::TimeLimit) => "time used up",
            Some(Stop::Interrupted) => "interrupted",
        }
    }
}

/// The architecture in short; the shape of the images comes from the run.
fn model(run: &Path, config: &RunConfig, summary: Option<&Summary>) -> Result<Option<String>> {
    if let Some(summary) = summary {
        return Ok(Some(summary.model.clone()));
    }
    if !RunDir::has_preprocessing(run) {
        return Ok(None);
    }
    let own = RunDir::read_preprocessing(run)?;
    let text = config
        .model
        .describe(own.feature_shape(), own.classes.len());
    Ok(Some(text))
}

/// The test images, and what tells the data from those of the run, if anything does.
fn test_images(
    run: &Path,
    trained: &Trained,
    scope: &Scope<'_>,
) -> Result<(TestImages, Option<String>)> {
    let mut plan = trained.config.clone().check()?;
    // Embedded data have no folder.
    let needs_folder = plan.source().is_some_and(Source::needs_folder);
    if let Some(folder) = scope.data.filter(|_| needs_folder) {
        let mut config = trained.config.clone();
        // Runs on several data sets have their folders side by side.
        let own = folder.join(&config.data.dataset);
        config.data.folder = Some(if own.is_dir() { own } else { folder.into() });
        plan = config.check()?;
    }
    let dataset = plan.dataset()?;
    let found = Fingerprint::of(&dataset, trained.config.data.limit)?;
    let difference = RunDir::read_fingerprint(run)?.difference(&found);
    let images = TestImages::classify(trained, &dataset.test, scope.device)?;
    Ok((images, difference))
}
