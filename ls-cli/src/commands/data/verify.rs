//! `layersep data verify`: the files of data sets against their published sums.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ls_datasets::Source;
use ls_datasets::download::{self, FileCheck, FileState};
use serde::Serialize;

use crate::args::values::named;
use crate::commands::support::Context;
use crate::downloads;
use crate::failure::{FAILED, Failure};

/// Check files against the published SHA-256 sums; data without such sums is loaded
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data verify                         every data set that was downloaded
  layersep data verify mnist --data-dir DIR    the files of MNIST in DIR or in DIR/mnist
  layersep data verify --data-dir DIR          every data set in DIR or in a folder of its name below it
  layersep data verify csv --data-dir FILE     no sums are known: the file is loaded

Exit code 1 if a file is damaged or missing, 2 if the folder is not there or the data cannot be loaded.")]
pub(super) struct VerifyArgs {
    /// Data set [default: all that are found]
    #[arg(value_parser = named(Source::ALL, Source::name))]
    name: Option<Source>,
    /// Folder to look in [default: the folder of `data download`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A data set as a program reads it.
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
            // A state that this program does not know does not prove that the file is right.
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

/// Runs the subcommand.
pub(super) fn run(args: &VerifyArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
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

/// Lists the data sets to verify, with their folders.
fn places(args: &VerifyArgs) -> Result<Vec<(Source, Option<PathBuf>)>, Failure> {
    let (source, folder) = match (args.name, &args.data_dir) {
        (Some(source), None) if !source.needs_folder() => return Ok(vec![(source, None)]),
        (Some(source), None) if source.distribution().is_none() => (Some(source), None),
        (Some(source), None) => (Some(source), Some(downloads::folder(source)?)),
        (None, None) => (None, Some(all_downloads()?)),
        (source, Some(folder)) => (source, Some(folder.clone())),
    };
    let Some(folder) = folder.filter(|folder| !folder.is_file()) else {
        let folder = args.data_dir.clone();
        return Ok(source.map(|source| (source, folder)).into_iter().collect());
    };
    let mut found = download::recognised(&folder)?;
    found.retain(|(other, _)| source.is_none_or(|source| source == *other));
    match (source, found.is_empty()) {
        // The check then lists every missing file by name.
        (Some(source), true) => Ok(vec![(source, Some(folder))]),
        (None, true) => Err(nothing_known(&folder)),
        _ => Ok(found
            .into_iter()
            .map(|(source, folder)| (source, Some(folder)))
            .collect()),
    }
}

/// Returns the folder above all downloads.
fn all_downloads() -> Result<PathBuf, Failure> {
    downloads::root()
        .filter(|folder| folder.is_dir())
        .ok_or_else(|| {
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
    .hint("name the data set to see the missing files: layersep data verify NAME --data-dir DIR")
}

/// Returns a line with the numbers of wrong files; `None` if all are right.
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
    let line = format!("{} among {} files", wrong.join(" and "), files().count());
    Some(Failure::new(line).hint("`layersep data download NAME` gets the published files"))
}
