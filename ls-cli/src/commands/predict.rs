//! `layersep predict`: the classes of images.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ls_datasets::Images;
use ls_train::{Prediction, Trained};
use serde::Serialize;

use super::support::{Context, load};
use crate::args::TokenArgs;
use crate::args::values::count;
use crate::failure::Failure;

/// Classify images with the network of a run
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layersep predict --run runs/mnist-exact-1 digit.png
  layersep predict --run r --resize --invert scan.jpg
      a picture of another size, dark on light where the training images are light on dark
  layersep predict --run r --json t10k-images-idx3-ubyte.gz | head -n 1
      one line of JSON per image, with class, probabilities and logits
  layersep predict --run r --top 3 images.csv
      a CSV file has one image per line, pixel by pixel, with the pixel values of the data set
  curl -s URL/digit.png | layersep predict --run r -
      standard input, in the format of its contents")]
pub(crate) struct PredictArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// PNG, JPEG, IDX or CSV files, the last two also as .gz, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Scale pictures to the size that the network was trained on
    #[arg(long)]
    resize: bool,
    /// Exchange dark and light
    #[arg(long)]
    invert: bool,
    /// Show the N most probable classes [default: 1]; with --json, list them under `top`
    #[arg(long, value_name = "N", value_parser = count::<u64>())]
    top: Option<u64>,
    /// Device to compute on, in the precision of the run
    #[arg(long, default_value = "flex")]
    device: String,
    #[command(flatten)]
    token: TokenArgs,
    /// Print a line of JSON per image
    #[arg(long)]
    json: bool,
}

/// A prediction as a program reads it, one line of JSON.
#[derive(Serialize)]
struct PredictionLine<'a> {
    file: String,
    /// Position in the file, from 0.
    index: usize,
    class: &'a str,
    probability: f64,
    probabilities: &'a [f64],
    logits: &'a [f64],
    /// The most probable classes, if their number was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<RankedClass<'a>>>,
}

/// A class with its probability.
#[derive(Serialize)]
struct RankedClass<'a> {
    class: &'a str,
    probability: f64,
}

/// Runs the command.
pub(super) fn run(args: &PredictArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let (trained, device) = load(&args.run, &args.device, args.token.file(), ui)?;
    let classes = &trained.preprocessing.classes;
    for path in &args.files {
        let mut images = read(args, &trained, path)?;
        if args.invert {
            for pixel in &mut images.pixels {
                *pixel = images.pixel_max - *pixel;
            }
        }
        let predictions = trained.predict(&images, &device)?;
        let file = path.display().to_string();
        for (index, prediction) in predictions.iter().enumerate() {
            if args.json {
                ui.json(&PredictionLine {
                    file: file.clone(),
                    index,
                    class: &classes[prediction.class],
                    probability: prediction.probabilities[prediction.class],
                    probabilities: &prediction.probabilities,
                    logits: &prediction.logits,
                    top: args.top.map(|top| ranked(classes, prediction, top)),
                })?;
                continue;
            }
            let name = match predictions.len() {
                1 => file.clone(),
                _ => format!("{file} {index}"),
            };
            let text = text(classes, prediction, args.top.unwrap_or(1));
            ui.text(&format!("{name}: {text}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the images of a file, in the shape and the pixel range of the training data.
fn read(args: &PredictArgs, trained: &Trained, path: &Path) -> Result<Images, Failure> {
    let own = &trained.preprocessing;
    let scale = own.scale().ok_or(ls_train::Error::NoPixels)?;
    let images = match path.as_os_str() == "-" {
        true => Images::read_from(
            "standard input",
            io::stdin(),
            own.shape(),
            scale,
            args.resize,
        ),
        false => Images::read(path, own.shape(), scale, args.resize),
    };
    images.map_err(|error| {
        // Only pictures can be resized.
        let is_picture = path.extension().is_some_and(|ending| {
            ["png", "jpg", "jpeg"]
                .iter()
                .any(|own| ending.eq_ignore_ascii_case(own))
        });
        let is_shape = is_picture && matches!(error, ls_datasets::Error::ShapeMismatch { .. });
        let failure = Failure::from(ls_train::Error::from(error));
        if is_shape && !args.resize {
            failure.hint("--resize scales a picture to the size that the network was trained on")
        } else {
            failure
        }
    })
}

/// Returns the most probable classes, the most probable one first.
fn ranked<'a>(classes: &'a [String], prediction: &Prediction, top: u64) -> Vec<RankedClass<'a>> {
    let pairs = classes.iter().zip(&prediction.probabilities);
    let mut ranked: Vec<_> = pairs
        .map(|(class, &probability)| RankedClass { class, probability })
        .collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked.truncate(usize::try_from(top).unwrap_or(usize::MAX));
    ranked
}

/// Formats the most probable classes, such as `3 99.2 %, 8 0.7 %`.
fn text(classes: &[String], prediction: &Prediction, top: u64) -> String {
    let shown = ranked(classes, prediction, top).into_iter();
    let shown = shown.map(|own| format!("{} {:.1} %", own.class, 100.0 * own.probability));
    shown.collect::<Vec<_>>().join(", ")
}
