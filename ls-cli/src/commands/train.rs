//! `layersep train`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::train::Interrupter;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use clap::{Args, ValueEnum};
use ls_core::method::{Scaling, Storage};
use ls_datasets::Source;
use ls_train::config::{
    AlternatingSettings, BackpropSettings, BatchSize, BlockUpdate, ExactSettings, MethodConfig,
    OptimizerKind, Plan, RunConfig,
};
use ls_train::data::Splits;
use ls_train::learner::Stop;
use ls_train::memory::MemoryNeed;
use ls_train::renderer::LineRenderer;
use ls_train::{Dashboard, Session};

use super::{ensure_fits, new_folder, stop_on_ctrl_c};
use crate::cli::{ModelArgs, WeightingArgs, named, refuse};
use crate::device;
use crate::failure::{Failure, INTERRUPTED};
use crate::ui::Ui;

/// Train a classifier and leave a run folder
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "\
Examples:
  layersep train
      two hidden layers of 128 on the embedded 8×8 digits; no learning rate, the original loss never rises
  layersep train --hidden 64x10 --activation sigmoid --sweeps 80
      ten hidden layers of 64
  layersep train --method alternating --hidden 64x10 --activation tanh --weight-passes 3
      alternating minimization of the separated loss, with a tight certificate
  layersep train --model cnn --sweeps 40
      convolutions, pooling and a dense layer
  layersep train --dataset mnist --data-dir DIR --hidden 100,100 --batch-size 500 --sweeps 5
      MNIST from the files in DIR, in batches
  layersep train --method backprop --optimizer sgd --learning-rate 0.1
      the baseline, from the same initial weights

Ctrl-C finishes the current sweep, writes everything and exits with 130."
)]
pub(crate) struct TrainArgs {
    /// Data set
    #[arg(long, default_value = "digits", value_parser = named(&Source::ALL, Source::name), help_heading = "Data")]
    dataset: Source,
    /// Folder with the files of the data set, under the names they are distributed with
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data_dir: Option<PathBuf>,
    /// Use only the first N training samples
    #[arg(long, value_name = "N", value_parser = count(), help_heading = "Data")]
    limit: Option<u64>,

    #[command(flatten)]
    model: ModelArgs,

    /// How to train
    #[arg(long, value_enum, default_value_t = MethodName::Exact, help_heading = "Method")]
    method: MethodName,
    /// With `exact`: step τ of the targets, in place of the one found in every sweep
    #[arg(long, value_name = "TAU", help_heading = "Method")]
    step: Option<f64>,
    /// With `exact`: scaling of the displacements, in place of the one found in every sweep
    #[arg(long, value_parser = named(&Scaling::ALL, Scaling::name), help_heading = "Method")]
    scaling: Option<Scaling>,
    /// Damping μ of the Gram matrices [default: found in every sweep by `exact`, 0.01 for `alternating`]
    #[arg(long, value_name = "MU", help_heading = "Method")]
    damping: Option<f64>,
    /// With `exact`: keep no activations between the passes of a sweep; slower, in less memory
    #[arg(long, help_heading = "Method")]
    recompute: bool,
    /// With `exact`: samples that are passed through the stages at once [default: by the size of the stages]
    #[arg(long, value_name = "N", help_heading = "Method")]
    chunk: Option<usize>,
    /// Passes over the auxiliary blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", help_heading = "Method")]
    auxiliary_passes: Option<usize>,
    /// Passes over the weight blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", help_heading = "Method")]
    weight_passes: Option<usize>,
    /// With `alternating`: never return samples to the feasible point
    #[arg(long, help_heading = "Method")]
    no_restart: bool,
    /// Optimizer of `backprop` [default there: adam]; with `alternating` it moves the blocks instead of line searches, without
    /// a guarantee
    #[arg(long, value_parser = named(&OptimizerKind::ALL, OptimizerKind::name), help_heading = "Method")]
    optimizer: Option<OptimizerKind>,
    /// Learning rate of the optimizer [default: one that suits it]
    #[arg(long, value_name = "RATE", help_heading = "Method")]
    learning_rate: Option<f64>,
    /// Learning rate of the auxiliary variables, with `alternating --optimizer` [default: the learning rate]
    #[arg(long, value_name = "RATE", help_heading = "Method")]
    auxiliary_learning_rate: Option<f64>,
    #[command(flatten)]
    weighting: WeightingArgs,

    /// Samples of a batch: a number, or `full`
    #[arg(
        long,
        value_name = "N|full",
        default_value = "full",
        help_heading = "Run"
    )]
    batch_size: BatchSize,
    /// Largest number of sweeps; epochs for `backprop`
    #[arg(long, value_name = "N", default_value_t = 30, help_heading = "Run")]
    sweeps: usize,
    /// Stop once the original loss of the training split is at most this
    #[arg(long, value_name = "LOSS", help_heading = "Run")]
    target_loss: Option<f64>,
    /// Stop after the sweep in which so many seconds of training have passed
    #[arg(long, value_name = "SECONDS", help_heading = "Run")]
    time_limit: Option<f64>,
    /// Seed of the weights and of the order of the batches
    #[arg(long, default_value_t = 1, help_heading = "Run")]
    seed: u64,
    /// Device to compute on: flex, or ndarray, wgpu, cuda where compiled in
    #[arg(long, default_value = "flex", help_heading = "Run")]
    device: String,
    /// Run folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    run: Option<PathBuf>,
    /// How to show progress; `auto` is the full-screen dashboard on a terminal and lines elsewhere
    #[arg(long, value_enum, default_value_t = DashboardName::Auto, help_heading = "Run")]
    dashboard: DashboardName,
    /// Start even if the run seems too large for the memory
    #[arg(long, help_heading = "Run")]
    ignore_memory: bool,
    /// Print the summary as JSON on standard output, progress on standard error
    #[arg(long, help_heading = "Run")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// Restarted separation with exact weight blocks; in full batch the original loss never rises
    Exact,
    /// Alternating minimization of the separated loss
    Alternating,
    /// Gradients through the whole depth: the baseline
    Backprop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DashboardName {
    Auto,
    /// Full screen
    Tui,
    /// A line per sweep
    Plain,
    None,
}

fn count() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

pub(crate) fn run(args: &TrainArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let plan = args.config()?.check()?;
    let device = device::find(&args.device)?;
    if std::env::var_os("BURN_DEVICE").is_some() {
        ui.note("BURN_DEVICE is ignored; name the device with --device");
    }
    let interrupter = Interrupter::new();
    stop_on_ctrl_c(&interrupter)?;
    let splits = Splits::load(&plan, &device)?;
    if let Some(note) = &splits.note {
        ui.note(note);
    }
    if !args.ignore_memory {
        check_memory(&plan, &splits)?;
    }
    let run = match &args.run {
        Some(run) => run.clone(),
        None => new_folder(args.dataset.name(), plan.config().method.name())?,
    };
    let session = Session {
        device,
        run: &run,
        dashboard: args.dashboard(ui),
        metric_logs: true,
        interrupter,
    };
    let outcome = ls_train::train(&plan, splits, session)?;
    if args.json {
        ui.json(&outcome.summary)?;
    } else {
        ui.summary(&outcome.summary, &outcome.run)?;
    }
    Ok(match outcome.summary.stop {
        Stop::Interrupted => ExitCode::from(INTERRUPTED),
        _ => ExitCode::SUCCESS,
    })
}

impl TrainArgs {
    fn config(&self) -> Result<RunConfig, Failure> {
        let mut config = RunConfig {
            seed: self.seed,
            sweeps: self.sweeps,
            batch_size: self.batch_size,
            target_loss: self.target_loss,
            time_limit: self.time_limit,
            device: self.device.clone(),
            method: self.method()?,
            ..RunConfig::default()
        };
        config.data.dataset = self.dataset.name().into();
        config.data.folder.clone_from(&self.data_dir);
        config.data.limit = self
            .limit
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        config.model = self.model.config()?;
        Ok(config)
    }

    fn method(&self) -> Result<MethodConfig, Failure> {
        self.refuse_options_of_other_methods()?;
        match self.method {
            MethodName::Exact => Ok(MethodConfig::Exact(ExactSettings {
                step: self.step,
                damping: self.damping,
                scaling: self.scaling,
                storage: if self.recompute {
                    Storage::Recomputed
                } else {
                    Storage::Stored
                },
                chunk: self.chunk,
                weighting: self.weighting.config()?,
                ..ExactSettings::default()
            })),
            MethodName::Backprop => {
                let optimizer = self.optimizer.unwrap_or(OptimizerKind::Adam);
                Ok(MethodConfig::Backprop(BackpropSettings {
                    optimizer,
                    learning_rate: self.learning_rate.unwrap_or(optimizer.learning_rate()),
                }))
            }
            MethodName::Alternating => Ok(MethodConfig::Alternating(AlternatingSettings {
                weighting: self.weighting.config()?,
                auxiliary_passes: self.auxiliary_passes.unwrap_or(1),
                weight_passes: self.weight_passes.unwrap_or(1),
                restart: !self.no_restart,
                update: self.block_update()?,
            })),
        }
    }

    /// An option that the method has no use for is a mistake, not something to ignore.
    fn refuse_options_of_other_methods(&self) -> Result<(), Failure> {
        use MethodName::{Alternating, Backprop, Exact};
        let weighting = self
            .weighting
            .given()
            .map(|(name, given)| (name, given, &[Exact, Alternating][..]));
        let own = [
            ("--step", self.step.is_some(), &[Exact][..]),
            ("--scaling", self.scaling.is_some(), &[Exact]),
            ("--recompute", self.recompute, &[Exact]),
            ("--chunk", self.chunk.is_some(), &[Exact]),
            ("--damping", self.damping.is_some(), &[Exact, Alternating]),
            (
                "--auxiliary-passes",
                self.auxiliary_passes.is_some(),
                &[Alternating],
            ),
            (
                "--weight-passes",
                self.weight_passes.is_some(),
                &[Alternating],
            ),
            ("--no-restart", self.no_restart, &[Alternating]),
            (
                "--optimizer",
                self.optimizer.is_some(),
                &[Alternating, Backprop],
            ),
            (
                "--learning-rate",
                self.learning_rate.is_some(),
                &[Alternating, Backprop],
            ),
            (
                "--auxiliary-learning-rate",
                self.auxiliary_learning_rate.is_some(),
                &[Alternating],
            ),
        ];
        let out_of_place: Vec<_> = own
            .into_iter()
            .chain(weighting)
            .map(|(name, given, methods)| (name, given && !methods.contains(&self.method)))
            .collect();
        let method = self.method.to_possible_value();
        let place = method.map_or_else(String::new, |value| {
            format!("--method {}", value.get_name())
        });
        refuse(&place, &out_of_place).map_err(|failure| {
            failure.hint("layersep train --help says which options a method takes")
        })
    }

    fn block_update(&self) -> Result<BlockUpdate, Failure> {
        let Some(optimizer) = self.optimizer else {
            let rates = [
                ("--learning-rate", self.learning_rate.is_some()),
                (
                    "--auxiliary-learning-rate",
                    self.auxiliary_learning_rate.is_some(),
                ),
            ];
            refuse("`alternating`, which finds its own steps", &rates).map_err(|failure| {
                failure.hint(
                    "add --optimizer to let an optimizer move the blocks, or use --method backprop",
                )
            })?;
            return Ok(BlockUpdate::LineSearch {
                damping: self.damping.unwrap_or(0.01),
            });
        };
        refuse("--optimizer", &[("--damping", self.damping.is_some())])?;
        let learning_rate = self
            .learning_rate
            .unwrap_or(optimizer.block_learning_rate());
        Ok(BlockUpdate::Optimizer {
            optimizer,
            learning_rate,
            auxiliary_learning_rate: self.auxiliary_learning_rate.unwrap_or(learning_rate),
        })
    }

    fn dashboard(&self, ui: &Ui) -> Dashboard {
        let name = match self.dashboard {
            DashboardName::Auto if ui.has_screen() && !self.json => DashboardName::Tui,
            DashboardName::Auto => DashboardName::Plain,
            name => name,
        };
        let json = self.json;
        Box::new(move |interrupter| match name {
            DashboardName::Tui => Box::new(TuiMetricsRendererWrapper::new(interrupter, None)),
            DashboardName::None => Box::new(LineRenderer::new(Box::new(io::sink()))),
            _ if json => Box::new(LineRenderer::new(Box::new(io::stderr()))),
            _ => Box::new(LineRenderer::new(Box::new(io::stdout()))),
        })
    }
}

/// Refuses a run that will not fit, before it has taken the memory of others.
fn check_memory(plan: &Plan, splits: &Splits) -> Result<(), Failure> {
    let config = plan.config();
    if !config.method.is_separated() {
        return Ok(());
    }
    let samples = splits.train.len();
    let batch = match config.batch_size {
        BatchSize::Full => samples,
        BatchSize::Samples(count) => count,
    };
    let layout = config.model.layout(splits.shape, splits.classes.len());
    let layout = layout.map_err(ls_train::Error::from)?;
    let need = MemoryNeed::of(&layout, splits.shape, samples, batch);
    ensure_fits(need.total(), need.auxiliary_sum())
}
