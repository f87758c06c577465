//! `layersep problem`: what a run starts from, for other programs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_train::data::Splits;
use ls_train::export::Problem;

use super::support::{Context, ensure_replaceable, is_stdout, none_is_earlier, write_to_stdout};
use crate::args::RunArgs;
use crate::args::values::count;
use crate::device;
use crate::failure::Failure;
use crate::ui::format;

/// Write the data, initial weights and batches of a run for other programs
///
/// Nothing is trained. The file is in safetensors: inputs as the network sees them, labels, initial parameters under the names of
/// `layersep export`, and the samples and the order of the batches. `train` with the same options starts from exactly these.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Examples:
  layersep problem --hidden 64x10 --activation sigmoid
      full batch: the samples and the initial weights
  layersep problem --dataset mnist --hidden 100,100 --batch-size 250 --epochs 8 -o mnist.st
      with the order of the batches in eight epochs
  layersep problem --config runs/mnist-foof-1/config.toml
      what a run in a folder started from"
)]
pub(crate) struct ProblemArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Epochs whose order of the batches the file holds [default: the sweeps of the run]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "File")]
    epochs: Option<usize>,
    /// File to write, or - for standard output
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "problem.safetensors",
        help_heading = "File"
    )]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long, help_heading = "File")]
    overwrite: bool,
    /// Print the result as JSON
    #[arg(long, help_heading = "File")]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ProblemArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let plan = args.run.plan(None)?;
    let path = &args.output;
    // Before the data are read, which takes longer.
    let to_stdout = is_stdout(path);
    if !to_stdout {
        ensure_replaceable(path, args.overwrite, none_is_earlier)?;
    }
    let config = plan.config();
    let found = device::find(&config.device, config.precision)?;
    let splits = Splits::load(&plan, &found.device)?;
    if let Some(note) = &splits.note {
        ui.note(note);
    }
    let problem = Problem::new(&plan, splits, &found.device)?;
    let epochs = args.epochs.unwrap_or(config.sweeps);
    if to_stdout {
        write_to_stdout(ui, args.json, |file| Ok(problem.write(epochs, file)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    problem.write(epochs, path)?;
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if args.json {
        let file = path.display().to_string();
        ui.json(&serde_json::json!({ "file": file, "bytes": bytes }))?;
    } else {
        let size = format::bytes(bytes);
        ui.text(&format!("{} ({size})\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
