//! Step lengths: trials along a direction until one lowers the objective.

use crate::Result;

/// Share of the decrease promised by the slope that a step must achieve (Armijo).
pub const SUFFICIENT_DECREASE: f64 = 0.1;

/// Relative decrease of a loss over a whole split from which on it counts: two sums of the same terms in different orders
/// may differ by less, and rounding of f32 logits moves a mean cross-entropy by a few 1e-6 of itself.
pub const NOTICEABLE: f64 = 1e-5;

/// Returns whether `after` is less than `before` by more than the share [`NOTICEABLE`] of it.
///
/// Any number is noticeably less than infinity; NaN is never less, and nothing is less than NaN.
pub fn is_noticeable_decrease(before: f64, after: f64) -> bool {
    after < before * (1.0 - NOTICEABLE.copysign(before))
}

/// The condition under which a search accepts a step of length `t` that changes an objective from `f(0)` to `f(t)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decrease {
    /// `f(t) ≤ f(0) + 0.1 t f'(0)` with the factor [`SUFFICIENT_DECREASE`]; impossible unless the slope is negative.
    Sufficient {
        /// `f(0)`.
        before: f64,
        /// `f'(0)`, the derivative along the direction.
        slope: f64,
    },
    /// A decrease that rounding cannot explain: [`is_noticeable_decrease`]. It needs no slope.
    Noticeable {
        /// `f(0)`.
        before: f64,
    },
}

impl Decrease {
    /// Returns whether any length can meet the condition.
    fn is_possible(self) -> bool {
        match self {
            Self::Sufficient { slope, .. } => slope < 0.0,
            Self::Noticeable { .. } => true,
        }
    }

    /// Returns whether a step of `length` to the objective `value` meets the condition; NaN never does.
    pub(super) fn is_met(self, length: f64, value: f64) -> bool {
        match self {
            Self::Sufficient { before, slope } => {
                value <= before + SUFFICIENT_DECREASE * length * slope
            }
            Self::Noticeable { before } => is_noticeable_decrease(before, value),
        }
    }
}

/// Settings of a backtracking line search.
///
/// A search tries its first length and divides it by `shrink` after each trial that the condition rejects. Lengths grow by
/// `growth` once a first trial was accepted: within the search if it expands, else from this search to the next.
///
/// ```
/// use ls_core::update::{Backtracking, Decrease};
///
/// let search = Backtracking {
///     growth: 2.0,
///     shrink: 4.0,
///     trials: 10,
///     expands: false,
///     lengths: [1e-6, 1e6],
/// };
/// // (t - 1)² from t = 0: too long at 8, shorter at 2, better at 1/2.
/// let objective = |t: f64| Ok(((t - 1.0).powi(2), ()));
/// let found = search.run(8.0, Decrease::Noticeable { before: 1.0 }, objective)?;
/// let best = found.best.expect("a shorter step lowers the objective");
/// assert_eq!((best.length, best.value), (0.5, 0.25));
/// assert_eq!((found.next, found.trials), (1.0, 3));
/// # Ok::<(), ls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backtracking {
    /// Factor of the length after a success, above 1.
    pub growth: f64,
    /// Divisor of the length after a rejected trial, above 1.
    pub shrink: f64,
    /// Largest number of trials.
    pub trials: usize,
    /// Whether a search whose first trial was accepted goes on at longer lengths as long as the objective falls.
    pub expands: bool,
    /// The range in which searches start. Trials may shrink below it, but never exceed its end.
    pub lengths: [f64; 2],
}

/// A trial that a line search accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedTrial<T> {
    /// Length of the step.
    pub length: f64,
    /// Objective after it.
    pub value: f64,
    /// The result of the trial beside its value, such as the moved weights.
    pub payload: T,
}

/// The result of a line search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOutcome<T> {
    /// The best trial; `None` when no length met the condition.
    pub best: Option<AcceptedTrial<T>>,
    /// Length to try first in the next search.
    pub next: f64,
    /// Number of lengths tried.
    pub trials: usize,
}

impl Backtracking {
    /// Searches along one direction from the length `first`, which is brought into the range of [`lengths`](Self::lengths).
    ///
    /// `trial` returns the objective at a length and a payload, which the outcome holds for the accepted length. The next
    /// length to begin with is the accepted one, times `growth` unless the search expands; after a failure it is the next
    /// shorter one that would have been tried.
    ///
    /// # Errors
    /// The first error of `trial`, which ends the search.
    pub fn run<T>(
        &self,
        first: f64,
        condition: Decrease,
        mut trial: impl FnMut(f64) -> Result<(f64, T)>,
    ) -> Result<SearchOutcome<T>> {
        let [shortest, longest] = self.lengths;
        let first = first.max(shortest).min(longest);
        let (mut length, mut trials) = (first, 0);
        let mut best: Option<AcceptedTrial<T>> = None;
        while condition.is_possible() && trials < self.trials && length <= longest {
            trials += 1;
            let (value, payload) = trial(length)?;
            let improves = best.as_ref().is_none_or(|best| value < best.value);
            if condition.is_met(length, value) && improves {
                best = Some(AcceptedTrial {
                    length,
                    value,
                    payload,
                });
                if !self.expands || length < first {
                    break;
                }
                length *= self.growth;
            } else if best.is_some() {
                break;
            } else {
                length /= self.shrink;
            }
        }
        let next = match &best {
            Some(best) if self.expands => best.length,
            Some(best) => best.length * self.growth,
            None => length,
        };
        Ok(SearchOutcome { best, next, trials })
    }
}

impl<T> SearchOutcome<T> {
    /// Returns the outcome of a search in which no length was tried.
    pub(super) fn untried(next: f64) -> Self {
        Self {
            best: None,
            next,
            trials: 0,
        }
    }
}

impl<A, B> SearchOutcome<(A, B)> {
    /// Takes the first component out of the payload.
    pub(super) fn split(self) -> (Option<A>, SearchOutcome<B>) {
        let (first, best) = match self.best {
            None => (None, None),
            Some(AcceptedTrial {
                length,
                value,
                payload: (first, payload),
            }) => {
                let best = AcceptedTrial {
                    length,
                    value,
                    payload,
                };
                (Some(first), Some(best))
            }
        };
        let (next, trials) = (self.next, self.trials);
        (first, SearchOutcome { best, next, trials })
    }
}

#[cfg(test)]
#[path = "line_search_tests.rs"]
mod tests;
