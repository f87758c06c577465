//! One arm of the controller, and the wait between its turns.

use serde::{Deserialize, Serialize};

use super::candidate::{Accepted, Candidate, Form};
use crate::method::Scaling;

/// The wait of an attempt that did not pay for its next turn: one sweep, then two, four, up to [`LONGEST`](Self::LONGEST).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::method::sweeps) struct Patience {
    wait: u32,
    last: u32,
}

impl Patience {
    const LONGEST: u32 = 8;

    /// A first turn after some sweeps.
    pub(in crate::method::sweeps) fn after(wait: u32) -> Self {
        Self { wait, last: 0 }
    }

    /// Returns whether the turn has come; counts down otherwise.
    pub(in crate::method::sweeps) fn is_over(&mut self) -> bool {
        let over = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        over
    }

    /// Waits longer after a turn that did not pay, in units of some sweeps.
    pub(in crate::method::sweeps) fn learn_in(&mut self, unit: u32) {
        self.learn(false);
        self.wait *= unit;
    }

    /// Sets the wait after a turn.
    pub(super) fn learn(&mut self, paid: bool) {
        self.last = if paid {
            0
        } else {
            (2 * self.last).clamp(1, Self::LONGEST)
        };
        self.wait = self.last;
    }
}

/// A number that walks by factors of two within a range, in the direction in which sweeps gained more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    /// The number at the last success.
    pub value: f64,
    /// Next factor, 2 or ½.
    factor: f64,
    /// Least and largest value.
    range: [f64; 2],
}

impl Walk {
    /// Starts at a value, upwards.
    pub(super) fn within(value: f64, range: [f64; 2]) -> Self {
        let factor = 2.0;
        Self {
            value,
            factor,
            range,
        }
    }

    /// Stays at a value.
    pub(super) fn fixed(value: f64) -> Self {
        Self::within(value, [value; 2])
    }

    fn is_fixed(&self) -> bool {
        let [least, most] = self.range;
        least == most
    }

    /// Returns the next value.
    pub(super) fn next(&self) -> f64 {
        self.at(self.factor)
    }

    /// Returns a multiple of the value within the range.
    pub(super) fn at(&self, factor: f64) -> f64 {
        let [least, most] = self.range;
        (self.value * factor).clamp(least, most)
    }

    fn turn(&mut self) {
        self.factor = self.factor.recip();
    }
}

/// One form and scaling with the memory of their trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Arm {
    pub form: Form,
    pub scaling: Scaling,
    /// `τ` of the last success.
    pub step: f64,
    /// `μ`.
    pub damping: Walk,
    /// `ν`; `None` without the output side's curvature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_damping: Option<Walk>,
    /// Whether `ν` walks next, and not `μ`: a sweep that gains less shows which of them to turn.
    pub walks_output: bool,
    /// Decrease of `ln F` at the last success.
    pub gain: f64,
    /// Wait until the arm looks around.
    pub look: Patience,
    /// Wait until the arm challenges the leading one.
    pub challenge: Patience,
}

impl Arm {
    /// Returns the candidate of a `τ`, with the dampings of the last success.
    pub(super) fn candidate(&self, step: f64) -> Candidate {
        Candidate {
            form: self.form,
            scaling: self.scaling,
            step,
            damping: self.damping.value,
            output_damping: self.output_damping.map(|walk| walk.value),
        }
    }

    /// Whether it is the turn of `ν` and not of `μ`; a number that is fixed has none.
    fn is_turn_of_output(&self) -> bool {
        let is_free = self.output_damping.is_some_and(|walk| !walk.is_fixed());
        is_free && (self.walks_output || self.damping.is_fixed())
    }

    /// Returns the candidate of a `τ` after one step of the walk whose turn it is.
    pub(super) fn walked(&self, step: f64) -> Candidate {
        let mut candidate = self.candidate(step);
        match &self.output_damping {
            Some(walk) if self.is_turn_of_output() => candidate.output_damping = Some(walk.next()),
            _ => candidate.damping = self.damping.next(),
        }
        candidate
    }

    /// Turns the walk whose turn it was.
    pub(super) fn turn(&mut self) {
        let is_turn_of_output = self.is_turn_of_output();
        match &mut self.output_damping {
            Some(walk) if is_turn_of_output => walk.turn(),
            _ => self.damping.turn(),
        }
    }

    /// Remembers a success, and turns the walk where it gained less than the last one.
    pub(super) fn succeed(&mut self, accepted: Accepted, before: f64) {
        let gain = accepted.gain(before);
        if gain < self.gain {
            self.turn();
        }
        self.remember(accepted.candidate, gain);
    }

    /// Remembers the numbers of a candidate, and what it gained.
    pub(super) fn remember(&mut self, candidate: Candidate, gain: f64) {
        self.gain = gain;
        self.step = candidate.step;
        self.damping.value = candidate.damping;
        if let (Some(walk), Some(value)) = (&mut self.output_damping, candidate.output_damping) {
            walk.value = value;
        }
    }
}
