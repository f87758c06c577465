//! `layersep bench --over`: growth with the problem.

use std::path::Path;
use std::process::ExitCode;

use ls_core::fit::StopSignal;
use ls_train::Error;
use ls_train::bench::{self, Growth, GrowthOptions, Quantity};
use ls_train::config::RunConfig;
use serde::Serialize;

use super::{BenchArgs, line};
use crate::args::values::refuse;
use crate::args::{ModelArgs, SampleArgs, SetArgs};
use crate::commands::support::{ensure_fits, new_folder, remove_if_empty, stop_on_signal};
use crate::device;
use crate::failure::{Failure, INTERRUPTED};
use crate::ui::Ui;

/// Measurements of a row unless the user says otherwise.
const REPEATS: usize = 3;

/// The growth with its folder, as a program reads it.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    growth: &'a Growth,
    folder: &'a Path,
}

/// Measures the growth.
pub(super) fn run(args: &BenchArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let quantities = args.quantities()?;
    args.refuse_problem()?;
    let mut config = RunConfig::default();
    args.compute.apply(&mut config);
    let found = device::find(&config.device, config.precision)?;
    let signal = StopSignal::new();
    stop_on_signal(&signal)?;
    let is_host = found.kind.is_host();
    let mut options = GrowthOptions {
        quantities,
        batch_size: args.batch_size,
        repeats: args.repeats.unwrap_or(REPEATS),
        seed: config.seed,
        device: found.device,
        device_name: config.device,
        precision: config.precision,
        folder: Path::new(""),
        signal,
    };
    let need = options.largest_need()?;
    if is_host {
        ensure_fits(need.total(), need.auxiliary_sum())?;
    }
    let folder = match &args.run {
        Some(folder) => folder.clone(),
        None => new_folder("bench", "growth")?,
    };
    options.folder = &folder;
    let growth = bench::growth(&options, &mut |progress| ui.progress(&line(progress)));
    if matches!(growth, Err(Error::Interrupted)) {
        ui.note(&format!(
            "interrupted; the rows so far are in {}",
            folder.display()
        ));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let growth = growth.inspect_err(|_| remove_if_empty(&folder))?;
    if args.json {
        ui.json(&Output {
            growth: &growth,
            folder: &folder,
        })?;
    } else {
        let text = growth.markdown();
        ui.text(&format!("{text}\nfolder: {}\n", folder.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl BenchArgs {
    /// Returns the quantities with their sizes.
    fn quantities(&self) -> Result<Vec<(Quantity, Vec<usize>)>, Failure> {
        if let (false, [_, _, ..]) = (self.sizes.is_empty(), &self.over[..]) {
            return Err(Failure::new(
                "--sizes are those of one quantity, and --over names several",
            ));
        }
        let sizes = |quantity: Quantity| match self.sizes.is_empty() {
            true => quantity.sizes().to_vec(),
            false => self.sizes.clone(),
        };
        let over = self.over.iter();
        Ok(over.map(|&quantity| (quantity, sizes(quantity))).collect())
    }

    /// Refuses options of a network or of data, which `--over` makes itself.
    fn refuse_problem(&self) -> Result<(), Failure> {
        let given = [
            ("--config", self.config.is_some()),
            ("--set", self.set != SetArgs::default()),
            ("an option of the data", self.data != SampleArgs::default()),
            ("an option of the model", self.model != ModelArgs::default()),
        ];
        refuse("--over", &given)
            .map_err(|failure| failure.hint("--over measures networks and random data of its own"))
    }
}
