//! `layersep experiment`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::train::Interrupter;
use clap::Args;
use ls_train::config::Precision;
use ls_train::experiment::{
    self, Case, Experiment, ExperimentOptions, ExperimentProgress, RunResult,
};

use super::{data, new_folder, remove_if_empty, stop_on_signal};
use crate::device;
use crate::failure::{Failure, INTERRUPTED};
use crate::ui::Ui;

/// Compare contenders on the same initial weights and data order, for comparable time, over several seeds; without a name, list
/// the experiments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep experiment
  layersep experiment depth
  layersep experiment deep-sigmoid              ten sigmoid layers, backpropagation gets ten times as long
  layersep experiment mnist --data-dir DIR      DIR/mnist and DIR/fashion-mnist hold the files

Learning rates of the baselines are swept on the first seed; the best stands for its contender. The folder then holds
results.csv with every run, results.md with medians over the seeds, a plot of each case, and all run folders.")]
pub(crate) struct ExperimentArgs {
    /// Which experiment
    name: Option<String>,
    /// Folder with a sub-folder for each data set that is not embedded [default: the one that `data download` uses]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Number of seeds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Only the contenders whose name starts so, such as `exact`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    only: String,
    /// Seconds of each run [default: the experiment's own]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Device to compute on
    #[arg(long, default_value = "flex")]
    device: String,
    /// Folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Print a row per run that stands for its contender as JSON on standard output, progress on standard error
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ExperimentArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let Some(name) = &args.name else {
        if args.json {
            let experiments = Experiment::ALL.iter();
            let entries =
                experiments.map(|e| serde_json::json!({ "name": e.name, "about": e.about }));
            ui.json(&entries.collect::<Vec<_>>())?;
            return Ok(ExitCode::SUCCESS);
        }
        let lengths = Experiment::ALL
            .iter()
            .map(|experiment| experiment.name.len());
        let width = lengths.max().unwrap_or(0) + 2;
        for experiment in Experiment::ALL {
            ui.text(&format!(
                "{:<width$}{}\n",
                experiment.name, experiment.about
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let experiment = Experiment::find(name).ok_or_else(|| {
        let names = Experiment::ALL.iter().map(|experiment| experiment.name);
        let names = names.collect::<Vec<_>>().join(", ");
        Failure::new(format!("unknown experiment `{name}`; there are: {names}"))
    })?;
    let device = device::find(&args.device, Precision::F32)?.device;
    let interrupter = Interrupter::new();
    stop_on_signal(&interrupter)?;
    let folder = match &args.run {
        Some(folder) => folder.clone(),
        None => new_folder("experiment", experiment.name)?,
    };
    let mut cases = experiment.cases();
    let contenders = cases.iter_mut().flat_map(|case| &mut case.contenders);
    for (_, config) in contenders.flat_map(|contender| &mut contender.settings) {
        config.device.clone_from(&args.device);
    }
    let downloads = || data::cache().filter(|folder| folder.is_dir());
    let data = args.data_dir.clone().or_else(downloads);
    let options = ExperimentOptions {
        folder: &folder,
        data: data.as_deref(),
        seeds: args.seeds,
        only: &args.only,
        tuning_seed: 1,
        seconds: args.seconds.unwrap_or(experiment.seconds),
        device,
        interrupter,
    };
    let Some(rows) = run_all(cases, &options, ui)? else {
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

/// Runs all contenders with a line after each run; `None` once somebody has interrupted it, which is told.
pub(super) fn run_all(
    cases: Vec<Case>,
    options: &ExperimentOptions<'_>,
    ui: &Ui,
) -> Result<Option<Vec<RunResult>>, Failure> {
    let started = Instant::now();
    let result = experiment::run(cases, options, &mut |progress| {
        ui.progress(&line(progress, started));
    });
    if options.interrupter.should_stop() {
        ui.note(&format!(
            "interrupted; the runs so far are in {}",
            options.folder.display()
        ));
        return Ok(None);
    }
    let rows = result.inspect_err(|_| remove_if_empty(options.folder))?;
    Ok(Some(rows))
}

fn line(progress: &ExperimentProgress<'_>, started: Instant) -> String {
    let ExperimentProgress {
        done,
        total,
        result,
    } = progress;
    let left = started.elapsed().as_secs_f64() / *done as f64 * (total - done) as f64;
    let left = match left {
        left if left < 90.0 => format!("{left:.0} s"),
        left => format!("{:.0} min", (left / 60.0).ceil()),
    };
    format!(
        "[{done}/{total}, {left} left] {}: {}, {}, seed {}: original loss {:.3e}",
        result.case,
        result.contender,
        result.setting,
        result.seed,
        result.original_loss()
    )
}
