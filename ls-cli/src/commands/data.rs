//! `layersep data`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ls_datasets::Source;
use ls_datasets::download::{self, DownloadProgress, FileCheck, FileState};
use ls_train::memory::bytes;
use serde::Serialize;

use crate::cli::named;
use crate::failure::{FAILED, Failure};
use crate::ui::{DownloadView, Ui};

/// List, check and download data sets
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data list
  layersep data download mnist && layersep train --dataset mnist
  layersep data download cifar10 --data-dir DIR --mirror http://host/path
  layersep data verify
  layersep data verify --data-dir DIR

Downloaded files lie in a folder of each data set below the user's cache folder; `train` finds them there.
Proxies are those of the environment: HTTPS_PROXY, NO_PROXY and so on.")]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    List(ListArgs),
    Verify(VerifyArgs),
    Download(DownloadArgs),
}

/// Show all data sets: samples, shapes, where they come from, and whether they are downloaded
#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Check files against the published SHA-256 sums; data without such sums is loaded
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data verify                         every data set that was downloaded
  layersep data verify mnist --data-dir DIR    the files of MNIST in DIR or in DIR/mnist
  layersep data verify --data-dir DIR          every data set in DIR or in a folder of its name below it
  layersep data verify csv --data-dir FILE     no sums are known: the file is loaded

Exit code 1 if a file is damaged or missing, 2 if the folder is not there or the data cannot be loaded.")]
struct VerifyArgs {
    /// Data set [default: all that are found]
    #[arg(value_parser = named(Source::ALL, Source::name))]
    name: Option<Source>,
    /// Folder to look in [default: the one that `download` uses]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Download the files of a data set that are not there yet; an interrupted download is gone on with
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data download mnist
  layersep data download cifar10 --data-dir DIR
  layersep data download mnist --mirror http://host/path    asks for http://host/path/train-images-idx3-ubyte.gz and so on")]
struct DownloadArgs {
    /// Data set
    #[arg(value_parser = named(Source::ALL, Source::name))]
    name: Source,
    /// Folder for the files [default: one of the data set's name in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to use in place of the known ones; names of files are added to it
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Print JSON on standard output, progress on standard error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DataArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    match &args.command {
        DataCommand::List(args) => list(args, ui)?,
        DataCommand::Verify(args) => return verify(args, ui),
        DataCommand::Download(args) => download(args, ui)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder that all downloads lie below, where the system has a place for such things.
pub(super) fn cache() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("layersep"))
}

/// The folder that a data set was downloaded to, if it is complete.
pub(crate) fn cached(source: Source) -> Option<PathBuf> {
    let folder = cache()?.join(source.name());
    let distribution = source.distribution()?;
    distribution.is_in(&folder).then_some(folder)
}

/// The folder of a data set when none is named.
fn default_folder(source: Source) -> Result<PathBuf, Failure> {
    let cache = cache().ok_or_else(|| {
        Failure::new("this system has no cache folder").hint("name a folder with --data-dir DIR")
    })?;
    Ok(cache.join(source.name()))
}

#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    about: &'static str,
    train_samples: Option<usize>,
    test_samples: Option<usize>,
    shape: Option<String>,
    classes: Option<usize>,
    from: String,
    /// Where it was downloaded to.
    cached: Option<PathBuf>,
}

impl Listed {
    fn new(source: Source) -> Self {
        let facts = source.facts();
        let from = match (source.distribution(), source.files()) {
            (Some(distribution), _) => format!("download, {}", bytes(distribution.size())),
            (None, Some(files)) => format!("--data-dir DIR, which holds {files}"),
            (None, None) => "embedded".into(),
        };
        Self {
            name: source.name(),
            about: source.about(),
            train_samples: facts.map(|facts| facts.train_samples),
            test_samples: facts.map(|facts| facts.test_samples),
            shape: facts.map(|facts| facts.shape.to_string()),
            classes: facts.map(|facts| facts.classes),
            from,
            cached: cached(source),
        }
    }

    fn line(&self) -> String {
        let number = |value: Option<usize>| value.map_or("-".into(), |value| value.to_string());
        let place = self.cached.as_ref();
        let place = place.map_or(String::new(), |path| format!(", is in {}", path.display()));
        format!(
            "{:<14}{:>7}{:>7}  {:<9}{:>7}  {}{place}\n",
            self.name,
            number(self.train_samples),
            number(self.test_samples),
            self.shape.as_deref().unwrap_or("-"),
            number(self.classes),
            self.from,
        )
    }
}

fn list(args: &ListArgs, ui: &Ui) -> Result<(), Failure> {
    let all: Vec<Listed> = Source::ALL.iter().copied().map(Listed::new).collect();
    if args.json {
        return ui.json(&all);
    }
    let header = format!(
        "{:<14}{:>7}{:>7}  {:<9}{:>7}  from\n",
        "name", "train", "test", "shape", "classes"
    );
    let lines: String = all.iter().map(Listed::line).collect();
    ui.text(&(header + &lines))
}

#[derive(Debug, Serialize)]
struct Verified {
    dataset: &'static str,
    folder: Option<PathBuf>,
    files: Vec<VerifiedFile>,
}

#[derive(Debug, Serialize)]
struct VerifiedFile {
    file: PathBuf,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
}

impl VerifiedFile {
    fn new(check: FileCheck) -> Self {
        let file = Self {
            file: check.path,
            state: "unknown",
            expected: None,
            found: None,
            samples: None,
        };
        match check.state {
            FileState::Ok => Self {
                state: "ok",
                ..file
            },
            FileState::Missing => Self {
                state: "missing",
                ..file
            },
            FileState::Damaged { expected, found } => Self {
                state: "damaged",
                expected: Some(expected),
                found: Some(found),
                ..file
            },
            FileState::Loads { samples } => Self {
                state: "loads",
                samples: Some(samples),
                ..file
            },
            // A state that this program does not know is no proof that the file is right.
            _ => file,
        }
    }

    fn line(&self) -> String {
        let mut line = format!("  {:<9}{}", self.state, self.file.display());
        if let (Some(expected), Some(found)) = (self.expected, &self.found) {
            line += &format!("\n           SHA-256 is  {found}\n           expected is {expected}");
        }
        if let Some(samples) = self.samples {
            line += &format!(", without a published sum: {samples} samples were loaded");
        }
        line + "\n"
    }
}

fn verify(args: &VerifyArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let mut results = Vec::new();
    for (source, folder) in places(args)? {
        let checks = download::verify(source, folder.as_deref())?;
        results.push(Verified {
            dataset: source.name(),
            folder,
            files: checks.into_iter().map(VerifiedFile::new).collect(),
        });
    }
    if args.json {
        ui.json(&results)?;
    } else {
        for result in &results {
            let lines: String = result.files.iter().map(VerifiedFile::line).collect();
            ui.text(&format!("{}\n{lines}", result.dataset))?;
        }
    }
    Ok(match defects(&results) {
        Some(defects) => {
            ui.failure(&defects);
            ExitCode::from(FAILED)
        }
        None => ExitCode::SUCCESS,
    })
}

/// What to verify, and where it is.
fn places(args: &VerifyArgs) -> Result<Vec<(Source, Option<PathBuf>)>, Failure> {
    let (source, folder) = match (args.name, &args.data_dir) {
        (Some(source), None) if !source.needs_folder() => return Ok(vec![(source, None)]),
        (Some(source), None) if source.distribution().is_none() => (Some(source), None),
        (Some(source), None) => (Some(source), Some(default_folder(source)?)),
        (None, None) => (None, Some(downloads()?)),
        (source, Some(folder)) => (source, Some(folder.clone())),
    };
    let Some(folder) = folder.filter(|folder| !folder.is_file()) else {
        let folder = args.data_dir.clone();
        return Ok(source.map(|source| (source, folder)).into_iter().collect());
    };
    let mut found = download::recognised(&folder)?;
    found.retain(|(other, _)| source.is_none_or(|source| source == *other));
    match (source, found.is_empty()) {
        // What is missing is told by name.
        (Some(source), true) => Ok(vec![(source, Some(folder))]),
        (None, true) => Err(nothing_known(&folder)),
        _ => Ok(found
            .into_iter()
            .map(|(source, folder)| (source, Some(folder)))
            .collect()),
    }
}

fn downloads() -> Result<PathBuf, Failure> {
    cache().filter(|folder| folder.is_dir()).ok_or_else(|| {
        Failure::new("nothing has been downloaded yet")
            .hint("name a folder with --data-dir DIR, or run `layersep data download NAME`")
    })
}

fn nothing_known(folder: &Path) -> Failure {
    let known = Source::ALL.iter().copied();
    let known = known.filter(|source| source.distribution().is_some());
    let names: Vec<&str> = known.map(Source::name).collect();
    Failure::new(format!(
        "{} holds no files of {}",
        folder.display(),
        names.join(", ")
    ))
    .hint("name the data set to see what is missing: layersep data verify NAME --data-dir DIR")
}

/// A line that counts what is wrong.
fn defects(results: &[Verified]) -> Option<Failure> {
    let files = || results.iter().flat_map(|result| &result.files);
    let count = |state| files().filter(|file| file.state == state).count();
    let wrong: Vec<String> = ["missing", "damaged", "unknown"]
        .into_iter()
        .map(|state| (count(state), state))
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    if wrong.is_empty() {
        return None;
    }
    let line = format!("of {} files {}", files().count(), wrong.join(" and "));
    Some(Failure::new(line).hint("`layersep data download NAME` gets the published files"))
}

#[derive(Debug, Serialize)]
struct Complete {
    dataset: &'static str,
    folder: PathBuf,
    files: Vec<CompleteFile>,
}

#[derive(Debug, Serialize)]
struct CompleteFile {
    file: PathBuf,
    bytes: u64,
    was_present: bool,
}

fn download(args: &DownloadArgs, ui: &Ui) -> Result<(), Failure> {
    let source = args.name;
    let folder = match &args.data_dir {
        Some(folder) => folder.clone(),
        None => default_folder(source)?,
    };
    let mut view = DownloadView::new(ui);
    let show = |progress: DownloadProgress<'_>| view.show(progress);
    let files = download::download(source, &folder, args.mirror.as_deref(), show)?;
    let file = |file: download::Downloaded| CompleteFile {
        file: file.path,
        bytes: file.size,
        was_present: file.was_present,
    };
    let complete = Complete {
        dataset: source.name(),
        files: files.into_iter().map(file).collect(),
        folder,
    };
    if args.json {
        return ui.json(&complete);
    }
    let size = complete.files.iter().map(|file| file.bytes).sum();
    ui.text(&format!(
        "{source} is complete in {}: {} files, {}\n",
        complete.folder.display(),
        complete.files.len(),
        bytes(size)
    ))
}
