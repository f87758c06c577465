//! Runs an experiment and writes what came of it.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn::train::Interrupter;
use ls_core::Error::{NotFinite, NotPositiveDefinite};
use ls_core::shape::FeatureShape;
use ls_datasets::Source;
use serde::Serialize;

use super::{Budget, Case, Contender, plot};
use crate::config::{Plan, RunConfig};
use crate::data::Splits;
use crate::learner::Stop;
use crate::run_dir::{HistoryTable, Summary};
use crate::{CheckpointRule, Error, Result, Session, train};

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
    /// Only contenders whose name starts so; all when empty.
    pub only: &'a str,
    /// The seed that settings are chosen on: one of the others, or one beside them, so that the choice favours nobody.
    pub tuning_seed: u64,
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
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// Name of the contender.
    pub contender: String,
    /// Its setting.
    pub setting: String,
    /// Seed of the run.
    pub seed: u64,
    /// Its summary; `None` where it diverged.
    pub summary: Option<Summary>,
    /// Seconds of training until the sweep that reached the target of its case.
    pub seconds_to_target: Option<f64>,
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

    /// What the best setting has least of: errors on a validation split where there is one, seconds to the target, or else loss.
    fn score(&self) -> (f64, f64) {
        let validation = self.summary.as_ref().and_then(|s| s.validation.as_ref());
        if let Some(validation) = validation {
            return (1.0 - validation.accuracy, validation.original_loss);
        }
        let seconds = self.seconds_to_target.unwrap_or(f64::INFINITY);
        (seconds, self.original_loss())
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
    mut cases: Vec<Case>,
    scope: &Scope<'_>,
    report: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<Row>> {
    if scope.folder.join("results.csv").exists() {
        let path = scope.folder.to_path_buf();
        return Err(Error::ResultsExist { path });
    }
    for case in &mut cases {
        case.contenders
            .retain(|contender| contender.name.starts_with(scope.only));
    }
    if cases.iter().all(|case| case.contenders.is_empty()) {
        return Err(Error::InvalidConfig {
            field: "only",
            value: scope.only.into(),
            allowed: "it must be the beginning of a contender's name, such as `exact` or `adam`",
        });
    }
    // Mistakes are found before the first run, and before the folder is there.
    let contenders = || cases.iter().flat_map(|case| &case.contenders);
    for contender in contenders() {
        let seconds = (contender.budget == Budget::Seconds).then_some(scope.seconds);
        for (_, config) in &contender.settings {
            let plan = plan(config, 1, seconds, scope)?;
            let folder = plan.config().data.folder.as_deref();
            let is_missing =
                |source: Source| source.needs_folder() && !folder.is_some_and(Path::exists);
            if plan.source().is_none_or(is_missing) {
                plan.dataset()?;
            }
            // Of a network that only an application can make there are no stages.
            config.model.hidden_stages(FeatureShape::Flat(1))?;
        }
    }
    let seeds = |contender: &Contender| scope.seeds.min(contender.seeds);
    let is_apart = |contender: &Contender| !(1..=seeds(contender)).contains(&scope.tuning_seed);
    let runs = |contender: &Contender| {
        let rows = seeds(contender) as usize;
        match contender.settings.len() {
            1 => rows,
            settings if is_apart(contender) => settings + rows,
            settings => settings + rows - 1,
        }
    };
    let total = contenders().map(runs).sum();
    let mut table = Table::create(scope.folder)?;
    let (mut best, mut done) = (Vec::new(), 0);
    for case in &cases {
        let mut shown = Vec::new();
        // Seconds that the first contender took, by seed.
        let mut reference: Vec<f64> = Vec::new();
        for contender in &case.contenders {
            let mut one = |setting: &(String, RunConfig), seed| -> Result<Row> {
                let seconds = match contender.budget {
                    Budget::Seconds => Some(scope.seconds),
                    Budget::Sweeps => None,
                    Budget::Times(times) => {
                        let own = (seed as usize)
                            .checked_sub(1)
                            .and_then(|i| reference.get(i));
                        let first = own.or(reference.first());
                        Some(first.map_or(scope.seconds, |first| times * first))
                    }
                };
                let row = run_one(case, contender, setting, seed, seconds, scope)?;
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
            let mut tuned: Vec<Row> = Vec::new();
            if contender.settings.len() > 1 {
                for setting in &contender.settings {
                    tuned.push(one(setting, scope.tuning_seed)?);
                }
            }
            let scores = tuned.iter().map(Row::score).enumerate();
            let by_score =
                |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
            let best_setting = scores.min_by(|a, b| by_score(&a.1, &b.1));
            let chosen = best_setting.map_or(0, |(setting, _)| setting);
            let Some(setting) = contender.settings.get(chosen) else {
                continue;
            };
            let mut rows = Vec::new();
            for seed in 1..=seeds(contender) {
                let known = tuned.get(chosen).filter(|row| row.seed == seed);
                rows.push(match known {
                    Some(row) => row.clone(),
                    None => one(setting, seed)?,
                });
            }
            if reference.is_empty() {
                let seconds = |row: &Row| row.summary.as_ref().map_or(scope.seconds, |s| s.seconds);
                reference = rows.iter().map(seconds).collect();
            }
            shown.push(rows[0].clone());
            best.extend(rows);
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
    seconds: Option<f64>,
    scope: &Scope<'_>,
) -> Result<Row> {
    let seed_name = format!("seed {seed}");
    let parts = [&contender.name, setting, &seed_name];
    let parts = parts.into_iter().filter(|part| *part != "-");
    let parts = parts.map(|part| part.replace(',', "").replace(['/', ' '], "-"));
    let name = parts.collect::<Vec<_>>().join("_");
    let run = scope.folder.join("runs").join(&case.name).join(name);
    let plan = plan(config, seed, seconds, scope)?;
    let splits = Splits::load(&plan, &scope.device)?;
    let session = Session {
        checkpoints: CheckpointRule::Never,
        metric_logs: false,
        interrupter: scope.interrupter.clone(),
        ..Session::new(scope.device.clone(), &run)
    };
    let summary = match train(&plan, splits, session) {
        Ok(outcome) if outcome.summary.stop == Stop::Interrupted => {
            return Err(Error::Loop("interrupted".into()));
        }
        Ok(outcome) => Some(outcome.summary),
        Err(Error::Core(NotFinite { .. } | NotPositiveDefinite(_))) => None,
        Err(error) => return Err(error),
    };
    let seconds_to_target = match case.target {
        Some(target) => {
            let points = HistoryTable::read(&run)?.points("seconds", "train_original_loss");
            let reached = points.into_iter().find(|(_, loss)| *loss <= target);
            reached.map(|(seconds, _)| seconds)
        }
        None => None,
    };
    Ok(Row {
        case: case.name.clone(),
        contender: contender.name.clone(),
        setting: setting.clone(),
        seed,
        summary,
        seconds_to_target,
        run,
    })
}

/// A setting with a seed, the folder of its data, and a time limit instead of its sweeps where there is one.
fn plan(config: &RunConfig, seed: u64, seconds: Option<f64>, scope: &Scope<'_>) -> Result<Plan> {
    let mut config = RunConfig {
        seed,
        sweeps: seconds.map_or(config.sweeps, |_| UNLIMITED),
        time_limit: seconds,
        ..config.clone()
    };
    let source = config.data.dataset.parse::<Source>().ok();
    if let Some(source) = source.filter(|source| source.needs_folder())
        && config.data.folder.is_none()
    {
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
                "seconds_to_target",
            ]
            .map(String::from),
        )?;
        Ok(table)
    }

    fn append(&mut self, row: &Row) -> Result<()> {
        let mut cells = vec![
            row.case.clone(),
            row.contender.clone(),
            row.setting.clone(),
            row.seed.to_string(),
        ];
        match &row.summary {
            None => cells.resize(13, "diverged".into()),
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
                    optional(row.seconds_to_target),
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
        "| case | contender | setting | sweeps | seconds | to target | original loss | certificate | train % | test % |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
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
        let seconds = |row: &Row| row.seconds_to_target.unwrap_or(f64::INFINITY);
        let to_target = match median(group.iter().map(seconds)) {
            seconds if seconds.is_finite() => format!("{seconds:.1}"),
            _ => "-".into(),
        };
        let certificate = of(&|s| s.train.certificate.unwrap_or(f64::NAN));
        let certificate = if certificate.is_nan() {
            "-".into()
        } else {
            format!("{certificate:.2e}")
        };
        text += &format!(
            "| {} | {} | {} | {:.0} | {:.1} | {to_target} | {:.2e} | {certificate} | {:.2} | {:.2} |\n",
            group[0].case,
            group[0].contender,
            group[0].setting,
            of(&|s| s.sweeps as f64),
            of(&|s| s.seconds),
            of(&|s| s.train.original_loss),
            100.0 * of(&|s| s.train.accuracy),
            100.0 * of(&|s| s.test.accuracy),
        );
    }
    text
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
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
