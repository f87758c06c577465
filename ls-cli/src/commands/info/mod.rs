//! `layersep info`: the needs of a network before anything is trained.

mod sharing;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ls_core::model::ModelConfig;
use ls_core::network::Network;
use ls_core::objective::Weighting;
use ls_core::shape::FeatureShape;
use ls_datasets::{Facts, Source};
use ls_train::config::{Precision, RunConfig};
use ls_train::memory::MemoryNeed;

use self::sharing::Sharing;
use super::support::{Context, ensure_fits};
use crate::args::values::named;
use crate::args::{ModelArgs, WeightingArgs};
use crate::device;
use crate::failure::Failure;
use crate::ui::format::{bytes, count};

/// Show the needs of a network before anything is trained: parameters, memory, Lipschitz constants, weights
///
/// Shapes and sample counts are those of the full data sets; no data is read.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Examples:
  layersep info --model cnn --dataset mnist
  layersep info --hidden 64x30 --activation tanh --init orthogonal
  layersep info --hidden 1024x4 --dataset mnist --device flex
      predicts the time of a sweep over many machines like this one"
)]
pub(crate) struct InfoArgs {
    /// Data set whose shapes to assume
    #[arg(long, default_value = "digits", value_parser = named(Source::ALL, Source::name))]
    dataset: Source,
    /// Training samples [default: all of the data set]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    weighting: WeightingArgs,
    /// Devices that would share the samples in `exact`, as for `train`: predicts the time of a sweep for 2 to 1,024 like the first of them
    #[arg(long)]
    device: Option<String>,
    /// File with the token that the workers of `--device remote:…` ask for
    #[arg(long, value_name = "FILE", requires = "device")]
    token_file: Option<PathBuf>,
    /// Seed of the initial weights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &InfoArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let info = args.info()?;
    if args.json {
        context.ui.json(&info)?;
    } else {
        context.ui.text(&info.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl InfoArgs {
    /// Builds the network with its initial weights, and describes it.
    fn info(&self) -> Result<Info, Failure> {
        let model = self.model.config(RunConfig::default().model)?;
        let model = model.library()?;
        let weighting = self.weighting.config()?;
        let facts = self.facts()?;
        let shape = ls_train::data::feature_shape(facts.shape);
        let layout = model.layout(shape, facts.classes);
        let layout = layout.map_err(ls_train::Error::from)?;
        // Only the weights are allocated here.
        ensure_fits(MemoryNeed::of(&layout, shape, 0, 0).total(), 0)?;
        let device = device::find("flex", Precision::F32)?.device;
        let network = model.init(shape, facts.classes, self.seed, &device);
        let network = network.map_err(ls_train::Error::from)?;
        let samples = facts.train_samples;
        let samples = self.limit.map_or(samples, |limit| {
            usize::try_from(limit).map_or(samples, |limit| limit.min(samples))
        });
        let info = Info::new(model, &network, weighting, shape, samples);
        let mut info = info.map_err(ls_train::Error::from)?;
        if let Some(name) = &self.device {
            let token = self.token_file.as_deref();
            let samples = [samples, facts.test_samples];
            info.sharing = Some(Sharing::predict(name, token, &network, samples)?);
        }
        Ok(info)
    }

    /// Returns the shape and the numbers of samples of the data set, which only some state before they are read.
    fn facts(&self) -> Result<Facts, Failure> {
        self.dataset.facts().ok_or_else(|| {
            let known = Source::ALL.iter().copied();
            let known = known.filter(|source| source.facts().is_some());
            let known: Vec<&str> = known.map(Source::name).collect();
            Failure::new(format!(
                "the shape of data set {} is not known before it is read; use one of: {}",
                self.dataset,
                known.join(", ")
            ))
        })
    }
}

/// The needs of a network as a program reads them.
#[derive(Debug, serde::Serialize)]
struct Info {
    model: String,
    samples: usize,
    parameters: usize,
    auxiliary_bytes: u64,
    training_bytes: u64,
    stages: Vec<StageInfo>,
    /// Prediction for several devices, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sharing: Option<Sharing>,
}

/// A stage as a program reads it.
#[derive(Debug, serde::Serialize)]
struct StageInfo {
    name: String,
    output: String,
    parameters: usize,
    /// Bytes of the auxiliary variables; `None` at the head, which has none.
    auxiliary_bytes: Option<u64>,
    lipschitz: Option<f64>,
    growth: Option<f64>,
    omega: Option<f64>,
}

impl Info {
    fn new(
        model: &ModelConfig,
        network: &Network,
        weighting: Weighting,
        shape: FeatureShape,
        samples: usize,
    ) -> ls_core::Result<Self> {
        let layout = model.layout(shape, network.classes())?;
        let lipschitz = network.lipschitz(weighting.norm())?;
        let weights = weighting.weights(&lipschitz)?;
        let need = MemoryNeed::of(&layout, shape, samples, samples);
        let stages = layout.iter().enumerate().map(|(l, stage)| StageInfo {
            name: stage.name.clone(),
            output: stage.output.to_string(),
            parameters: stage.parameters,
            auxiliary_bytes: need.auxiliary.get(l).copied(),
            lipschitz: lipschitz[l].as_ref().ok().copied(),
            growth: weights
                .growth
                .as_ref()
                .ok()
                .and_then(|growth| growth.get(l).copied()),
            omega: weights.omega.get(l).copied(),
        });
        Ok(Self {
            model: model.describe(shape, network.classes()),
            samples,
            parameters: layout.iter().map(|stage| stage.parameters).sum(),
            auxiliary_bytes: need.auxiliary_sum(),
            training_bytes: need.total(),
            stages: stages.collect(),
            sharing: None,
        })
    }

    fn table(&self) -> String {
        let mut text = format!("{} on {} samples\n\n", self.model, count(self.samples));
        text += &format!(
            "{:>3}  {:<28}{:>10}{:>13}{:>13}{:>12}{:>12}{:>12}\n",
            "", "stage", "output", "parameters", "auxiliary", "K", "Π", "ω"
        );
        for (l, stage) in self.stages.iter().enumerate() {
            let number = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.4e}"));
            text += &format!(
                "{:>3}  {:<28}{:>10}{:>13}{:>13}{:>12}{:>12}{:>12}\n",
                l + 1,
                stage.name,
                stage.output,
                count(stage.parameters),
                stage.auxiliary_bytes.map_or("-".into(), bytes),
                number(stage.lipschitz),
                number(stage.growth),
                number(stage.omega)
            );
        }
        text += "\nK: Lipschitz constant of the stage; Π: product of those after it, by which a change of its output can grow;\nω: weight of its residual in the separated loss\n";
        text += &format!("\nparameters            {}\n", count(self.parameters));
        text += &format!("auxiliary variables   {}\n", bytes(self.auxiliary_bytes));
        text += &format!(
            "training, full batch  about {}\n",
            bytes(self.training_bytes)
        );
        let sharing = self.sharing.as_ref().map(Sharing::table);
        text + &sharing.unwrap_or_default()
    }
}
