//! Choice of the setting that represents a contender.

use super::options::RunResult;
use crate::config::{BackpropConfig, MethodConfig, RunConfig};
use crate::experiment::Choice;
use crate::run_dir::Summary;

/// Learning rates that are tried at most beyond the given ones.
pub(super) const MOST_FURTHER: usize = 8;

/// Returns the place of the best result, the first among equals; `None` without results.
pub(super) fn best(results: &[RunResult], choice: Choice) -> Option<usize> {
    let scores = results
        .iter()
        .map(|result| score(result, choice))
        .enumerate();
    let best = scores.min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.map(|(place, _)| place)
}

/// Returns a setting with a learning rate beyond that of the best one, where that is the least or the largest among settings that differ
/// from it in nothing else; `None` where it lies inside. The ratio to the next rate is continued.
pub(super) fn further(
    settings: &[(String, RunConfig)],
    best: usize,
) -> Option<(String, RunConfig)> {
    let (name, config) = settings.get(best)?;
    let own = rate(config)?;
    let mut rates: Vec<f64> = settings
        .iter()
        .filter(|(_, other)| with_rate(other, own).as_ref() == Some(config))
        .filter_map(|(_, other)| rate(other))
        .collect();
    rates.sort_by(f64::total_cmp);
    let next = match rates.as_slice() {
        [least, second, ..] if own == *least => least * least / second,
        [.., second, largest] if own == *largest => largest * largest / second,
        _ => return None,
    };
    // Rounded to the digits that a person would write.
    let next: f64 = format!("{next:.1e}").parse().ok()?;
    let name = name.replace(&format!("rate {own}"), &format!("rate {next}"));
    Some((name, with_rate(config, next)?))
}

/// The learning rate of `backprop`, if it is given.
fn rate(config: &RunConfig) -> Option<f64> {
    match config.method.library() {
        Some(MethodConfig::Backprop(own)) => own.learning_rate,
        _ => None,
    }
}

fn with_rate(config: &RunConfig, rate: f64) -> Option<RunConfig> {
    match config.method.library() {
        Some(MethodConfig::Backprop(own)) => Some(RunConfig {
            method: MethodConfig::Backprop(BackpropConfig {
                learning_rate: Some(rate),
                ..own.clone()
            })
            .into(),
            ..config.clone()
        }),
        _ => None,
    }
}

/// Returns a pair that is smaller for a better setting: error rate and loss on the validation split where there is one, or else
/// those of the choice.
fn score(result: &RunResult, choice: Choice) -> (f64, f64) {
    let summary = result.summary.as_ref();
    if let Some(validation) = summary.and_then(|summary| summary.validation.as_ref()) {
        return (1.0 - validation.accuracy(), validation.original_loss());
    }
    let loss = result.original_loss();
    match choice {
        Choice::Loss => (result.seconds_to_target().unwrap_or(f64::INFINITY), loss),
        Choice::TestAccuracy => {
            let accuracy = summary.map_or(0.0, Summary::test_accuracy);
            (1.0 - accuracy, loss)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Arrival;
    use super::*;
    use crate::config::OptimizerName;
    use crate::experiment::Contender;

    /// A result of a run that diverged.
    fn diverged(seconds_to_target: Option<f64>) -> RunResult {
        RunResult {
            case: "case".into(),
            contender: "sgd".into(),
            setting: "rate 1".into(),
            seed: 1,
            summary: None,
            arrivals: vec![Arrival {
                target: 0.1,
                sweep: seconds_to_target.map(|_| 1),
                seconds: seconds_to_target,
            }],
            run: "run".into(),
        }
    }

    fn settings(rates: &[f64]) -> Vec<(String, RunConfig)> {
        let contender = Contender::swept("adam", &RunConfig::default(), OptimizerName::Adam, rates);
        contender.settings
    }

    #[test]
    fn a_grid_is_continued_beyond_either_end_and_not_inside() {
        let settings = settings(&[1e-3, 3e-3, 1e-2]);
        let (name, config) = further(&settings, 0).unwrap();
        assert_eq!((&*name, rate(&config)), ("rate 0.00033", Some(3.3e-4)));
        let (name, config) = further(&settings, 2).unwrap();
        assert_eq!((&*name, rate(&config)), ("rate 0.033", Some(0.033)));
        assert!(further(&settings, 1).is_none());
        assert!(further(&settings[..1], 0).is_none());
    }

    #[test]
    fn settings_that_differ_in_more_than_the_rate_are_another_grid() {
        let mut settings = settings(&[1e-3, 1e-2]);
        settings[1].1.sweeps += 1;
        assert!(further(&settings, 1).is_none());
    }

    #[test]
    fn the_first_of_the_earliest_arrivals_is_best() {
        let results = [None, Some(2.0), Some(1.0), Some(1.0)].map(diverged);
        let best = |results: &[RunResult]| best(results, Choice::Loss);
        assert_eq!(best(&results), Some(2));
        assert_eq!(best(&[diverged(None), diverged(None)]), Some(0));
        assert_eq!(best(&[]), None);
    }
}
