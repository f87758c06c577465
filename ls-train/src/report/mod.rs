//! Run folders as one page: a single HTML file that loads nothing from elsewhere.
//!
//! [`Report::gather`] reads run folders, never live objects, so that a report can be made at any time, also of a run that has not
//! ended. [`Report::write`] lays it out; [`Report::save_charts`] writes the charts as files. One file per concern:
//!
//! | file | holds |
//! | --- | --- |
//! | `format` | numbers as the report writes them |
//! | `options` | inputs of a report |
//! | `key_figures` | cards of losses, accuracies, time and size |
//! | `curves` | names, colours and legend of the curves of a chart |
//! | `charts` | charts of a run and of several runs |
//! | `pictures` | small PNG pictures inside the page |
//! | `test_images` | confusion matrix and misclassified images |
//! | `weights` | weights of the first stage as pictures |
//! | `section` | content of one run |
//! | `page` | values of the templates |

mod charts;
mod curves;
mod format;
mod key_figures;
mod options;
mod page;
mod pictures;
mod section;
mod test_images;
mod weights;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use options::ReportOptions;

use crate::chart::Chart;
use crate::{Result, files};
use charts::ReportChart;
use section::RunSection;

/// The line of a page by which it is recognized, up to the version of the program, and the bytes within which it stands.
const GENERATOR: &str = "<meta name=\"generator\" content=\"layersep ";
const BEGINNING: u64 = 1024;

/// The content of some runs, ready to be laid out.
pub struct Report {
    runs: Vec<RunSection>,
    /// Original losses of all runs, where there are several.
    overlay: Option<Chart>,
}

impl Report {
    /// Reads some runs and classifies their test images. As that can take a while, `progress` receives the name of every step before
    /// it begins.
    ///
    /// A run that has not ended contributes its history alone, and test images that cannot be found are left out; a note says so.
    ///
    /// # Errors
    /// [`Error::NoRun`](crate::Error::NoRun) for a folder without a run, [`Error::File`](crate::Error::File) for a file that cannot be
    /// parsed.
    pub fn gather(options: &ReportOptions<'_>, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let runs = options
            .runs
            .iter()
            .map(|run| {
                progress(&format!("reading {}", run.display()));
                RunSection::gather(run, options)
            })
            .collect::<Result<Vec<_>>>()?;
        let overlay = (runs.len() > 1).then(|| {
            let histories = runs.iter().map(|run| (run.folder.as_str(), &run.history));
            charts::overlay(histories)
        });
        Ok(Self { runs, overlay })
    }

    /// Returns whether a file is an earlier report, which holds nothing that is not in the run folders.
    pub fn is_at(path: &Path) -> bool {
        let mut beginning = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
        read.is_ok() && String::from_utf8_lossy(&beginning).contains(GENERATOR)
    }

    /// Returns remarks on missing content, each with the folder of its run and, where there is one, a remedy.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let runs = self.runs.iter();
        runs.flat_map(|run| {
            run.notes
                .iter()
                .map(|note| format!("{}: {note}", run.folder))
        })
    }

    /// Renders the page. On one machine equal run folders always give equal pages.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) when a chart cannot be drawn.
    pub fn html(&self) -> Result<String> {
        page::html(&self.runs, self.overlay.as_ref())
    }

    /// Writes the page over an older one, which holds nothing that is not in the run folders.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) when a chart cannot be drawn or the page cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, self.html()?.as_bytes())
    }

    /// Writes every chart as SVG and PNG into a folder; returns the paths of the files.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) when a file cannot be written.
    pub fn save_charts(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        files::create_folder(folder)?;
        let mut files = Vec::new();
        for (name, chart) in self.charts() {
            files.extend(chart.save(&folder.join(name))?);
        }
        Ok(files)
    }

    /// Returns all charts with the names of their files; with several runs the names begin with the number of the run.
    fn charts(&self) -> impl Iterator<Item = (String, Chart)> {
        let overlay = self.overlay.iter().cloned();
        let overlay = overlay.map(|chart| ("overlay".into(), chart));
        let has_several = self.runs.len() > 1;
        let runs = self.runs.iter().enumerate().flat_map(move |(i, run)| {
            run.charts
                .iter()
                .map(move |ReportChart { name, chart, .. }| {
                    let name = match has_several {
                        true => format!("{}-{name}", i + 1),
                        false => name.clone(),
                    };
                    let title = format!("{}: {}", run.folder, chart.title().to_lowercase());
                    (name, chart.clone().with_title(&title))
                })
        });
        overlay.chain(runs)
    }
}
