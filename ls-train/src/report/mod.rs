//! Run folders as one page to read: a single HTML file that loads nothing from anywhere.
//!
//! [`Report::gather`] reads run folders, never live objects, so that a report can be made at any time, also of a run that has not
//! ended. [`Report::write`] lays it out; [`Report::save_charts`] writes the charts as files. One file per concern:
//!
//! | file | holds |
//! | --- | --- |
//! | `figures` | key figures, and how numbers are written |
//! | `charts` | which curves the history gives |
//! | `test_images` | confusion matrix and misclassified images |
//! | `weights` | weights of the first stage as pictures |
//! | `pictures` | small PNG pictures inside the page |
//! | `section` | all of one run |
//! | `page` | what the templates are filled with |

mod charts;
mod figures;
mod page;
mod pictures;
mod section;
mod test_images;
mod weights;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::chart::Chart;
use crate::run_dir::write_atomically;
use crate::{Error, Result};
use charts::Named;
use section::Section;

/// What a report is about.
pub struct Scope<'a> {
    /// Folders of the runs, at least one.
    pub runs: &'a [PathBuf],
    /// Folder with the files of the data set, or with a folder of its name; none for that of each run.
    pub data: Option<&'a Path>,
    /// Where to classify the test images.
    pub device: &'a Device,
}

/// Runs, read and ready to be laid out.
pub struct Report {
    runs: Vec<Section>,
    /// Original losses of several runs.
    overlay: Option<Chart>,
}

impl Report {
    /// Reads some runs and classifies their test images; `progress` hears what comes next, since that can take a while.
    ///
    /// A run that has not ended gives its history; test images that cannot be found are left out. Both with a note.
    ///
    /// # Errors
    /// [`Error::NoRun`] for a folder without a run, [`Error::File`] for a file that cannot be understood.
    pub fn gather(scope: &Scope<'_>, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let runs = scope
            .runs
            .iter()
            .map(|run| {
                progress(&format!("reading {}", run.display()));
                Section::gather(run, scope)
            })
            .collect::<Result<Vec<_>>>()?;
        let overlay = (runs.len() > 1).then(|| charts::overlay(&runs));
        Ok(Self { runs, overlay })
    }

    /// What is missing from the report, and what can be done about it.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let runs = self.runs.iter();
        runs.flat_map(|run| {
            run.notes
                .iter()
                .map(|note| format!("{}: {note}", run.folder))
        })
    }

    /// The page. The same run folders always give the same page on the same machine.
    ///
    /// # Errors
    /// [`Error::File`] when a chart cannot be drawn.
    pub fn html(&self) -> Result<String> {
        page::html(self)
    }

    /// Writes the page; one that is there is replaced, since it holds nothing of its own.
    ///
    /// # Errors
    /// As [`Report::html`], and [`Error::File`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, self.html()?.as_bytes())
    }

    /// Writes every chart as SVG and PNG into a folder; returns the files.
    ///
    /// # Errors
    /// [`Error::File`] when one cannot be written.
    pub fn save_charts(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(folder).map_err(|error| Error::file("create", folder, error))?;
        let mut files = Vec::new();
        for (name, chart) in self.charts() {
            files.extend(chart.save(&folder.join(name))?);
        }
        Ok(files)
    }

    /// All charts for files of their own, with their names; those of several runs begin with the number of the run.
    fn charts(&self) -> impl Iterator<Item = (String, Chart)> {
        let overlay = self.overlay.iter().cloned();
        let overlay = overlay.map(|chart| ("overlay".into(), chart));
        let several = self.runs.len() > 1;
        let runs = self.runs.iter().enumerate().flat_map(move |(i, run)| {
            run.charts.iter().map(move |Named { name, chart, .. }| {
                let name = match several {
                    true => format!("{}-{name}", i + 1),
                    false => (*name).to_owned(),
                };
                let title = format!("{}: {}", run.folder, chart.title().to_lowercase());
                (name, chart.clone().with_title(&title))
            })
        });
        overlay.chain(runs)
    }
}
