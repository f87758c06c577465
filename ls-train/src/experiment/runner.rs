//! Runs an experiment and writes what came of it.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn::train::Interrupter;

use super::{Case, Contender, Experiment, plot};
use crate::config::{Plan, RunConfig};
use crate::data::Splits;
use crate::learner::Stop;
use crate::renderer::LineRenderer;
use crate::run_dir::Summary;
use crate::{Error, Result, Session, train};

/// More sweeps than any time limit allows.
const UNLIMITED: usize = 1_000_000;

/// What a user decides about an experiment.
pub struct Scope<'a> {
    /// Folder to make.
    pub folder: &'a Path,
    /// Folder with a sub-folder for each data set that is not embedded.
    pub data: Option<&'a Path>,
    /// Number of seeds, from 1.
    pub seeds: u64,
    /// Seconds for each run.
    pub seconds: f64,
    /// Where to compute.
    pub device: Device,
    /// Ends the experiment after the current run.
    pub interrupter: Interrupter,
}

/// How far an experiment is.
pub struct Progress<'a> {
    /// Runs done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
    /// What was just done.
    pub row: &'a Row,
}

/// The end of one run; losses of a run that diverged are infinite.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// Name of the contender.
    pub contender: &'static str,
    /// Its setting.
    pub setting: String,
    /// Seed of the run.
    pub seed: u64,
    /// Its summary; `None` where it diverged.
    pub summary: Option<Summary>,
    /// Its folder.
    pub run: PathBuf,
}

impl Row {
    /// Original loss of the training split at the end.
    pub fn original_loss(&self) -> f64 {
        self.summary
            .as_ref()
            .map_or(f64::INFINITY, |summary| summary.train.original_loss)
    }
}

/// Runs all contenders of all cases; returns the rows that stand for them.
///
/// `report` is called after every run. The folder then holds `results.csv` with every run, `results.md` with medians over
/// the seeds, a plot of each case (SVG and PNG) and all run folders.
///
/// # Errors
/// What [`train`] returns, except a divergence, which is a result.
pub fn run(
    experiment: &Experiment,
    scope: &Scope<'_>,
    report: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<Row>> {
    if scope.folder.join("results.csv").exists() {
        let path = scope.folder.to_path_buf();
        return Err(Error::RunExists { path });
    }
    let cases = experiment.cases();
    // Mistakes are found before the first run, and before the folder is there.
    for (_, config) in cases
        .iter()
        .flat_map(|case| &case.contenders)
        .flat_map(|c| &c.settings)
    {
        let plan = plan(config, 1, scope)?;
        if plan.source().needs_folder() && scope.data.is_none() {
            plan.source().load(None)?;
        }
    }
    let runs = |contender: &Contender| contender.settings.len() + scope.seeds as usize - 1;
    let total = cases
        .iter()
        .flat_map(|case| &case.contenders)
        .map(runs)
        .sum();
    let mut table = Table::create(scope.folder)?;
    let (mut best, mut done) = (Vec::new(), 0);
    for case in &cases {
        let mut shown = Vec::new();
        for contender in &case.contenders {
            let mut one = |setting: &(String, RunConfig), seed| -> Result<Row> {
                let row = run_one(case, contender, setting, seed, scope)?;
                table.append(&row)?;
                done += 1;
                let row_ref = &row;
                report(&Progress {
                    done,
                    total,
                    row: row_ref,
                });
                Ok(row)
            };
            let first: Vec<Row> = contender
                .settings
                .iter()
                .map(|s| one(s, 1))
                .collect::<Result<_>>()?;
            let losses = first.iter().map(Row::original_loss).enumerate();
            let Some((chosen, _)) = losses.min_by(|a, b| a.1.total_cmp(&b.1)) else {
                continue;
            };
            shown.push(first[chosen].clone());
            best.push(first[chosen].clone());
            for seed in 2..=scope.seeds {
                best.push(one(&contender.settings[chosen], seed)?);
            }
        }
        plot::losses(&scope.folder.join(&case.name), &case.name, &shown)?;
    }
    fs::write(scope.folder.join("results.md"), markdown(&best))
        .map_err(|error| Error::file("write", scope.folder.join("results.md"), error))?;
    Ok(best)
}

fn run_one(
    case: &Case,
    contender: &Contender,
    (setting, config): &(String, RunConfig),
    seed: u64,
    scope: &Scope<'_>,
) -> Result<Row> {
    let name = format!("{}, {setting}, seed {seed}", contender.name).replace(['/', ' '], "-");
    let run = scope.folder.join("runs").join(&case.name).join(name);
    let plan = plan(config, seed, scope)?;
    let splits = Splits::load(&plan, &scope.device)?;
    let session = Session {
        device: scope.device.clone(),
        run: &run,
        dashboard: Box::new(|_| Box::new(LineRenderer::new(Box::new(std::io::sink())))),
        metric_logs: false,
        interrupter: scope.interrupter.clone(),
    };
    let summary = match train(&plan, splits, session) {
        Ok(outcome) if outcome.summary.stop == Stop::Interrupted => {
            return Err(Error::Loop("interrupted".into()));
        }
        Ok(outcome) => Some(outcome.summary),
        Err(Error::Core(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(Row {
        case: case.name.clone(),
        contender: contender.name,
        setting: setting.clone(),
        seed,
        summary,
        run,
    })
}

/// A setting with a seed, the time limit and the folder of its data.
fn plan(config: &RunConfig, seed: u64, scope: &Scope<'_>) -> Result<Plan> {
    let mut config = RunConfig {
        seed,
        sweeps: UNLIMITED,
        time_limit: Some(scope.seconds),
        ..config.clone()
    };
    let source: ls_datasets::Source = config.data.dataset.parse()?;
    if source.needs_folder() {
        config.data.folder = scope.data.map(|folder| folder.join(source.name()));
    }
    config.check()
}

/// `results.csv`, a row per run, written as it ends.
struct Table {
    path: PathBuf,
    writer: csv::Writer<fs::File>,
}

impl Table {
    fn create(folder: &Path) -> Result<Self> {
        let path = folder.join("results.csv");
        fs::create_dir_all(folder).map_err(|error| Error::file("create", folder, error))?;
        let writer =
            csv::Writer::from_path(&path).map_err(|error| Error::file("write", &path, error))?;
        let mut table = Self { path, writer };
        table.write(
            &[
                "case",
                "contender",
                "setting",
                "seed",
                "sweeps",
                "seconds",
                "train_original_loss",
                "certificate",
                "separated_loss",
                "train_accuracy",
                "test_original_loss",
                "test_accuracy",
            ]
            .map(String::from),
        )?;
        Ok(table)
    }

    fn append(&mut self, row: &Row) -> Result<()> {
        let mut cells = vec![
            row.case.clone(),
            row.contender.into(),
            row.setting.clone(),
            row.seed.to_string(),
        ];
        match &row.summary {
            None => cells.resize(12, "diverged".into()),
            Some(summary) => {
                let optional =
                    |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
                cells.extend([
                    summary.sweeps.to_string(),
                    format!("{:.3}", summary.seconds),
                    summary.train.original_loss.to_string(),
                    optional(summary.train.certificate),
                    optional(summary.train.separated_loss),
                    summary.train.accuracy.to_string(),
                    summary.test.original_loss.to_string(),
                    summary.test.accuracy.to_string(),
                ]);
            }
        }
        self.write(&cells)
    }

    fn write(&mut self, cells: &[String]) -> Result<()> {
        let written = self.writer.write_record(cells);
        written
            .and_then(|()| Ok(self.writer.flush()?))
            .map_err(|error| Error::file("write", &self.path, error))
    }
}

/// Medians over the seeds, a row per contender, in the order in which they ran.
fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| case | contender | setting | sweeps | original loss | certificate | train % | test % |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let same = |a: &Row, b: &Row| a.case == b.case && a.contender == b.contender;
    for group in rows.chunk_by(same) {
        let of = |pick: &dyn Fn(&Summary) -> f64| {
            median(
                group
                    .iter()
                    .map(|row| row.summary.as_ref().map_or(f64::INFINITY, pick)),
            )
        };
        let certificate = of(&|s| s.train.certificate.unwrap_or(f64::NAN));
        let certificate = if certificate.is_nan() {
            "-".into()
        } else {
            format!("{certificate:.2e}")
        };
        text += &format!(
            "| {} | {} | {} | {:.0} | {:.2e} | {certificate} | {:.2} | {:.2} |\n",
            group[0].case,
            group[0].contender,
            group[0].setting,
            of(&|s| s.sweeps as f64),
            of(&|s| s.train.original_loss),
            100.0 * of(&|s| s.train.accuracy),
            100.0 * of(&|s| s.test.accuracy),
        );
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        0.5 * (values[middle - 1] + values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
