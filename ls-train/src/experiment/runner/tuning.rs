//! Choice of the setting that represents a contender.

use super::options::RunResult;

/// Returns the place of the best result, the first among equals; `None` without results.
pub(super) fn best(results: &[RunResult]) -> Option<usize> {
    let scores = results.iter().map(score).enumerate();
    let best = scores.min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.map(|(place, _)| place)
}

/// Returns a pair that is smaller for a better setting: error rate and loss on the validation split where there is one, or else
/// seconds to the target and training loss.
fn score(result: &RunResult) -> (f64, f64) {
    let summary = result.summary.as_ref();
    if let Some(validation) = summary.and_then(|summary| summary.validation.as_ref()) {
        return (1.0 - validation.accuracy(), validation.original_loss());
    }
    let seconds = result.seconds_to_target.unwrap_or(f64::INFINITY);
    (seconds, result.original_loss())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A result of a run that diverged.
    fn diverged(seconds_to_target: Option<f64>) -> RunResult {
        RunResult {
            case: "case".into(),
            contender: "sgd".into(),
            setting: "rate 1".into(),
            seed: 1,
            summary: None,
            seconds_to_target,
            run: "run".into(),
        }
    }

    #[test]
    fn the_first_of_the_earliest_arrivals_is_best() {
        let results = [None, Some(2.0), Some(1.0), Some(1.0)].map(diverged);
        assert_eq!(best(&results), Some(2));
        assert_eq!(best(&[diverged(None), diverged(None)]), Some(0));
        assert_eq!(best(&[]), None);
    }
}
