//! `layersep train`: one run.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use clap::Args;
use ls_core::batch::Batch;
use ls_core::fit::{Observer, Stop, StopSignal};
use ls_train::config::Plan;
use ls_train::data::Splits;
use ls_train::memory::MemoryNeed;
use ls_train::observe::burn::Dashboard;
use ls_train::observe::{Lines, LossesDashboard};
use ls_train::run_dir::{RunDir, Summary};
use ls_train::{Outcome, Session, Start};
use serde::Serialize;

use super::support::{Context, ensure_fits, new_folder, remove_if_empty, stop_on_signal};
use crate::args::{Display, RunArgs, SessionArgs};
use crate::device::{self, DeviceSet};
use crate::failure::{FAILED, Failure, INTERRUPTED};
use crate::ui::Ui;
use crate::ui::format::bytes;
use crate::ui::terminal;

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
  layersep config --stages > net.toml && layersep train --model net.toml
      your own list of stages: each begins with [[stages]], followed by lines such as kind = \"dense\", width = 32 and activation = \"relu\"
  layersep train --dataset mnist --data-dir DIR --hidden 100,100 --batch-size 250 --sweeps 6
      MNIST from the files in DIR, in batches
  layersep train --dataset folder --data-dir DIR --test-share 0.1
      your own images, in one folder for each class
  layersep train --method backprop --optimizer sgd --learning-rate 0.1
      the baseline, from the same initial weights
  layersep train --path --folds 5
      twelve weight decays, of which cross-validation chooses one
  layersep train --run r && layersep train --resume r --sweeps 100
      30 sweeps, then 70 more as if it had never stopped

Words:
  original loss F    mean cross-entropy of the network on the training split
  separated loss S   the loss of the last layer at the auxiliary variables, plus a weighted residual of every hidden layer
  residual           mean squared distance between a layer's auxiliary variables and its output from those of the layer before
  certificate C      upper bound of F that is computed from the residuals; S is at least C with self-adaptive weights
  sweep              one pass of the method over all layers and samples; an epoch for `backprop`
  step τ, damping μ  length of a step, and the multiple of the identity that is added to a Gram matrix (Tikhonov, Levenberg-Marquardt)
  form               which step `exact` took: `descent` along the gradient of F, `corrected` also makes up for the changes of earlier
                     layers, `quasi-newton` is L-BFGS, `batches` an epoch of `foof`
  condition          condition number of a layer's Gram matrix with its damping

Ctrl-C or a SIGTERM finishes the current sweep, writes everything and exits with 130; --resume continues from there.
A second one ends at once. In the view `losses` q does the same, but a second q closes the view and waits for the next batch or sweep; in the dashboard `tui` q and then s does, as Ctrl-C."
)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    session: SessionArgs,
    /// Print the summary as JSON on standard output, progress on standard error
    #[arg(long, help_heading = "Run")]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &TrainArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let plan = args.run.plan(args.session.resume())?;
    args.ensure_screen(ui)?;
    let mut config = plan.config().clone();
    let devices = DeviceSet::open(
        &mut config,
        args.run.token_file(),
        args.run.measures_shares(),
    )?;
    let plan = config.check()?;
    if devices.compiles_kernels {
        ui.progress(
            "the first sweep takes longer: the device compiles its kernels when they are first needed",
        );
    }
    args.watch(&devices, *ui);
    let trained = catch_unwind(AssertUnwindSafe(|| train(args, &plan, &devices, ui)));
    let failure = match trained {
        Ok(Err(failure)) if failure.is_late() => failure,
        Ok(ended) => return ended,
        // Burn panics where a device does not answer.
        Err(cause) => Failure::from_panic(cause.as_ref()),
    };
    let hint = "`layersep train --resume DIR` continues from the last checkpoint of the run, with --device on other devices";
    Err(devices
        .lost_worker()
        .map_or(failure, |lost| lost.hint(hint)))
}

/// Trains on devices.
fn train(args: &TrainArgs, plan: &Plan, devices: &DeviceSet, ui: &Ui) -> Result<ExitCode, Failure> {
    let home = &devices.home;
    let load = |plan: &Plan| {
        let splits = Splits::load(plan, &home.device)?;
        Ok(match &devices.shards {
            Some(shards) => splits.sharded(shards),
            None => splits,
        })
    };
    let signal = StopSignal::new();
    stop_on_signal(&signal)?;
    let splits = load(plan)?;
    if let Some(note) = &splits.note {
        ui.note(note);
    }
    let need = memory_need(plan, &splits)?;
    describe(&splits, &need, ui);
    // The free memory of a card is not known.
    let is_checked = home.kind.is_host() && !args.session.ignore_memory;
    if is_checked {
        ensure_fits(need.total(), need.auxiliary_sum())?;
    }
    let (run, start) = args.start(plan)?;
    let mut session = || Session {
        device: home.device.clone(),
        run: &run,
        start,
        checkpoints: args.session.checkpoints(),
        keep: args.session.keep(),
        metric_logs: true,
        observers: args.display(ui).into_iter().collect(),
        signal: signal.clone(),
    };
    let outcome = match plan.config().is_cross_validated() {
        true => {
            // Every fold loads samples of its own.
            drop(splits);
            let mut load = load;
            ls_train::train_folds(plan, &mut load, &mut session)
        }
        false => ls_train::train(plan, splits, session()),
    };
    args.end(outcome, &run, ui)
}

/// The summary with its folder, as a program reads it.
#[derive(Serialize)]
struct RunLine<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    run: &'a Path,
}

impl TrainArgs {
    /// Ends the process when a worker hangs. The run folder is as whole as after a power cut.
    fn watch(&self, devices: &DeviceSet, ui: Ui) {
        let limit = self.run.worker_timeout();
        device::watch(devices.silent_workers(), limit, move |name| {
            LossesDashboard::restore_terminal();
            terminal::restore();
            let reason = format!("has not answered for {} seconds", limit.as_secs());
            ui.failure(&Failure::lost_worker(name, &reason).hint(
                "`layersep train --resume DIR` continues from the last checkpoint; --worker-timeout SECONDS changes the limit",
            ));
            std::process::exit(i32::from(FAILED));
        });
    }

    /// Refuses a full-screen display where there is no screen for it.
    fn ensure_screen(&self, ui: &Ui) -> Result<(), Failure> {
        let display = match self.session.dashboard {
            Display::Losses => "losses",
            Display::Tui => "tui",
            Display::Auto | Display::Plain | Display::None => return Ok(()),
        };
        if self.json || !ui.has_screen() {
            return Err(Failure::new(format!(
                "--dashboard {display} needs standard output to be a terminal, and no --json",
            ))
            .hint("--dashboard plain writes lines"));
        }
        Ok(())
    }

    /// Returns the folder of the run and the way to start in it; a new folder is made here.
    fn start(&self, plan: &Plan) -> Result<(PathBuf, Start), Failure> {
        if let Some(named) = self.session.start() {
            return Ok(named);
        }
        let config = plan.config();
        let folder = new_folder(&config.data.dataset, config.method.name())?;
        Ok((folder, Start::New))
    }

    /// Returns the display of the progress; none where only the result is wanted.
    fn display(&self, ui: &Ui) -> Option<Box<dyn Observer<ls_train::Error>>> {
        let display = match self.session.dashboard {
            Display::Auto if ui.is_quiet() => Display::None,
            Display::Auto if ui.has_screen() && !self.json => Display::Losses,
            Display::Auto => Display::Plain,
            display => display,
        };
        match display {
            Display::Losses => Some(Box::new(LossesDashboard::new())),
            Display::Tui => Some(Box::new(Dashboard::new(Box::new(|interrupter| {
                terminal::send_interrupts();
                Box::new(TuiMetricsRendererWrapper::new(interrupter, None))
            })))),
            Display::None => None,
            _ => {
                let lines = match self.json {
                    true => Lines::new(io::stderr()),
                    false => Lines::new(io::stdout()),
                };
                Some(Box::new(lines.within(terminal::width(self.json))))
            }
        }
    }

    /// Ends the command after a run, or after its failure.
    fn end(
        &self,
        outcome: Result<Outcome, ls_train::Error>,
        run: &Path,
        ui: &Ui,
    ) -> Result<ExitCode, Failure> {
        match outcome {
            Ok(outcome) => self.finish(&outcome, run, ui),
            // Scripts resume a run until it has ended; that it has is no failure.
            Err(error @ ls_train::Error::RunEnded { .. }) => {
                self.show(&RunDir::read_summary(run)?, run, ui)?;
                if let ls_train::Error::RunEnded { notes, .. } = &error {
                    notes.iter().for_each(|note| ui.note(note));
                }
                ui.note(&error.to_string());
                Ok(ExitCode::SUCCESS)
            }
            Err(error @ ls_train::Error::DashboardClosed) => {
                Err(Failure::from(error).hint(format!(
                    "`layersep train --resume {}` continues from the last checkpoint",
                    run.display()
                )))
            }
            Err(error) => {
                remove_if_empty(run);
                Err(error.into())
            }
        }
    }

    /// Writes the summary.
    fn show(&self, summary: &Summary, run: &Path, ui: &Ui) -> Result<(), Failure> {
        match self.json {
            true => ui.json(&RunLine { summary, run }),
            false => ui.summary(summary, run),
        }
    }

    /// Writes the summary, notes on restored files, and one on how to resume an interrupted run.
    fn finish(&self, outcome: &Outcome, run: &Path, ui: &Ui) -> Result<ExitCode, Failure> {
        self.show(&outcome.summary, outcome.run.path(), ui)?;
        for note in &outcome.notes {
            ui.note(note);
        }
        if outcome.summary.stop != Stop::Interrupted {
            return Ok(ExitCode::SUCCESS);
        }
        // The run that was interrupted may be that of a fold.
        let folder = run.display();
        ui.note(&format!("`layersep train --resume {folder}` continues it"));
        Ok(ExitCode::from(INTERRUPTED))
    }
}

/// Estimates the memory that the run will need.
fn memory_need(plan: &Plan, splits: &Splits) -> Result<MemoryNeed, Failure> {
    let config = plan.config();
    let layout = config.model.library()?;
    let layout = layout.layout(splits.shape, splits.classes.len());
    let layout = layout.map_err(ls_train::Error::from)?;
    Ok(MemoryNeed::of_run(
        config,
        &layout,
        splits.shape,
        splits.train.len(),
    ))
}

/// Writes the samples that were read and the memory that they need, for `--verbose`.
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
