//! `layersep export`: the weights of a run in other formats.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ls_train::export::ExportFormat;

use super::support::{
    Context, ensure_replaceable, is_stdout, load, none_is_earlier, write_to_stdout,
};
use crate::args::values::described;
use crate::failure::Failure;
use crate::ui::format;

/// Write the weights of a run for other programs, without auxiliary variables
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep export --run runs/mnist-exact-1 --format safetensors
  layersep export --run r --format burn --output network.bpk
  layersep export --run r -o - | python3 -c 'import sys, safetensors.torch as st; print(st.load(sys.stdin.buffer.read()).keys())'
      to standard output")]
pub(crate) struct ExportArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Format of the file
    #[arg(long, value_parser = described(ExportFormat::ALL, ExportFormat::name, ExportFormat::about), default_value = "safetensors")]
    format: ExportFormat,
    /// File to write, or - for standard output [default: a file in the run folder, named after the format]
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
    let (trained, _) = load(&args.run, "flex", None, ui)?;
    if args.output.as_deref().is_some_and(is_stdout) {
        let write = |file: &Path| Ok(args.format.write(&trained, file)?);
        write_to_stdout(ui, args.json, write)?;
        return Ok(ExitCode::SUCCESS);
    }
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
