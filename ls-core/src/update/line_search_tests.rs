//! Line searches on objectives in one variable.

use super::*;
use crate::Error;

const SEARCH: Backtracking = Backtracking {
    growth: 2.0,
    shrink: 3.0,
    trials: 6,
    expands: false,
    lengths: [1e-3, 1e3],
};

const EXPANDING: Backtracking = Backtracking {
    expands: true,
    ..SEARCH
};

/// `(t - minimum)²` with its value and slope at 0.
fn parabola(minimum: f64) -> (impl Fn(f64) -> f64, Decrease) {
    let condition = Decrease::Sufficient {
        before: minimum * minimum,
        slope: -2.0 * minimum,
    };
    (move |t: f64| (t - minimum).powi(2), condition)
}

/// The outcome of a search with the lengths that it tried as payloads, and all of them.
fn searched(
    search: Backtracking,
    first: f64,
    condition: Decrease,
    objective: impl Fn(f64) -> f64,
) -> (SearchOutcome<f64>, Vec<f64>) {
    let mut tried = Vec::new();
    let trial = |t: f64| {
        tried.push(t);
        Ok((objective(t), t))
    };
    let outcome = search.run(first, condition, trial).unwrap();
    assert_eq!(outcome.trials, tried.len());
    (outcome, tried)
}

#[test]
fn an_accepted_trial_meets_its_condition_and_carries_its_own_payload() {
    for search in [SEARCH, EXPANDING] {
        for minimum in [1e-2, 1.0, 50.0] {
            for first in [1e-9, 0.3, 7.0, 1e9] {
                let (objective, condition) = parabola(minimum);
                for condition in [
                    condition,
                    Decrease::Noticeable {
                        before: objective(0.0),
                    },
                ] {
                    let (outcome, tried) = searched(search, first, condition, &objective);
                    let Some(best) = outcome.best else {
                        assert_eq!(tried.len(), search.trials);
                        continue;
                    };
                    assert!(condition.is_met(best.length, best.value));
                    assert_eq!(
                        (best.payload, best.value),
                        (best.length, objective(best.length))
                    );
                    assert!(tried.iter().all(|&t| t <= search.lengths[1]));
                    assert!(search.lengths[0] <= tried[0]);
                }
            }
        }
    }
}

#[test]
fn rejected_lengths_shrink_and_the_first_accepted_one_ends_the_search() {
    let (objective, condition) = parabola(1.0);
    for search in [SEARCH, EXPANDING] {
        let (outcome, tried) = searched(search, 9.0, condition, &objective);
        assert_eq!(tried, [9.0, 3.0, 1.0]);
        assert_eq!(outcome.best.unwrap().length, 1.0);
        assert_eq!(outcome.next, if search.expands { 1.0 } else { 2.0 });
    }
}

#[test]
fn an_expanding_search_doubles_until_the_objective_rises_and_keeps_the_best() {
    let (objective, condition) = parabola(5.0);
    let (outcome, tried) = searched(EXPANDING, 1.0, condition, &objective);
    assert_eq!(tried, [1.0, 2.0, 4.0, 8.0]);
    assert_eq!((outcome.best.unwrap().length, outcome.next), (4.0, 4.0));
    // The range ends an expansion that the objective would allow.
    let limited = Backtracking {
        lengths: [1e-3, 3.0],
        ..EXPANDING
    };
    let (outcome, tried) = searched(limited, 1.0, condition, &objective);
    assert_eq!((tried, outcome.next), (vec![1.0, 2.0], 2.0));
}

#[test]
fn a_failed_search_names_the_next_shorter_length() {
    let (outcome, tried) = searched(SEARCH, 1.0, Decrease::Noticeable { before: 0.0 }, |_| 1.0);
    assert!(outcome.best.is_none());
    assert_eq!(tried.len(), SEARCH.trials);
    assert_eq!(outcome.next, tried[SEARCH.trials - 1] / SEARCH.shrink);
}

#[test]
fn nothing_is_tried_along_a_direction_that_does_not_descend() {
    for slope in [0.0, 1.0, f64::NAN] {
        let condition = Decrease::Sufficient { before: 1.0, slope };
        let (outcome, tried) = searched(SEARCH, 0.5, condition, |_| 0.0);
        assert_eq!((outcome.best, outcome.next, tried.len()), (None, 0.5, 0));
    }
}

#[test]
fn values_that_are_not_finite_are_rejected() {
    let objective = |t: f64| match t {
        t if t > 0.5 => f64::NAN,
        t if t > 0.2 => f64::INFINITY,
        t => 1.0 - t,
    };
    let conditions = [
        Decrease::Noticeable { before: 1.0 },
        Decrease::Sufficient {
            before: 1.0,
            slope: -1.0,
        },
    ];
    for condition in conditions {
        let (outcome, _) = searched(SEARCH, 1.0, condition, objective);
        assert_eq!(outcome.best.unwrap().length, 1.0 / 3.0 / 3.0);
    }
}

#[test]
fn an_error_of_a_trial_ends_the_search() {
    let error = Error::Device("lost".into());
    let mut trials = 0;
    let found = SEARCH.run(1.0, Decrease::Noticeable { before: 1.0 }, |_| {
        trials += 1;
        Err::<(f64, ()), _>(error.clone())
    });
    assert_eq!((found, trials), (Err(error), 1));
}

#[test]
fn a_decrease_is_noticeable_beyond_a_share_of_the_value() {
    for before in [1e-9, 1.0, 1e9, -1.0, -1e9] {
        let by = |share: f64| before - share * f64::abs(before);
        assert!(is_noticeable_decrease(before, by(1.1 * NOTICEABLE)));
        assert!(!is_noticeable_decrease(before, by(0.9 * NOTICEABLE)));
        assert!(!is_noticeable_decrease(before, before));
        assert!(!is_noticeable_decrease(before, f64::NAN));
    }
    assert!(is_noticeable_decrease(f64::INFINITY, 1.0));
    assert!(!is_noticeable_decrease(f64::INFINITY, f64::INFINITY));
    assert!(!is_noticeable_decrease(0.0, 0.0) && !is_noticeable_decrease(f64::NAN, 0.0));
}
