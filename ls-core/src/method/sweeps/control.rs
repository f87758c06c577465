//! The controller of full-batch sweeps: it chooses the length `τ` and the dampings `μ` and `ν` of each sweep by trials.
//!
//! A sweep tries candidates from one or more *arms*, the pairs of a [`Form`] and a [`Scaling`], and keeps the one that
//! lowers the loss most. The loss is the original one, with weight decay that with its penalty. The controller accepts
//! decreases alone, so the law of the method does not depend on its proposals.
//!
//! * Each arm remembers its `τ`, `μ` and `ν`. It first tries twice the `τ` of its last success, and walks `μ` and `ν` in turn by factors
//!   of two in the direction in which the relative decrease last improved; after a rejection `τ` falls by three. In most sweeps
//!   the first trial is accepted, and the sweep costs one pass of fits.
//! * When the leading arm lowers the loss by less than [`SLOW`], it looks around: from the same weights it tries larger and
//!   smaller `μ` and `τ`. If that is still slow, the other arms are tried, and the best result of all is taken.
//! * Looking around and challenging cost trials. Whichever did not pay waits twice as long for its next turn.

mod arm;
mod candidate;
mod depth;

pub use candidate::{Candidate, Form};

use serde::{Deserialize, Serialize};

pub(super) use arm::Patience;
use arm::{Arm, Walk};
use candidate::Accepted;
use depth::DepthPreset;

use crate::Result;
use crate::method::Scaling;
use crate::update::{Backtracking, Decrease, is_noticeable_decrease};

/// The values that the user has fixed; `None` leaves the choice to the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fixed {
    /// `τ`.
    pub step: Option<f64>,
    /// `μ`.
    pub damping: Option<f64>,
    /// The scaling.
    pub scaling: Option<Scaling>,
    /// `ν`.
    pub output_damping: Option<f64>,
    /// Whether displacements have the output side's curvature.
    pub output_curvature: bool,
}

/// Decrease of `ln F` in a sweep below which the leading arm looks around and the others challenge it.
const SLOW: f64 = 0.1;

/// Decrease of `ln F` below which the leading arm looks around even before its turn.
const STUCK: f64 = 0.03;

/// `τ` of the first trial, before it grows.
const FIRST_STEP: f64 = 1.0;

/// The search for `τ` along the fits of one arm.
const STEPS: Backtracking = Backtracking {
    growth: 2.0,
    shrink: 3.0,
    trials: TRIALS,
    expands: false,
    // `τ` may grow as the gradients of small losses shrink; a longer step would only add rounding.
    lengths: [0.0, 1e8],
};

/// `ν` of the first trial.
const USUAL_OUTPUT_DAMPING: f64 = 0.3;

/// Trials of the leading arm before the sweep turns to the others.
const TRIALS: usize = 6;

/// Trials of an arm that challenges the leading one.
const CHALLENGER_TRIALS: usize = 2;

/// Trials of the descent form once everything else has failed: enough to shrink `τ` by 3²⁰.
const LAST_TRIALS: usize = 20;

/// Factors of `τ` and `μ` when an arm looks around.
const NEIGHBOURS: [[f64; 2]; 5] = [
    [1.0, 0.25],
    [1.0, 4.0],
    [2.0, 0.25],
    [0.5, 0.25],
    [0.5, 1.0],
];

/// Looking around pays when it multiplies the decrease of `ln F` by this.
const WORTHWHILE: f64 = 1.5;

/// Chooses the steps of sweeps by the losses that trials reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Controller {
    arms: Vec<Arm>,
    leader: usize,
    fixed: Fixed,
    first_damping: f64,
}

impl Controller {
    /// Returns a controller without memory for a network of so many stages.
    pub(super) fn new(fixed: Fixed, stages: usize) -> Self {
        let preset = DepthPreset::for_stages(stages);
        let first_damping = fixed.damping.unwrap_or(preset.damping);
        let scalings = match fixed.scaling {
            Some(scaling) => vec![scaling],
            None => preset.scalings.to_vec(),
        };
        let damping = match fixed.damping {
            Some(damping) => Walk::fixed(damping),
            None => Walk::within(first_damping, preset.dampings),
        };
        let output_damping = match fixed.output_damping {
            Some(damping) => Walk::fixed(damping),
            None => Walk::within(USUAL_OUTPUT_DAMPING, preset.output_dampings),
        };
        let forms = [Form::Corrected, Form::Descent];
        let arm = |(form, scaling)| Arm {
            form,
            scaling,
            step: fixed.step.unwrap_or(FIRST_STEP),
            damping,
            output_damping: fixed.output_curvature.then_some(output_damping),
            walks_output: false,
            gain: 0.0,
            look: Patience::default(),
            challenge: Patience::default(),
        };
        let pairs = forms
            .into_iter()
            .flat_map(|form| scalings.iter().map(move |&scaling| (form, scaling)));
        Self {
            arms: pairs.map(arm).collect(),
            leader: 0,
            fixed,
            first_damping,
        }
    }

    /// The candidate of the leading arm's last success.
    pub(super) fn leading(&self) -> Candidate {
        let arm = &self.arms[self.leader];
        arm.candidate(arm.step)
    }

    /// Makes a few trials of the leading arm alone: a turn of the fits between steps of another kind.
    ///
    /// # Errors
    /// The first error of `trial`.
    pub(super) fn brief_sweep(
        &mut self,
        before: f64,
        mut trial: impl FnMut(Candidate) -> Result<f64>,
    ) -> Result<Option<Accepted>> {
        let mut trials = Trials {
            before,
            fixed_step: self.fixed.step,
            trial: &mut trial,
        };
        trials.descend(&mut self.arms[self.leader], CHALLENGER_TRIALS)
    }

    /// Makes the trials of one sweep from the loss `before` and returns the accepted candidate, or `None` when no candidate
    /// lowers the loss. `trial` returns the loss that a candidate reaches.
    ///
    /// # Errors
    /// The first error of `trial`.
    pub(super) fn sweep(
        &mut self,
        before: f64,
        mut trial: impl FnMut(Candidate) -> Result<f64>,
    ) -> Result<Option<Accepted>> {
        let mut trials = Trials {
            before,
            fixed_step: self.fixed.step,
            trial: &mut trial,
        };
        let leader = &mut self.arms[self.leader];
        let mut best = trials.descend(leader, TRIALS)?;
        let is_stuck = best.is_some_and(|best| best.gain(before) < STUCK);
        if is_stuck || (trials.is_slow(best) && leader.look.is_over()) {
            best = trials.look_around(leader, best)?;
        }
        best = self.challenge(&mut trials, best)?;
        if best.is_none() {
            // The descent form lowers the loss for every small enough step, unless the gradient vanishes.
            let descent = self.arms.iter_mut().find(|arm| arm.form == Form::Descent);
            best = match descent {
                Some(arm) => trials.descend(arm, LAST_TRIALS)?,
                None => None,
            };
        }
        if best.is_none() {
            // The memory led here; a step that had become too short must be able to grow again.
            for arm in &mut self.arms {
                arm.step = FIRST_STEP;
                arm.damping.value = self.first_damping;
            }
        }
        Ok(best)
    }

    /// Lets the other arms try for a better result than `best`, where it is slow and their turn has come.
    fn challenge<T: FnMut(Candidate) -> Result<f64>>(
        &mut self,
        trials: &mut Trials<'_, T>,
        mut best: Option<Accepted>,
    ) -> Result<Option<Accepted>> {
        for i in 0..self.arms.len() {
            let arm = &mut self.arms[i];
            // Without any result yet, no arm waits.
            let due = best.is_none() || (trials.is_slow(best) && arm.challenge.is_over());
            if i == self.leader || !due {
                continue;
            }
            let found = trials.descend(arm, CHALLENGER_TRIALS)?;
            let wins = found.is_some_and(|found| best.is_none_or(|best| found.loss < best.loss));
            arm.challenge.learn(wins);
            if wins {
                best = found;
                // The descent form wins sweeps but then creeps: it never keeps the corrected fits from the first trial.
                if arm.form == Form::Corrected {
                    self.leader = i;
                }
            }
        }
        Ok(best)
    }
}

/// The trials of one sweep.
struct Trials<'a, T> {
    before: f64,
    fixed_step: Option<f64>,
    trial: &'a mut T,
}

impl<T: FnMut(Candidate) -> Result<f64>> Trials<'_, T> {
    /// Returns whether a result lowers the loss, but slowly.
    fn is_slow(&self, best: Option<Accepted>) -> bool {
        best.is_some_and(|best| best.gain(self.before) < SLOW)
    }

    /// Returns the candidate with its loss, if it lowers the loss noticeably.
    fn attempt(&mut self, candidate: Candidate) -> Result<Option<Accepted>> {
        let loss = (self.trial)(candidate)?;
        let falls = is_noticeable_decrease(self.before, loss);
        Ok(falls.then_some(Accepted { candidate, loss }))
    }

    /// Searches for a step of one arm that lowers the loss noticeably.
    fn descend(&mut self, arm: &mut Arm, trials: usize) -> Result<Option<Accepted>> {
        let search = Backtracking { trials, ..STEPS };
        let first = self.fixed_step.unwrap_or(arm.step * STEPS.growth);
        let condition = Decrease::Noticeable {
            before: self.before,
        };
        // The walk may be at fault where the first trial fails: the others take the damping of the last success.
        let mut walked = Some(arm.walked(first));
        let found = search.run(first, condition, |step| {
            let candidate = walked.take().unwrap_or_else(|| arm.candidate(step));
            Ok(((self.trial)(candidate)?, candidate))
        })?;
        if found.trials > 1 {
            arm.turn();
        }
        let accepted = found.best.map(|best| Accepted {
            candidate: best.payload,
            loss: best.value,
        });
        match accepted {
            Some(accepted) => arm.succeed(accepted, self.before),
            None => (arm.gain, arm.step) = (0.0, found.next),
        }
        arm.walks_output = !arm.walks_output;
        Ok(accepted)
    }

    /// Tries the neighbours of an accepted candidate, from the weights before it.
    fn look_around(&mut self, arm: &mut Arm, start: Option<Accepted>) -> Result<Option<Accepted>> {
        let Some(start) = start else { return Ok(None) };
        let [_, longest] = STEPS.lengths;
        let mut best = start;
        for [step, damping] in NEIGHBOURS {
            let from = start.candidate.step;
            let candidate = Candidate {
                step: self.fixed_step.unwrap_or((from * step).min(longest)),
                // The arm remembers the dampings of `start`.
                damping: arm.damping.at(damping),
                ..start.candidate
            };
            if candidate == start.candidate {
                continue;
            }
            match self.attempt(candidate)? {
                Some(found) if found.loss < best.loss => best = found,
                _ => {}
            }
        }
        let gains = [start, best].map(|accepted| accepted.gain(self.before));
        arm.look.learn(gains[1] > WORTHWHILE * gains[0]);
        arm.remember(best.candidate, gains[1]);
        Ok(Some(best))
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
