//! `layersep train`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::train::Interrupter;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use clap::{Args, ValueEnum};
use ls_core::batch::Batch;
use ls_core::method::{Scaling, Storage};
use ls_train::config::{
    AlternatingSettings, BackpropSettings, BatchSize, BlockUpdate, ExactSettings, MethodConfig,
    OptimizerKind, Plan, Precision, RunConfig, Schedule,
};
use ls_train::data::Splits;
use ls_train::learner::Stop;
use ls_train::memory::{MemoryNeed, bytes};
use ls_train::renderer::LineRenderer;
use ls_train::run_dir::{RunDir, Summary};
use ls_train::{CheckpointRule, Dashboard, Session, Start};
use serde::Serialize;

use super::{ensure_fits, new_folder, remove_if_empty, stop_on_signal};
use crate::cli::{ModelArgs, SampleArgs, WeightingArgs, count, named, refuse, set, whole_number};
use crate::device;
use crate::failure::{Failure, INTERRUPTED};
use crate::ui::Ui;

/// Train a classifier and leave a run folder
#[derive(Clone, Debug, Default, PartialEq, Args)]
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
  layersep train --dataset mnist --data-dir DIR --hidden 100,100 --batch-size 250 --sweeps 6
      MNIST from the files in DIR, in batches
  layersep train --dataset folder --data-dir DIR --test-share 0.1
      images of your own, in one folder for each class
  layersep train --method backprop --optimizer sgd --learning-rate 0.1
      the baseline, from the same initial weights
  layersep train --run r && layersep train --resume r --sweeps 100
      30 sweeps, then 70 more as if it had never stopped

Ctrl-C or a SIGTERM, in the full-screen dashboard q and then s, finishes the current sweep, writes everything and exits with 130; --resume
goes on from there. A second signal ends at once."
)]
pub(crate) struct TrainArgs {
    /// TOML file with a whole configuration, as `layersep config` prints it; options given here override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    data: SampleArgs,
    #[command(flatten)]
    model: ModelArgs,

    /// How to train [default: exact]
    #[arg(long, value_enum, help_heading = "Method")]
    method: Option<MethodName>,
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
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
    chunk: Option<usize>,
    /// λ of a penalty λ/2 Σ‖W‖² on the weights: with `exact` it is the loss with its penalty that never rises [default: 0 for
    /// `exact`, for `backprop` that of the optimizer]
    #[arg(long, value_name = "LAMBDA", help_heading = "Method")]
    weight_decay: Option<f64>,
    /// Passes over the auxiliary blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
    auxiliary_passes: Option<usize>,
    /// Passes over the weight blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
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
    /// With `backprop`: what becomes of the learning rate over the run [default: constant]
    #[arg(long, value_parser = named(&Schedule::ALL, Schedule::name), help_heading = "Method")]
    schedule: Option<Schedule>,
    /// Learning rate of the auxiliary variables, with `alternating --optimizer` [default: the learning rate]
    #[arg(long, value_name = "RATE", help_heading = "Method")]
    auxiliary_learning_rate: Option<f64>,
    #[command(flatten)]
    weighting: WeightingArgs,

    /// Samples of a batch: a number, or `full` [default: full]
    #[arg(long, value_name = "N|full", help_heading = "Run")]
    batch_size: Option<BatchSize>,
    /// Largest number of sweeps; epochs for `backprop` [default: 30]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Run")]
    sweeps: Option<usize>,
    /// Stop once the original loss of the training split is at most this
    #[arg(long, value_name = "LOSS", help_heading = "Run")]
    target_loss: Option<f64>,
    /// Stop after the sweep in which so many seconds of training have passed
    #[arg(long, value_name = "SECONDS", help_heading = "Run")]
    time_limit: Option<f64>,
    /// With --validation: stop after N sweeps without better figures of the samples held out
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Run")]
    patience: Option<usize>,
    /// Seed of the weights and of the order of the batches [default: 1]
    #[arg(long, value_parser = whole_number::<u64>(), help_heading = "Run")]
    seed: Option<u64>,
    /// Device to compute on, as `layersep devices` lists them: flex, or ndarray, wgpu, cuda where compiled in [default: flex]
    #[arg(long, help_heading = "Run")]
    device: Option<String>,
    /// Numbers to compute in; f64 takes twice the memory, and a device that has them [default: f32]
    #[arg(long, value_parser = named(&Precision::ALL, Precision::name), help_heading = "Run")]
    precision: Option<Precision>,
    /// Run folder to make [default: a new one under runs/]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    run: Option<PathBuf>,
    /// Put the run in the place of the one that the folder holds
    #[arg(long, requires = "run", help_heading = "Run")]
    overwrite: bool,
    /// Go on with the run in DIR from its last checkpoint; give a larger --sweeps to go further than it was to
    #[arg(long, value_name = "DIR", conflicts_with = "run", help_heading = "Run")]
    resume: Option<PathBuf>,
    /// Write a checkpoint after every N sweeps [default: as often as takes a twentieth of the time, and at the end]
    #[arg(long, value_name = "N", value_parser = count::<u64>(), help_heading = "Run")]
    checkpoint_every: Option<u64>,
    /// Number of checkpoints that stay
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = count::<u64>(), help_heading = "Run")]
    keep: u64,
    /// How to show progress; `auto` is the full-screen dashboard on a terminal and lines elsewhere
    #[arg(long, value_enum, default_value_t = DashboardName::Auto, help_heading = "Run")]
    dashboard: DashboardName,
    /// Start even if the run seems too large for the memory
    #[arg(long, help_heading = "Run")]
    ignore_memory: bool,
    /// Print the summary as JSON on standard output, progress on standard error
    #[arg(long, help_heading = "Run")]
    pub(super) json: bool,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DashboardName {
    #[default]
    Auto,
    /// Full screen
    Tui,
    /// A line per sweep
    Plain,
    None,
}

pub(crate) fn run(args: &TrainArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let plan = args.plan()?;
    if args.dashboard == DashboardName::Tui && (args.json || !ui.has_screen()) {
        return Err(Failure::new(
            "--dashboard tui needs standard output to be a terminal, and no --json",
        )
        .hint("--dashboard plain writes lines"));
    }
    device::make_default(&plan.config().device);
    let found = device::find(&plan.config().device, plan.config().precision)?;
    let device = found.device;
    if device::compiles_kernels(&plan.config().device) {
        ui.progress(
            "the first sweep takes longer: the device compiles its kernels as they are needed",
        );
    }
    let interrupter = Interrupter::new();
    stop_on_signal(&interrupter)?;
    let splits = Splits::load(&plan, &device)?;
    if let Some(note) = &splits.note {
        ui.note(note);
    }
    let need = memory_need(&plan, &splits)?;
    describe(&splits, &need, ui);
    // How much a card has free its driver does not tell.
    let is_checked = found.kind.is_host() && !args.ignore_memory;
    if is_checked && plan.config().method.is_separated() {
        ensure_fits(need.total(), need.auxiliary_sum())?;
    }
    let (run, start) = match (&args.resume, &args.run) {
        (Some(run), _) => (run.clone(), Start::Resume),
        (None, Some(run)) if args.overwrite => (run.clone(), Start::Overwrite),
        (None, Some(run)) => (run.clone(), Start::New),
        (None, None) => {
            let config = plan.config();
            let folder = new_folder(&config.data.dataset, config.method.name())?;
            (folder, Start::New)
        }
    };
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let session = Session {
        device,
        run: &run,
        start,
        checkpoints: match args.checkpoint_every {
            Some(sweeps) => CheckpointRule::Every(number(sweeps)),
            None => CheckpointRule::Economical,
        },
        keep: number(args.keep),
        dashboard: args.dashboard(ui),
        metric_logs: true,
        interrupter,
    };
    let outcome = ls_train::train(&plan, splits, session);
    let outcome = outcome.inspect_err(|_| remove_if_empty(&run))?;
    if args.json {
        ui.json(&Line {
            summary: &outcome.summary,
            run: outcome.run.path(),
        })?;
    } else {
        ui.summary(&outcome.summary, &outcome.run)?;
    }
    if outcome.summary.stop != Stop::Interrupted {
        return Ok(ExitCode::SUCCESS);
    }
    let folder = outcome.run.path().display();
    ui.note(&format!("`layersep train --resume {folder}` goes on"));
    Ok(ExitCode::from(INTERRUPTED))
}

/// The summary with its folder, for a program.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    run: &'a Path,
}

impl TrainArgs {
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let config = match &self.resume {
            Some(run) => self.resumed(run)?,
            None => self.config()?,
        };
        Ok(config.check()?)
    }

    /// The configuration of a run that goes on: its own, but for where it ends.
    fn resumed(&self, run: &Path) -> Result<RunConfig, Failure> {
        let mut config = RunDir::read_config(run)?;
        let allowed = Self {
            resume: self.resume.clone(),
            sweeps: self.sweeps,
            target_loss: self.target_loss,
            time_limit: self.time_limit,
            patience: self.patience,
            checkpoint_every: self.checkpoint_every,
            keep: self.keep,
            dashboard: self.dashboard,
            ignore_memory: self.ignore_memory,
            json: self.json,
            ..Self::default()
        };
        if *self != allowed {
            return Err(Failure::new(
                "with --resume only --sweeps, --target-loss, --time-limit, --patience and options of checkpoints and the display may \
                 be given",
            )
            .hint(format!(
                "the run goes on as {} says; start another run for other settings",
                run.join("config.toml").display()
            )));
        }
        set(&mut config.sweeps, self.sweeps);
        config.patience = self.patience.or(config.patience);
        config.target_loss = self.target_loss.or(config.target_loss);
        config.time_limit = self.time_limit.or(config.time_limit);
        Ok(config)
    }

    fn config(&self) -> Result<RunConfig, Failure> {
        let mut config = match &self.config {
            Some(file) => RunConfig::read(file)?,
            None => RunConfig::default(),
        };
        set(&mut config.seed, self.seed);
        set(&mut config.sweeps, self.sweeps);
        set(&mut config.batch_size, self.batch_size);
        set(&mut config.device, self.device.clone());
        set(&mut config.precision, self.precision);
        config.target_loss = self.target_loss.or(config.target_loss);
        config.time_limit = self.time_limit.or(config.time_limit);
        config.data = self.data.config(config.data);
        config.patience = self.patience.or(config.patience);
        config.model = self.model.config(config.model)?;
        config.method = self.method(config.method)?;
        Ok(config)
    }

    /// The method of `base`, or another one from its defaults, with what was given on the command line in place of its own.
    fn method(&self, base: MethodConfig) -> Result<MethodConfig, Failure> {
        let name = self.method.unwrap_or(match base {
            MethodConfig::Exact(_) => MethodName::Exact,
            MethodConfig::Alternating(_) => MethodName::Alternating,
            MethodConfig::Backprop(_) => MethodName::Backprop,
        });
        self.refuse_options_of_other_methods(name)?;
        match name {
            MethodName::Exact => {
                let mut settings = match base {
                    MethodConfig::Exact(settings) => settings,
                    _ => ExactSettings::default(),
                };
                settings.step = self.step.or(settings.step);
                settings.damping = self.damping.or(settings.damping);
                settings.scaling = self.scaling.or(settings.scaling);
                settings.chunk = self.chunk.or(settings.chunk);
                set(&mut settings.weight_decay, self.weight_decay);
                if self.recompute {
                    settings.storage = Storage::Recomputed;
                }
                settings.weighting = self.weighting.config(settings.weighting)?;
                Ok(MethodConfig::Exact(settings))
            }
            MethodName::Backprop => {
                let base = match base {
                    MethodConfig::Backprop(settings) => Some(settings),
                    _ => None,
                };
                let adam = OptimizerKind::Adam;
                let optimizer = base.as_ref().map_or(adam, |settings| settings.optimizer);
                let optimizer = self.optimizer.unwrap_or(optimizer);
                // A rate belongs to its optimizer.
                let rate = base
                    .as_ref()
                    .filter(|settings| settings.optimizer == optimizer)
                    .map_or(optimizer.learning_rate(), |settings| settings.learning_rate);
                let decay = base.as_ref().and_then(|settings| settings.weight_decay);
                let schedule = base.map(|settings| settings.schedule).unwrap_or_default();
                Ok(MethodConfig::Backprop(BackpropSettings {
                    optimizer,
                    learning_rate: self.learning_rate.unwrap_or(rate),
                    schedule: self.schedule.unwrap_or(schedule),
                    weight_decay: self.weight_decay.or(decay),
                }))
            }
            MethodName::Alternating => {
                let mut settings = match base {
                    MethodConfig::Alternating(settings) => settings,
                    _ => AlternatingSettings::default(),
                };
                settings.weighting = self.weighting.config(settings.weighting)?;
                set(&mut settings.auxiliary_passes, self.auxiliary_passes);
                set(&mut settings.weight_passes, self.weight_passes);
                settings.restart &= !self.no_restart;
                settings.update = self.block_update(settings.update)?;
                Ok(MethodConfig::Alternating(settings))
            }
        }
    }

    /// An option that the method has no use for is a mistake, not something to ignore.
    fn refuse_options_of_other_methods(&self, chosen: MethodName) -> Result<(), Failure> {
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
            (
                "--weight-decay",
                self.weight_decay.is_some(),
                &[Exact, Backprop],
            ),
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
            ("--schedule", self.schedule.is_some(), &[Backprop]),
            (
                "--auxiliary-learning-rate",
                self.auxiliary_learning_rate.is_some(),
                &[Alternating],
            ),
        ];
        let out_of_place: Vec<_> = own
            .into_iter()
            .chain(weighting)
            .map(|(name, given, methods)| (name, given && !methods.contains(&chosen)))
            .collect();
        let method = chosen.to_possible_value();
        let place = method.map_or_else(String::new, |value| {
            format!("--method {}", value.get_name())
        });
        refuse(&place, &out_of_place).map_err(|failure| {
            failure.hint("layersep train --help says which options a method takes")
        })
    }

    fn block_update(&self, base: BlockUpdate) -> Result<BlockUpdate, Failure> {
        let base = match (base, self.optimizer) {
            (BlockUpdate::Optimizer { optimizer, .. }, Some(given)) if optimizer != given => {
                BlockUpdate::with(given)
            }
            (BlockUpdate::LineSearch { .. }, Some(given)) => BlockUpdate::with(given),
            (base, _) => base,
        };
        match base {
            BlockUpdate::LineSearch { damping } => {
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
                Ok(BlockUpdate::LineSearch {
                    damping: self.damping.unwrap_or(damping),
                })
            }
            BlockUpdate::Optimizer {
                optimizer,
                learning_rate,
                auxiliary_learning_rate,
            } => {
                refuse("--optimizer", &[("--damping", self.damping.is_some())])?;
                let both = self.learning_rate;
                Ok(BlockUpdate::Optimizer {
                    optimizer,
                    learning_rate: both.unwrap_or(learning_rate),
                    auxiliary_learning_rate: self
                        .auxiliary_learning_rate
                        .or(both)
                        .unwrap_or(auxiliary_learning_rate),
                })
            }
        }
    }

    fn dashboard(&self, ui: &Ui) -> Dashboard {
        let name = match self.dashboard {
            DashboardName::Auto if ui.is_quiet() => DashboardName::None,
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

/// What the run will need: known before it has taken the memory of others.
fn memory_need(plan: &Plan, splits: &Splits) -> Result<MemoryNeed, Failure> {
    let config = plan.config();
    let samples = splits.train.len();
    let layout = config.model.layout(splits.shape, splits.classes.len());
    let layout = layout.map_err(ls_train::Error::from)?;
    let need = match (config.batch_size, &config.method) {
        (BatchSize::Full, MethodConfig::Exact(settings)) => MemoryNeed::of_exact(
            &layout,
            splits.shape,
            samples,
            settings.storage,
            settings.chunk,
        ),
        (BatchSize::Full, _) => MemoryNeed::of(&layout, splits.shape, samples, samples),
        (BatchSize::Samples(batch), _) => MemoryNeed::of(&layout, splits.shape, samples, batch),
    };
    Ok(need.in_precision(config.precision))
}

/// What was read and what it needs, for `--verbose`.
fn describe(splits: &Splits, need: &MemoryNeed, ui: &Ui) {
    let held_out = splits.validation.as_ref().map_or(0, Batch::len);
    ui.detail(&format!(
        "{}: {} training, {held_out} validation and {} test samples of {}, {} classes",
        splits.name,
        splits.train.len(),
        splits.test.len(),
        splits.shape,
        splits.classes.len()
    ));
    ui.detail(&format!("memory: about {}", bytes(need.total())));
}
