//! `layersep report`: a page about runs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use ls_train::config::Precision;
use ls_train::report::{Report, ReportOptions};
use ls_train::run_dir::REPORT_FILE;
use serde::Serialize;

use super::support::{Context, ensure_replaceable, is_stdout, precision_of, run_folders};
use crate::args::TokenArgs;
use crate::device;
use crate::failure::Failure;
use crate::ui::Ui;

/// Time after which lines about the progress begin.
const PATIENCE: Duration = Duration::from_secs(1);

/// Write a page about runs: key figures, charts, mistakes on the test images, weights
///
/// The page is one HTML file that needs no network. An earlier report is replaced, any other file only with --overwrite.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep report runs/digits-exact-1              writes runs/digits-exact-1/report.html
  layersep report runs/*                           several runs, compared: report.html in this folder
  layersep report runs/compare-digits-1            the runs of a comparison: report.html in its folder
  layersep report r --data-dir DIR                 the files of the data set are elsewhere now
  layersep report r --plots plots                  also every chart as SVG and PNG")]
pub(crate) struct ReportArgs {
    /// Folders of the runs, or of a comparison
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// File to write, or - for standard output [default: report.html, in the folder of the run or comparison if it is one]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder with the files of the data set, or with a folder of its name [default: that of the run]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Replace a file that is no earlier report, and charts in the folder of --plots
    #[arg(long)]
    overwrite: bool,
    /// Also write every chart as SVG and PNG into this folder, which is new or empty unless --overwrite is given
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Device to classify the test images on
    #[arg(long, default_value = "flex")]
    device: String,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the paths of all files as JSON
    #[arg(long)]
    json: bool,
}

/// The files that were written, as a program reads them.
#[derive(Serialize)]
struct Written {
    report: String,
    plots: Vec<String>,
    /// Sections that are missing from the report, with the reasons.
    notes: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &ReportArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let runs: Vec<PathBuf> = args.runs.iter().flat_map(|run| run_folders(run)).collect();
    // Weights in f32 are exact in f64 too.
    let precisions = runs.iter().map(|run| precision_of(run));
    let precisions = precisions.collect::<Result<Vec<_>, Failure>>()?;
    let precision = match precisions.contains(&Precision::F64) {
        true => Precision::F64,
        false => Precision::F32,
    };
    let device = device::find_with_token(&args.device, precision, args.token.file())?.device;
    let options = ReportOptions {
        runs: &runs,
        data: args.data_dir.as_deref(),
        device: &device,
    };
    // Before the test images are classified, which takes longer.
    let path = destination(args)?;
    if let Some(folder) = &args.plots {
        ensure_empty(folder, args.overwrite)?;
    }
    let start = Instant::now();
    let mut progress = |text: &str| {
        if start.elapsed() > PATIENCE {
            ui.progress(text);
        }
    };
    let report = Report::gather(&options, &mut progress)?;
    progress("writing the page");
    match &path {
        Some(path) => report.write(path)?,
        None => ui.text(&report.html()?)?,
    }
    let plots = match &args.plots {
        Some(folder) => {
            progress("writing the charts");
            report.save_charts(folder)?
        }
        None => Vec::new(),
    };
    let notes: Vec<String> = report.notes().collect();
    for note in &notes {
        ui.note(note);
    }
    show(args, path, plots, notes, ui)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses a folder for charts that holds files, which charts of their names would replace.
///
/// # Errors
/// Exit code 2, with the way on.
fn ensure_empty(folder: &Path, overwrite: bool) -> Result<(), Failure> {
    let shown = folder.display();
    let is_free = match fs::read_dir(folder) {
        Ok(mut files) => files.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(Failure::new(format!("cannot write to {shown}: {error}"))),
    };
    match is_free || overwrite {
        true => Ok(()),
        false => Err(Failure::new(format!("{shown} holds files already"))
            .hint("name a new folder with --plots, or add --overwrite")),
    }
}

/// Returns the file of the page; `None` for standard output.
///
/// # Errors
/// Exit code 2 for a file that may not be replaced, and for standard output that `--json` needs.
fn destination(args: &ReportArgs) -> Result<Option<PathBuf>, Failure> {
    let path = match (&args.output, &args.runs[..]) {
        (Some(path), _) if is_stdout(path) && args.json => {
            return Err(Failure::new(
                "--output - and --json both write to standard output",
            ));
        }
        (Some(path), _) if is_stdout(path) => return Ok(None),
        (Some(path), _) => path.clone(),
        (None, [run]) => run.join(REPORT_FILE),
        (None, _) => REPORT_FILE.into(),
    };
    ensure_replaceable(&path, args.overwrite, Report::is_at)?;
    Ok(Some(path))
}

/// Prints the names of the files; nothing where the page itself is on standard output.
fn show(
    args: &ReportArgs,
    path: Option<PathBuf>,
    plots: Vec<PathBuf>,
    notes: Vec<String>,
    ui: &Ui,
) -> Result<(), Failure> {
    let Some(path) = path else {
        return Ok(());
    };
    let text = |path: &Path| path.display().to_string();
    if args.json {
        return ui.json(&Written {
            report: text(&path),
            plots: plots.iter().map(|path| text(path)).collect(),
            notes,
        });
    }
    let files = [path].into_iter().chain(plots);
    let lines = files.map(|path| text(&path) + "\n");
    ui.text(&lines.collect::<String>())
}
