//! `layersep data download`: the files of a data set from the network.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_datasets::Source;
use ls_datasets::download;
use serde::Serialize;

use crate::args::values::named;
use crate::commands::support::Context;
use crate::downloads;
use crate::failure::Failure;
use crate::ui::DownloadView;
use crate::ui::format::bytes;

/// Download the missing files of a data set; an interrupted download continues where it stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep data download mnist
  layersep data download cifar10 --data-dir DIR
  layersep data download mnist --mirror http://host/path    asks for http://host/path/train-images-idx3-ubyte.gz and so on")]
pub(super) struct DownloadArgs {
    /// Data set
    #[arg(value_parser = named(Source::ALL, Source::name))]
    name: Source,
    /// Folder for the files [default: one of the data set's name in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to use in place of the known ones; file names are appended to it
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Print JSON on standard output, progress on standard error
    #[arg(long)]
    json: bool,
}

/// A downloaded data set as a program reads it.
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

/// Runs the subcommand.
pub(super) fn run(args: &DownloadArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let source = args.name;
    let folder = match &args.data_dir {
        Some(folder) => folder.clone(),
        None => downloads::folder(source)?,
    };
    let mut view = DownloadView::new(ui);
    let show = |progress: download::DownloadProgress<'_>| view.show(progress);
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
        ui.json(&complete)?;
        return Ok(ExitCode::SUCCESS);
    }
    let size = complete.files.iter().map(|file| file.bytes).sum();
    ui.text(&format!(
        "{source} is complete in {}: {} files, {}\n",
        complete.folder.display(),
        complete.files.len(),
        bytes(size)
    ))?;
    Ok(ExitCode::SUCCESS)
}
