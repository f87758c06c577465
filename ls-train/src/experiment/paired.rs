//! Comparison over seeds: medians with their spread, and differences within pairs of runs from the same seed.
//!
//! Two runs of one seed start from the same weights and see the same data, so that their difference varies less than either. Its
//! mean over the seeds comes with a 95 % confidence interval by Student's t: for training losses of the logarithm of their ratio,
//! as losses span decades, for test accuracies of the difference in points. With few seeds both are rough.

use std::path::Path;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Row;
use super::runner::median;
use crate::run_dir::Summary;
use crate::{Error, Result};

/// Losses below this are noise of f32, and equal to each other.
const FLOOR: f64 = 1e-9;

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Median, least and largest of some runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        if values.is_empty() {
            let nothing = f64::NAN;
            return Self {
                median: nothing,
                least: nothing,
                largest: nothing,
            };
        }
        Self {
            median: median(values.iter().copied()),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            largest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// A mean with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The mean of independent values of one normal distribution; `None` for fewer than two, which tell nothing of their spread.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / (n - 1.0)).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
        let half = t.inverse_cdf(0.5 + 0.5 * CONFIDENCE) * deviation / n.sqrt();
        Some(Self {
            mean,
            low: mean - half,
            high: mean + half,
        })
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            mean: f(self.mean),
            low: f(self.low),
            high: f(self.high),
        }
    }
}

/// One contender over its seeds; losses of runs that diverged are infinite, their accuracies 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Name of the contender.
    pub contender: String,
    /// The setting that stands for it.
    pub setting: String,
    /// Number of runs.
    pub runs: usize,
    /// How many of them diverged.
    pub diverged: usize,
    /// Sweeps done by runs that ended; not a number when none did, `null` in JSON as infinite losses are.
    pub sweeps: Spread,
    /// Seconds of training of runs that ended; as for sweeps.
    pub seconds: Spread,
    /// `F` of the training split.
    pub original_loss: Spread,
    /// Share of correct training samples, 0 to 1.
    pub train_accuracy: Spread,
    /// Share of correct test samples, 0 to 1.
    pub test_accuracy: Spread,
}

/// A contender against the first one, over pairs of runs from the same seed that both ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the contender.
    pub contender: String,
    /// Name of the one that it is compared with.
    pub reference: String,
    /// Number of pairs.
    pub pairs: usize,
    /// Its training loss divided by the other's: geometric mean; `None` for fewer than two pairs.
    pub loss_factor: Option<Interval>,
    /// Its test accuracy minus the other's, in points; `None` for fewer than two pairs.
    pub test_points: Option<Interval>,
}

/// All contenders of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// In the order in which they ran.
    pub standings: Vec<Standing>,
    /// All but the first.
    pub differences: Vec<Difference>,
}

/// Compares the contenders of one case, the first being the reference.
pub fn comparison(rows: &[Row]) -> Comparison {
    let groups: Vec<&[Row]> = rows.chunk_by(|a, b| a.contender == b.contender).collect();
    let others = groups.iter().skip(1);
    Comparison {
        standings: groups.iter().map(|group| standing(group)).collect(),
        differences: others.map(|group| difference(group, groups[0])).collect(),
    }
}

fn standing(rows: &[Row]) -> Standing {
    let of = |pick: fn(&Summary) -> f64, diverged: f64| {
        Spread::of(
            rows.iter()
                .map(|row| row.summary.as_ref().map_or(diverged, pick)),
        )
    };
    let ended = |pick: fn(&Summary) -> f64| {
        let summaries = rows.iter().filter_map(|row| row.summary.as_ref());
        Spread::of(summaries.map(pick))
    };
    Standing {
        contender: rows[0].contender.clone(),
        setting: rows[0].setting.clone(),
        runs: rows.len(),
        diverged: rows.iter().filter(|row| row.summary.is_none()).count(),
        sweeps: ended(|s| s.sweeps as f64),
        seconds: ended(|s| s.seconds),
        original_loss: of(|s| s.train.original_loss, f64::INFINITY),
        train_accuracy: of(|s| s.train.accuracy, 0.0),
        test_accuracy: of(|s| s.test.accuracy, 0.0),
    }
}

fn difference(rows: &[Row], reference: &[Row]) -> Difference {
    let pair = |row: &Row| {
        let other = reference.iter().find(|other| other.seed == row.seed)?;
        Some((row.summary.clone()?, other.summary.clone()?))
    };
    let pairs: Vec<(Summary, Summary)> = rows.iter().filter_map(pair).collect();
    let log = |summary: &Summary| summary.train.original_loss.max(FLOOR).ln();
    let logs: Vec<f64> = pairs.iter().map(|(a, b)| log(a) - log(b)).collect();
    let points: Vec<f64> = pairs
        .iter()
        .map(|(a, b)| 100.0 * (a.test.accuracy - b.test.accuracy))
        .collect();
    Difference {
        contender: rows[0].contender.clone(),
        reference: reference[0].contender.clone(),
        pairs: pairs.len(),
        loss_factor: Interval::of(&logs).map(|interval| interval.map(f64::exp)),
        test_points: Interval::of(&points),
    }
}

impl Comparison {
    /// Both tables as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| method | setting | sweeps | seconds | original loss | train % | test % |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for standing in &self.standings {
            let loss = standing.original_loss;
            let percent = |spread: Spread| {
                let [median, least, largest] =
                    [spread.median, spread.least, spread.largest].map(|share| 100.0 * share);
                format!("{median:.2} ({least:.2} to {largest:.2})")
            };
            let diverged = match standing.diverged {
                0 => String::new(),
                count => format!(", {count} of {} diverged", standing.runs),
            };
            text += &format!(
                "| {} | {}{diverged} | {:.0} | {:.1} | {:.2e} ({:.2e} to {:.2e}) | {} | {} |\n",
                standing.contender,
                standing.setting,
                standing.sweeps.median,
                standing.seconds.median,
                loss.median,
                loss.least,
                loss.largest,
                percent(standing.train_accuracy),
                percent(standing.test_accuracy),
            );
        }
        text += "\nMedian (least to largest) over the seeds.\n";
        if self.differences.is_empty() {
            return text;
        }
        let reference = &self.differences[0].reference;
        text += &format!(
            "\n| against {reference} | pairs | training loss | test accuracy |\n| --- | --- | --- | --- |\n"
        );
        for difference in &self.differences {
            let factor = difference.loss_factor.map_or_else(
                || "-".into(),
                |i| format!("× {:.3e} ({:.1e} to {:.1e})", i.mean, i.low, i.high),
            );
            let points = difference.test_points.map_or_else(
                || "-".into(),
                |i| format!("{:+.2} points ({:+.2} to {:+.2})", i.mean, i.low, i.high),
            );
            text += &format!(
                "| {} | {} | {factor} | {points} |\n",
                difference.contender, difference.pairs
            );
        }
        text + "\nMean over pairs of runs from the same seed (95 % confidence interval by Student's t); losses below 1e-9 count as 1e-9.\n"
    }

    /// Writes a row per contender to a CSV file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let failed = |error: csv::Error| Error::file("write", path, error);
        let mut writer = csv::Writer::from_path(path).map_err(failed)?;
        let header = [
            "method",
            "setting",
            "runs",
            "diverged",
            "sweeps_median",
            "seconds_median",
            "original_loss_median",
            "original_loss_least",
            "original_loss_largest",
            "test_accuracy_median",
            "test_accuracy_least",
            "test_accuracy_largest",
            "pairs",
            "loss_factor",
            "loss_factor_low",
            "loss_factor_high",
            "test_points",
            "test_points_low",
            "test_points_high",
        ];
        writer.write_record(header).map_err(failed)?;
        for standing in &self.standings {
            writer
                .write_record(self.csv_row(standing))
                .map_err(failed)?;
        }
        writer.flush().map_err(|error| failed(error.into()))
    }

    fn csv_row(&self, standing: &Standing) -> Vec<String> {
        let own = |difference: &&Difference| difference.contender == standing.contender;
        let difference = self.differences.iter().find(own);
        let spread = |spread: Spread| [spread.median, spread.least, spread.largest];
        let interval = |interval: Option<Interval>| match interval {
            Some(i) => [i.mean, i.low, i.high].map(|value| value.to_string()),
            None => Default::default(),
        };
        let mut row = vec![
            standing.contender.clone(),
            standing.setting.clone(),
            standing.runs.to_string(),
            standing.diverged.to_string(),
            standing.sweeps.median.to_string(),
            standing.seconds.median.to_string(),
        ];
        row.extend(spread(standing.original_loss).map(|value| value.to_string()));
        row.extend(spread(standing.test_accuracy).map(|value| value.to_string()));
        row.push(difference.map_or_else(String::new, |d| d.pairs.to_string()));
        row.extend(interval(difference.and_then(|d| d.loss_factor)));
        row.extend(interval(difference.and_then(|d| d.test_points)));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // t = 2.776445 for four degrees of freedom; mean 3, deviation √2.5.
        let interval = Interval::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let half = 2.776_445_105 * (2.5_f64 / 5.0).sqrt();
        assert_eq!(interval.mean, 3.0);
        // The quantile above has ten digits.
        assert!((interval.high - (3.0 + half)).abs() < 1e-8, "{interval:?}");
        assert!((interval.low - (3.0 - half)).abs() < 1e-8, "{interval:?}");
        assert_eq!(Interval::of(&[1.0]), None);
    }
}
