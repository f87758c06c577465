//! Which steps to try: nobody sets the length `τ` or the damping `μ` of method `exact` by hand.
//!
//! A sweep tries candidates from one or more *arms*, the pairs of a [`Form`] and a [`Scaling`], and keeps the one that
//! lowers the loss most (the original one, with weight decay with its penalty). Whatever the controller proposes, only a decrease is accepted, so the law of the method
//! does not depend on it.
//!
//! * Each arm remembers its `τ` and `μ`. It first tries twice the `τ` of its last success, and walks `μ` by factors of two
//!   in the direction in which the relative decrease last improved; after a rejection `τ` falls by three. In most sweeps
//!   the first trial is accepted, and the sweep costs one pass of fits.
//! * When the leading arm lowers the loss by less than [`SLOW`], it looks around: at larger and smaller `μ` and `τ` from the
//!   same point. If that is still slow, the other arms are tried, and the best result of all is taken.
//! * Looking around and challenging cost trials. Whichever did not pay waits twice as long for its next turn.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::method::Scaling;
use crate::update::NOTICEABLE;

/// What the fits of a sweep aim at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `u*_l - A W_l`: every stage also corrects what the stages before it moved. Allows long steps.
    Corrected,
    /// `-τ c_l ∂ce/∂u_l` alone: a preconditioned gradient step, which lowers the loss for every small enough `τ`.
    Descent,
}

impl Form {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Descent => "descent",
        }
    }
}

/// One proposal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What the fits aim at.
    pub form: Form,
    /// Scaling of the displacements.
    pub scaling: Scaling,
    /// `τ`.
    pub step: f64,
    /// `μ`, relative to the mean diagonal of each Gram matrix.
    pub damping: f64,
}

/// What the user has fixed; `None` leaves the choice to the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fixed {
    /// `τ`.
    pub step: Option<f64>,
    /// `μ`.
    pub damping: Option<f64>,
    /// The scaling.
    pub scaling: Option<Scaling>,
}

/// Decrease of `ln F` in a sweep below which the leading arm has to face the others.
const SLOW: f64 = 0.1;

/// Decrease below which no trial is too dear.
const STUCK: f64 = 0.03;

const FIRST_STEP: f64 = 1.0;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 3.0;

/// `τ` may grow as the gradients of small losses shrink; a longer step would only add rounding.
const LONGEST: f64 = 1e8;

/// Networks of more stages than the first are deep, than the second very deep.
const DEEP: [usize; 2] = [12, 50];

/// Where a search starts, and how far it may go. Longer steps of the hidden stages and much damping let shallow networks
/// generalize better; they lead deep ones to where nothing lowers the loss any more.
struct Suited {
    /// The scalings, the leading one first.
    scalings: [Scaling; 2],
    /// `μ` of the first trial.
    damping: f64,
    /// Below the first, fits follow their targets into every small direction of the inputs: the loss falls fast, and then the
    /// weights of deep networks are so large that nothing lowers it any more. Above the second a fit is hardly more than a
    /// gradient step: it still lowers the loss, so that a search for decrease alone drifts there, and then creeps (30 stages of
    /// relu).
    dampings: [f64; 2],
}

impl Suited {
    const SHALLOW: Self = Self {
        scalings: [Scaling::Rms, Scaling::Norm],
        damping: 0.3,
        dampings: [0.01, 1.0],
    };

    const DEEP: Self = Self {
        scalings: [Scaling::Norm, Scaling::Rms],
        damping: 0.01,
        dampings: [0.01, 0.3],
    };

    /// Less damping leaves a hundred relu stages stuck at once from some seeds, more has not been needed.
    const VERY_DEEP: Self = Self {
        scalings: [Scaling::Norm, Scaling::Rms],
        damping: 0.3,
        dampings: [0.3, 0.3],
    };

    fn to(stages: usize) -> Self {
        match stages {
            _ if stages <= DEEP[0] => Self::SHALLOW,
            _ if stages <= DEEP[1] => Self::DEEP,
            _ => Self::VERY_DEEP,
        }
    }
}

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

/// How long something that did not pay waits for its next turn: one sweep, then two, four, up to [`LONGEST`](Self::LONGEST).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Patience {
    wait: u32,
    last: u32,
}

impl Patience {
    const LONGEST: u32 = 8;

    /// Whether it is time; counts down otherwise.
    fn is_over(&mut self) -> bool {
        let over = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        over
    }

    fn learn(&mut self, paid: bool) {
        self.last = if paid {
            0
        } else {
            (2 * self.last).clamp(1, Self::LONGEST)
        };
        self.wait = self.last;
    }
}

/// One form and scaling with what was learnt about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Arm {
    form: Form,
    scaling: Scaling,
    /// `τ` of the last success.
    step: f64,
    /// `μ` of the last success.
    damping: f64,
    /// Factor that `μ` is multiplied with next: 2, ½, or 1 when it is fixed.
    walk: f64,
    /// Least and largest `μ` that it walks to.
    dampings: [f64; 2],
    /// Decrease of `ln F` at the last success.
    gain: f64,
    /// Until the arm looks around.
    look: Patience,
    /// Until the arm challenges.
    challenge: Patience,
}

/// A candidate that lowers the loss, and the loss that it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Accepted {
    /// The candidate.
    pub candidate: Candidate,
    /// `F` after it.
    pub loss: f64,
}

/// Chooses steps by what they achieve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Controller {
    arms: Vec<Arm>,
    leader: usize,
    fixed: Fixed,
    first_damping: f64,
}

impl Controller {
    /// A controller for a network of so many stages that has seen nothing yet.
    pub(super) fn new(fixed: Fixed, stages: usize) -> Self {
        let suited = Suited::to(stages);
        let first_damping = fixed.damping.unwrap_or(suited.damping);
        let scalings = match fixed.scaling {
            Some(scaling) => vec![scaling],
            None => suited.scalings.to_vec(),
        };
        let forms = [Form::Corrected, Form::Descent];
        let arm = |(form, scaling)| Arm {
            form,
            scaling,
            step: fixed.step.unwrap_or(FIRST_STEP),
            damping: first_damping,
            walk: if fixed.damping.is_some() { 1.0 } else { 2.0 },
            dampings: suited.dampings,
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

    /// One sweep from the loss `before`: calls `trial` with candidates, which returns the loss that each reaches, and
    /// returns the accepted one; `None` when no candidate lowers the loss.
    ///
    /// # Errors
    /// What `trial` returns.
    pub(super) fn sweep(
        &mut self,
        before: f64,
        mut trial: impl FnMut(Candidate) -> Result<f64>,
    ) -> Result<Option<Accepted>> {
        let mut search = Search {
            before,
            fixed_step: self.fixed.step,
            trial: &mut trial,
        };
        let leader = &mut self.arms[self.leader];
        let mut best = search.descend(leader, TRIALS)?;
        let is_slow = |best: Option<Accepted>| best.is_some_and(|best| best.gain(before) < SLOW);
        let is_stuck = best.is_some_and(|best| best.gain(before) < STUCK);
        if is_stuck || (is_slow(best) && leader.look.is_over()) {
            best = search.look_around(leader, best)?;
        }
        for i in 0..self.arms.len() {
            let arm = &mut self.arms[i];
            // With nothing to accept yet, nobody waits.
            let due = best.is_none() || (is_slow(best) && arm.challenge.is_over());
            if i == self.leader || !due {
                continue;
            }
            let found = search.descend(arm, CHALLENGER_TRIALS)?;
            let wins = found.is_some_and(|found| best.is_none_or(|best| found.loss < best.loss));
            arm.challenge.learn(wins);
            if wins {
                best = found;
                // The descent form wins sweeps but creeps on: it never keeps the corrected fits from being tried first.
                if arm.form == Form::Corrected {
                    self.leader = i;
                }
            }
        }
        if best.is_none() {
            // The descent form lowers the loss for every small enough step, unless the point is stationary.
            let descent = self.arms.iter_mut().find(|arm| arm.form == Form::Descent);
            best = match descent {
                Some(arm) => search.descend(arm, LAST_TRIALS)?,
                None => None,
            };
        }
        if best.is_none() {
            // What was learnt led here; a step that had become too short must be able to grow again.
            for arm in &mut self.arms {
                (arm.step, arm.damping) = (FIRST_STEP, self.first_damping);
            }
        }
        Ok(best)
    }
}

impl Accepted {
    /// Decrease of `ln F`.
    fn gain(&self, before: f64) -> f64 {
        (before / self.loss).ln()
    }
}

/// The trials of one sweep.
struct Search<'a, T> {
    before: f64,
    fixed_step: Option<f64>,
    trial: &'a mut T,
}

impl<T: FnMut(Candidate) -> Result<f64>> Search<'_, T> {
    /// The candidate, if it lowers the loss.
    fn attempt(&mut self, candidate: Candidate) -> Result<Option<Accepted>> {
        let loss = (self.trial)(candidate)?;
        // A comparison with NaN is false: what is not finite is not accepted.
        let falls = loss < self.before * (1.0 - NOTICEABLE);
        Ok(falls.then_some(Accepted { candidate, loss }))
    }

    /// Tries shorter and shorter steps until one lowers the loss.
    fn descend(&mut self, arm: &mut Arm, trials: usize) -> Result<Option<Accepted>> {
        let mut candidate = Candidate {
            form: arm.form,
            scaling: arm.scaling,
            step: self.fixed_step.unwrap_or((arm.step * GROWTH).min(LONGEST)),
            damping: arm.damped(arm.damping * arm.walk),
        };
        for i in 0..trials {
            if let Some(accepted) = self.attempt(candidate)? {
                arm.succeed(accepted, self.before);
                return Ok(Some(accepted));
            }
            if i == 0 {
                // The walk may be at fault: back to what worked.
                candidate.damping = arm.damping;
                arm.walk = arm.walk.recip();
            }
            candidate.step /= SHRINK;
        }
        arm.gain = 0.0;
        arm.step = candidate.step;
        Ok(None)
    }

    /// Tries the neighbours of an accepted candidate, from the same point.
    fn look_around(&mut self, arm: &mut Arm, start: Option<Accepted>) -> Result<Option<Accepted>> {
        let Some(start) = start else { return Ok(None) };
        let mut best = start;
        for [step, damping] in NEIGHBOURS {
            let Candidate {
                step: from_step,
                damping: from_damping,
                ..
            } = start.candidate;
            let candidate = Candidate {
                step: self.fixed_step.unwrap_or((from_step * step).min(LONGEST)),
                damping: arm.damped(from_damping * damping),
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
        arm.gain = gains[1];
        (arm.step, arm.damping) = (best.candidate.step, best.candidate.damping);
        Ok(Some(best))
    }
}

impl Arm {
    /// `μ` within its range, or where it is fixed.
    fn damped(&self, damping: f64) -> f64 {
        if self.walk == 1.0 {
            self.damping
        } else {
            damping.clamp(self.dampings[0], self.dampings[1])
        }
    }

    fn succeed(&mut self, accepted: Accepted, before: f64) {
        let gain = accepted.gain(before);
        if gain < self.gain {
            self.walk = self.walk.recip();
        }
        self.gain = gain;
        (self.step, self.damping) = (accepted.candidate.step, accepted.candidate.damping);
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
