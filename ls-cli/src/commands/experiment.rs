//! `layersep experiment`: the registered comparisons of methods.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_core::fit::StopSignal;
use ls_train::config::Precision;
use ls_train::experiment::{Case, Experiment, ExperimentOptions};

use super::support::{Context, new_folder, run_all, stop_on_signal};
use crate::args::values::finite;
use crate::failure::{Failure, INTERRUPTED};
use crate::ui::Ui;
use crate::{device, downloads};

/// Compare contenders on the same initial weights and data order, for comparable time, over several seeds; without a name, list
/// the experiments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep experiment
  layersep experiment depth
  layersep experiment deep-sigmoid              ten sigmoid layers, backpropagation gets ten times as long
  layersep experiment mnist --data-dir DIR      DIR/mnist and DIR/fashion-mnist hold the files

Learning rates of the baselines are swept on the first seed; the best one represents its contender. The folder then holds
results.csv with every run, figures.csv with the figures of every method, results.md with medians over the seeds, a plot of each case, and all run folders.")]
pub(crate) struct ExperimentArgs {
    /// Name of the experiment
    name: Option<String>,
    /// Folder with a sub-folder for each data set that is not embedded [default: the folder of `data download`]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Number of seeds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Only the contenders whose name starts with NAME, such as `exact`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    only: String,
    /// Seconds of each run, times the case's own factor where it has one [default: the experiment's own]
    #[arg(long, value_name = "SECONDS", value_parser = finite())]
    seconds: Option<f64>,
    /// Device to compute on
    #[arg(long, default_value = "flex")]
    device: String,
    /// Folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Print a row for each run that represents its contender as JSON on standard output, progress on standard error
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &ExperimentArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let Some(name) = &args.name else {
        list(args.json, ui)?;
        return Ok(ExitCode::SUCCESS);
    };
    let experiment = Experiment::find(name).ok_or_else(|| {
        let names = Experiment::ALL
            .iter()
            .map(|experiment| experiment.name)
            .collect::<Vec<_>>()
            .join(", ");
        Failure::new(format!(
            "unknown experiment `{name}`, expected one of: {names}"
        ))
    })?;
    let device = device::find(&args.device, Precision::F32)?.device;
    let signal = StopSignal::new();
    stop_on_signal(&signal)?;
    let folder = match &args.run {
        Some(folder) => folder.clone(),
        None => new_folder("experiment", experiment.name)?,
    };
    let downloads = || downloads::root().filter(|folder| folder.is_dir());
    let data = args.data_dir.clone().or_else(downloads);
    let options = ExperimentOptions {
        folder: &folder,
        data: data.as_deref(),
        seeds: args.seeds,
        only: &args.only,
        tuning_seed: 1,
        seconds: args.seconds.unwrap_or(experiment.seconds),
        device,
        signal,
    };
    let Some(rows) = run_all(cases(experiment, &args.device), &options, ui)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if args.json {
        ui.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = folder.join("results.md");
    let text = std::fs::read_to_string(&table)
        .map_err(|error| Failure::new(format!("{}: {error}", table.display())))?;
    ui.text(&text)?;
    ui.text(&format!("folder: {}\n", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Lists all experiments.
fn list(as_json: bool, ui: &Ui) -> Result<(), Failure> {
    let all = Experiment::ALL;
    if as_json {
        let entry = |own: &Experiment| serde_json::json!({ "name": own.name, "about": own.about });
        return ui.json(&all.iter().map(entry).collect::<Vec<_>>());
    }
    let names = all.iter().map(|experiment| experiment.name.len());
    let width = names.max().unwrap_or(0) + 2;
    let line = |own: &Experiment| format!("{:<width$}{}\n", own.name, own.about);
    ui.text(&all.iter().map(line).collect::<String>())
}

/// Returns the cases of an experiment, all on one device.
fn cases(experiment: Experiment, device: &str) -> Vec<Case> {
    let mut cases = experiment.cases();
    let contenders = cases.iter_mut().flat_map(|case| &mut case.contenders);
    for (_, config) in contenders.flat_map(|contender| &mut contender.settings) {
        config.device = device.into();
    }
    cases
}
