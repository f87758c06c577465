//! `layersep eval`: the figures of a run's network on labelled samples.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ls_datasets::{PixelScale, Source};
use ls_train::Evaluation;
use ls_train::data::Fingerprint;
use ls_train::format::{number, percent};
use ls_train::run_dir::RunDir;
use serde::Serialize;

use super::support::{Context, load, runs_of_comparison};
use crate::args::TokenArgs;
use crate::failure::Failure;

/// Measure the network of a run on labelled samples
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep eval --run runs/digits-exact-1
  layersep eval --run r --split train
  layersep eval --run r --data-dir DIR --json      the same data set from another folder")]
pub(crate) struct EvalArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Folder with the files of the data set [default: that of the run]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Samples to measure; `train` includes samples that were held out or left out
    #[arg(long, value_enum, default_value_t = Split::Test)]
    split: Split,
    /// Device to compute on, in the precision of the run
    #[arg(long, default_value = "flex")]
    device: String,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Split {
    Test,
    Train,
}

/// The figures as a program reads them.
#[derive(Serialize)]
struct Figures<'a> {
    split: Split,
    samples: usize,
    original_loss: f64,
    accuracy: f64,
    classes: &'a [String],
    /// Number of samples by class and predicted class.
    confusion: &'a [Vec<usize>],
}

/// Runs the command.
pub(super) fn run(args: &EvalArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    if let [first, ..] = &runs_of_comparison(&args.run)[..] {
        let (folder, first) = (args.run.display(), first.display());
        return Err(Failure::new(format!(
            "{folder} holds a comparison, and --run names one run"
        ))
        .hint(format!(
            "name one of its runs, such as {first}; `layersep report {folder}` shows all of them"
        )));
    }
    let (trained, device) = load(&args.run, &args.device, args.token.file(), ui)?;
    let mut config = trained.config.clone();
    if args.data_dir.is_some() {
        config.data.folder.clone_from(&args.data_dir);
    }
    if config.data.dataset == Source::CSV.name() {
        // Other numbers must not change what full intensity is.
        let scale = trained.preprocessing.scale();
        config.data.pixel_max = scale.map(PixelScale::full);
    }
    let dataset = config.check()?.dataset()?;
    let saved = RunDir::read_fingerprint(&args.run)?;
    let found = Fingerprint::of(&dataset, trained.config.data.limit)?;
    if let Some(difference) = saved.difference(&found) {
        ui.note(&format!("these are not the data of the run: {difference}"));
    }
    let samples = match args.split {
        Split::Test => dataset.test,
        Split::Train => dataset.train,
    };
    let evaluation = trained.evaluate(&samples, &device)?;
    let classes = &trained.preprocessing.classes;
    if args.json {
        ui.json(&Figures {
            split: args.split,
            samples: samples.len(),
            original_loss: evaluation.original_loss_mean,
            accuracy: evaluation.accuracy,
            classes,
            confusion: &evaluation.confusion,
        })?;
    } else {
        ui.text(&table(classes, &evaluation))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats the figures, with a line for each class that lists the most frequent wrong predictions.
fn table(classes: &[String], evaluation: &Evaluation) -> String {
    let mut text = format!(
        "samples        {}\noriginal loss  {}\naccuracy       {} %\n\n",
        evaluation.predictions.len(),
        number(evaluation.original_loss_mean),
        percent(evaluation.accuracy)
    );
    let width = classes.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0).max(5);
    text += &format!(
        "{:<width$}{:>10}{:>10}  taken for\n",
        "class", "samples", "correct"
    );
    for (class, row) in evaluation.confusion.iter().enumerate() {
        let samples: usize = row.iter().sum();
        let share = match samples {
            0 => "-".into(),
            _ => format!("{:.1} %", 100.0 * row[class] as f64 / samples as f64),
        };
        let mut others: Vec<usize> = (0..row.len())
            .filter(|&other| other != class && row[other] > 0)
            .collect();
        others.sort_by_key(|&other| std::cmp::Reverse(row[other]));
        let others = others.iter().take(3);
        let others: Vec<_> = others
            .map(|&other| format!("{} ({})", classes[other], row[other]))
            .collect();
        let line = format!(
            "{:<width$}{samples:>10}{share:>10}  {}",
            classes[class],
            others.join(", ")
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}
