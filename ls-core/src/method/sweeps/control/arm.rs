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

/// One form and scaling with the memory of their trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Arm {
    pub form: Form,
    pub scaling: Scaling,
    /// `τ` of the last success.
    pub step: f64,
    /// `μ` of the last success.
    pub damping: f64,
    /// `ν`; `None` without the output side's curvature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_damping: Option<f64>,
    /// Next factor of `μ`: 2, ½, or 1 when it is fixed.
    pub walk: f64,
    /// Least and largest `μ` of the walk.
    pub dampings: [f64; 2],
    /// Decrease of `ln F` at the last success.
    pub gain: f64,
    /// Wait until the arm looks around.
    pub look: Patience,
    /// Wait until the arm challenges the leading one.
    pub challenge: Patience,
}

impl Arm {
    /// Returns the candidate of a `τ` and a `μ`.
    pub(super) fn candidate(&self, step: f64, damping: f64) -> Candidate {
        Candidate {
            form: self.form,
            scaling: self.scaling,
            step,
            damping,
            output_damping: self.output_damping,
        }
    }

    /// Returns `μ` within its range, or the fixed one.
    pub(super) fn damped(&self, damping: f64) -> f64 {
        if self.walk == 1.0 {
            self.damping
        } else {
            damping.clamp(self.dampings[0], self.dampings[1])
        }
    }

    /// Remembers a success, and turns the walk where it gained less than the last one.
    pub(super) fn succeed(&mut self, accepted: Accepted, before: f64) {
        let gain = accepted.gain(before);
        if gain < self.gain {
            self.walk = self.walk.recip();
        }
        self.gain = gain;
        (self.step, self.damping) = (accepted.candidate.step, accepted.candidate.damping);
    }
}
