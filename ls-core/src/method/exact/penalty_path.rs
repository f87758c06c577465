//! A run down a path of weight decays, each from the weights that the one before has left.
//!
//! Friedman, Hastie and Tibshirani (2010) walk such paths for linear models: solutions of close penalties are close, so that a whole path
//! costs little more than one fit.

use serde::{Deserialize, Serialize};

/// The first and the last decay of a path.
pub(super) const ENDS: [f64; 2] = [3e-2, 1e-5];

/// Decays of a path, with equal factors between them.
pub(super) const POINTS: usize = 12;

/// Sweeps of a decay in a run of unknown length.
const USUAL_SWEEPS: usize = 6;

/// Sweeps of a run down a path that names no number: three times as long as another run at most.
pub(super) const RUN_SWEEPS: usize = 84;

/// Most sweeps of a decay: a run ends after ten without a noticeable decrease, and must not end before the path does.
const MOST_SWEEPS: usize = 9;

/// The place on a path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PenaltyPath {
    /// Sweeps of each decay; the last one has those that are left.
    sweeps: usize,
    /// Sweeps done.
    done: usize,
}

impl PenaltyPath {
    /// The start of a path over so many sweeps.
    pub(super) fn over(sweeps: Option<usize>) -> Self {
        let each = sweeps.map_or(USUAL_SWEEPS, |sweeps| sweeps / POINTS);
        Self {
            sweeps: each.clamp(1, MOST_SWEEPS),
            done: 0,
        }
    }

    /// `λ` of the first sweeps.
    pub(super) fn first() -> f64 {
        ENDS[0]
    }

    /// `λ` of the next sweep.
    pub(super) fn decay(&self) -> f64 {
        let place = (self.done / self.sweeps).min(POINTS - 1);
        let [first, last] = ENDS;
        first * (last / first).powf(place as f64 / (POINTS - 1) as f64)
    }

    /// `λ` of the sweep before, or of the first one.
    pub(super) fn last_decay(&self) -> f64 {
        let done = self.done.saturating_sub(1);
        Self { done, ..*self }.decay()
    }

    /// Whether all sweeps of the decays down to `end` are done. Those of the smallest decay end with the run.
    pub(super) fn has_passed(&self, end: f64) -> bool {
        // Files of other programs may hold a decay with fewer digits.
        self.decay() < end * (1.0 - 1e-6)
    }

    /// Counts a sweep.
    pub(super) fn advance(&mut self) {
        self.done += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_passed_a_decay_after_its_last_sweep() {
        let mut path = PenaltyPath::over(Some(26));
        let end = PenaltyPath { done: 4, ..path }.decay();
        while !path.has_passed(end) {
            path.advance();
        }
        assert_eq!(path.done, 6);
        assert!(path.last_decay() == end && path.decay() < end);
        // Between two decays of the path the larger one is the last.
        let between = PenaltyPath { done: 3, ..path };
        assert!(
            !between.has_passed(1.5 * end) && PenaltyPath { done: 4, ..path }.has_passed(1.5 * end)
        );
        let last = PenaltyPath { done: 1000, ..path };
        assert!(!last.has_passed(ENDS[1]));
    }

    #[test]
    fn a_path_falls_by_equal_factors_and_ends_at_its_last_decay() {
        let mut path = PenaltyPath::over(Some(26));
        let mut decays = Vec::new();
        for _ in 0..26 {
            decays.push(path.decay());
            path.advance();
        }
        assert_eq!((decays[0], decays[1]), (3e-2, 3e-2));
        // f64 powers.
        assert!((decays[25] / 1e-5 - 1.0).abs() < 1e-12);
        decays.dedup();
        assert_eq!(decays.len(), POINTS);
        let factor = decays[1] / decays[0];
        for pair in decays.windows(2) {
            assert!((pair[1] / pair[0] / factor - 1.0).abs() < 1e-12);
        }
        assert_eq!(PenaltyPath::over(Some(3)).sweeps, 1);
        assert_eq!(PenaltyPath::over(Some(1000)).sweeps, MOST_SWEEPS);
        assert_eq!(PenaltyPath::over(None).sweeps, USUAL_SWEEPS);
    }
}
