//! `layersep export`: the weights of a run in other formats.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_train::export::ExportFormat;

use super::support::{Context, ensure_replaceable, load, none_is_earlier};
use crate::args::values::described;
use crate::failure::Failure;
use crate::ui::format;

/// Write the weights of a run for other programs, without auxiliary variables
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep export --run runs/mnist-exact-1 --format safetensors
  layersep export --run r --format burn --output network.bpk")]
pub(crate) struct ExportArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Format of the file
    #[arg(long, value_parser = described(ExportFormat::ALL, ExportFormat::name, ExportFormat::about), default_value = "safetensors")]
    format: ExportFormat,
    /// File to write [default: a file in the run folder, named after the format]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long)]
    overwrite: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let (trained, _) = load(&args.run, "flex", ui)?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None => args.run.join(args.format.file_name),
    };
    ensure_replaceable(&path, args.overwrite, none_is_earlier)?;
    args.format.write(&trained, &path)?;
    let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    if args.json {
        let file = path.display().to_string();
        ui.json(&serde_json::json!({ "file": file, "format": args.format.name, "bytes": bytes }))?;
    } else {
        let size = format::bytes(bytes);
        ui.text(&format!("{} ({size})\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
