//! Which steps to try: nobody sets the length `τ` or the damping `μ` of method `exact` by hand.
//!
//! A sweep tries candidates from one or more *arms*, the pairs of a [`Form`] and a [`Scaling`], and keeps the one that
//! lowers the original loss most. Whatever the controller proposes, only a decrease is accepted, so the law of the method
//! does not depend on it.
//!
//! * Each arm remembers its `τ` and `μ`. It first tries twice the `τ` of its last success, and walks `μ` by factors of two
//!   in the direction in which the relative decrease last improved. In most sweeps that one trial is accepted, and the
//!   sweep costs one forward pass of fits; after a rejection `τ` falls by three.
//! * When the leading arm lowers the loss by less than [`SLOW`], the other arms are tried in the same sweep, and the best
//!   takes the lead. An arm that loses waits twice as long for its next chance.

use serde::{Deserialize, Serialize};

use crate::Result;

/// What the fits of a sweep aim at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `u*_l - A W_l`: every stage also corrects what the stages before it moved. Allows long steps.
    Corrected,
    /// `-τ c_l ∂ce/∂u_l` alone: a preconditioned gradient step, which lowers the loss for every small enough `τ`.
    Descent,
}

/// The factors `c_l` of the displacements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// `c_l = 1`.
    None,
    /// The same root mean square displacement at all stages, which undoes vanishing gradients.
    Rms,
}

impl Scaling {
    /// All scalings, in the order in which help lists them.
    pub const ALL: [Self; 2] = [Self::None, Self::Rms];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rms => "rms",
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fixed {
    /// `τ`.
    pub step: Option<f64>,
    /// `μ`.
    pub damping: Option<f64>,
    /// The scaling.
    pub scaling: Option<Scaling>,
}

/// A decrease counts when it is more than rounding: trials and reports may sum in different orders, and f32 logits move a
/// mean cross-entropy by a few 1e-6 of itself.
const NOTICEABLE: f64 = 1e-5;

/// Decrease of `ln F` in a sweep below which the leading arm has to face the others.
const SLOW: f64 = 0.1;

const FIRST_STEP: f64 = 1.0;
const FIRST_DAMPING: f64 = 0.01;
const GROWTH: f64 = 2.0;
const SHRINK: f64 = 3.0;

/// `τ` may grow as the gradients of small losses shrink; a longer step would only add rounding.
const LONGEST: f64 = 1e8;

/// Below the first, f32 Gram matrices hold no more information; above the second a fit is a plain gradient step.
const DAMPINGS: [f64; 2] = [1e-6, 10.0];

/// Trials of the leading arm before the sweep turns to the others.
const TRIALS: usize = 6;

/// Trials of an arm that challenges the leading one.
const CHALLENGER_TRIALS: usize = 2;

/// Trials of the descent form once everything else has failed: enough to shrink `τ` by 3²⁰.
const LAST_TRIALS: usize = 20;

/// Longest wait of a losing arm, in sweeps.
const LONGEST_WAIT: u32 = 16;

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
    /// Decrease of `ln F` at the last success.
    gain: f64,
    /// Sweeps until the arm may challenge, and how many it waits after the next defeat.
    wait: u32,
    patience: u32,
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
    fixed_step: bool,
}

impl Controller {
    /// A controller that has seen nothing yet.
    pub(super) fn new(fixed: Fixed) -> Self {
        let scalings = match fixed.scaling {
            Some(scaling) => vec![scaling],
            None => vec![Scaling::Rms, Scaling::None],
        };
        let forms = [Form::Corrected, Form::Descent];
        let arm = |(form, scaling)| Arm {
            form,
            scaling,
            step: fixed.step.unwrap_or(FIRST_STEP),
            damping: fixed.damping.unwrap_or(FIRST_DAMPING),
            walk: if fixed.damping.is_some() { 1.0 } else { 2.0 },
            gain: 0.0,
            wait: 0,
            patience: 1,
        };
        let pairs = forms
            .into_iter()
            .flat_map(|form| scalings.iter().map(move |&scaling| (form, scaling)));
        Self {
            arms: pairs.map(arm).collect(),
            leader: 0,
            fixed_step: fixed.step.is_some(),
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
        let fixed_step = self.fixed_step;
        let mut tried = vec![false; self.arms.len()];
        let mut best: Option<(usize, Accepted)> = None;
        let mut run =
            |arm: &mut Arm, trials: usize| arm.run(before, trials, fixed_step, &mut trial);

        tried[self.leader] = true;
        if let Some(accepted) = run(&mut self.arms[self.leader], TRIALS)? {
            best = Some((self.leader, accepted));
        }
        let gain = best.map_or(0.0, |(_, accepted)| (before / accepted.loss).ln());
        if gain < SLOW {
            for (i, arm) in self.arms.iter_mut().enumerate() {
                // With nothing to accept yet, nobody waits.
                if tried[i] || (arm.wait > 0 && best.is_some()) {
                    arm.wait = arm.wait.saturating_sub(1);
                    continue;
                }
                tried[i] = true;
                let accepted = run(arm, CHALLENGER_TRIALS)?;
                match accepted {
                    Some(accepted) if best.is_none_or(|(_, best)| accepted.loss < best.loss) => {
                        best = Some((i, accepted));
                    }
                    _ => {
                        arm.patience = (2 * arm.patience).min(LONGEST_WAIT);
                        arm.wait = arm.patience;
                    }
                }
            }
        }
        if best.is_none() {
            // The descent form decreases the loss for every small enough step, unless the point is stationary.
            let last = self.arms.len() - 1;
            best = run(&mut self.arms[last], LAST_TRIALS)?.map(|accepted| (last, accepted));
        }
        if let Some((i, _)) = best {
            if i != self.leader {
                self.arms[i].patience = 1;
                self.arms[self.leader].wait = 0;
            }
            self.leader = i;
        }
        Ok(best.map(|(_, accepted)| accepted))
    }
}

impl Arm {
    /// Tries candidates until one lowers the loss.
    fn run(
        &mut self,
        before: f64,
        trials: usize,
        fixed_step: bool,
        trial: &mut impl FnMut(Candidate) -> Result<f64>,
    ) -> Result<Option<Accepted>> {
        let mut step = if fixed_step {
            self.step
        } else {
            (self.step * GROWTH).min(LONGEST)
        };
        let mut damping = (self.damping * self.walk).clamp(DAMPINGS[0], DAMPINGS[1]);
        if self.walk == 1.0 {
            damping = self.damping;
        }
        for i in 0..trials {
            let candidate = Candidate {
                form: self.form,
                scaling: self.scaling,
                step,
                damping,
            };
            let loss = trial(candidate)?;
            // A comparison with NaN is false: what is not finite is not accepted.
            if loss < before * (1.0 - NOTICEABLE) {
                let gain = (before / loss).ln();
                if gain < self.gain {
                    self.walk = self.walk.recip();
                }
                self.gain = gain;
                (self.step, self.damping) = (step, damping);
                return Ok(Some(Accepted { candidate, loss }));
            }
            if i == 0 {
                // The walk may be at fault: back to what worked.
                damping = self.damping;
                self.walk = self.walk.recip();
            }
            step /= SHRINK;
        }
        self.gain = 0.0;
        if !fixed_step {
            self.step = step;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `F = 1/2 (1 - min(τ, 2 - τ))`-like model: longer steps help up to `best`, and hurt beyond twice that.
    fn model(best: f64) -> impl Fn(Candidate) -> f64 {
        move |candidate| {
            let t = candidate.step / best;
            1.0 - 0.5 * t * (2.0 - t)
        }
    }

    #[test]
    fn only_decreases_are_accepted_and_the_step_finds_its_size() {
        for best in [1e-6, 1.0, 1e4] {
            let loss = model(best);
            let mut controller = Controller::new(Fixed::default());
            let mut last = None;
            for _ in 0..60 {
                let accepted = controller
                    .sweep(1.0, |candidate| Ok(loss(candidate)))
                    .unwrap();
                if let Some(accepted) = accepted {
                    assert!(accepted.loss < 1.0);
                    last = Some(accepted.candidate.step);
                }
            }
            let step = last.unwrap();
            assert!(step < 2.0 * best && step > 0.1 * best, "{step} for {best}");
        }
    }

    #[test]
    fn a_point_without_decrease_is_left_alone() {
        for loss in [1.0, 1.0 - 1e-7, f64::NAN, f64::INFINITY] {
            let mut controller = Controller::new(Fixed::default());
            assert_eq!(controller.sweep(1.0, |_| Ok(loss)).unwrap(), None);
        }
    }

    #[test]
    fn fixed_values_are_kept() {
        let fixed = Fixed {
            step: Some(0.5),
            damping: Some(0.1),
            scaling: Some(Scaling::None),
        };
        let mut controller = Controller::new(fixed);
        for _ in 0..5 {
            let accepted = controller.sweep(1.0, |_| Ok(0.99)).unwrap().unwrap();
            let Candidate { step, damping, .. } = accepted.candidate;
            assert_eq!((step, damping), (0.5, 0.1));
            assert_eq!(accepted.candidate.scaling, Scaling::None);
        }
    }

    #[test]
    fn a_better_arm_takes_the_lead_when_the_leader_is_slow() {
        let mut controller = Controller::new(Fixed::default());
        let loss = |candidate: Candidate| match (candidate.form, candidate.scaling) {
            (Form::Corrected, Scaling::None) => 0.5,
            _ => 0.99,
        };
        for _ in 0..2 {
            let accepted = controller
                .sweep(1.0, |candidate| Ok(loss(candidate)))
                .unwrap();
            assert_eq!(accepted.unwrap().candidate.scaling, Scaling::None);
        }
        // In the lead and fast, it needs one trial.
        let mut trials = 0;
        let count = |candidate| {
            trials += 1;
            Ok(loss(candidate))
        };
        controller.sweep(1.0, count).unwrap();
        assert_eq!(trials, 1);
    }

    /// One sweep from a loss of 1 with the candidates that it tried.
    fn sweep(
        controller: &mut Controller,
        loss: impl Fn(Candidate) -> f64,
    ) -> (Option<Accepted>, Vec<Candidate>) {
        let mut tried = Vec::new();
        let trial = |candidate| {
            tried.push(candidate);
            Ok(loss(candidate))
        };
        let accepted = controller.sweep(1.0, trial).unwrap();
        (accepted, tried)
    }

    #[test]
    fn equal_losses_are_no_decrease_even_where_no_number_is_less_or_more() {
        for loss in [0.0, f64::INFINITY] {
            let mut controller = Controller::new(Fixed::default());
            assert_eq!(controller.sweep(loss, |_| Ok(loss)).unwrap(), None);
        }
        let mut controller = Controller::new(Fixed::default());
        let accepted = controller.sweep(f64::INFINITY, |_| Ok(1.0)).unwrap();
        assert_eq!(accepted.map(|accepted| accepted.loss), Some(1.0));
    }

    #[test]
    fn the_damping_walks_to_where_steps_gain_most_and_stays_within_its_limits() {
        for best in [1e-12, 1e-4, 1.0, 1e9_f64] {
            let goal = best.clamp(DAMPINGS[0], DAMPINGS[1]);
            let mut controller = Controller::new(Fixed::default());
            for i in 0..60 {
                let loss = |candidate: Candidate| {
                    let distance = (candidate.damping / best).log2();
                    // Fast enough at any distance that no other arm is asked.
                    (-0.2 - 1.0 / (1.0 + distance * distance)).exp()
                };
                let (accepted, tried) = sweep(&mut controller, loss);
                assert_eq!(tried.len(), 1);
                let damping = accepted.unwrap().candidate.damping;
                assert!((DAMPINGS[0]..=DAMPINGS[1]).contains(&damping));
                // It starts at most 14 factors of two away; the walk turns only after it went one too far.
                let near = damping >= goal / 4.0 && damping <= goal * 4.0;
                assert!(i < 20 || near, "{damping} for {best} in sweep {i}");
            }
        }
    }

    #[test]
    fn after_a_rejection_the_step_shrinks_and_the_damping_returns_to_what_worked() {
        let mut controller = Controller::new(Fixed::default());
        let (accepted, _) = sweep(&mut controller, |_| 0.5);
        let worked = accepted.unwrap().candidate;
        // Everything but the damping of the last success fails.
        let loss = |candidate: Candidate| match candidate.damping == worked.damping {
            true => 0.5,
            false => 2.0,
        };
        let (accepted, tried) = sweep(&mut controller, loss);
        let first = Candidate {
            step: worked.step * GROWTH,
            damping: worked.damping * 2.0,
            ..worked
        };
        let second = Candidate {
            step: first.step / SHRINK,
            ..worked
        };
        assert_eq!(tried, [first, second]);
        assert_eq!(accepted.unwrap().candidate, second);
        // The next walk goes the other way.
        let (_, tried) = sweep(&mut controller, |_| 0.5);
        assert_eq!(tried[0].damping, worked.damping / 2.0);
    }

    #[test]
    fn arms_that_lose_wait_twice_as_long_each_time() {
        let fixed = Fixed {
            scaling: Some(Scaling::Rms),
            ..Fixed::default()
        };
        let mut controller = Controller::new(fixed);
        let loss = |candidate: Candidate| match candidate.form {
            Form::Corrected => 0.95,
            Form::Descent => 0.99,
        };
        let mut challenges = Vec::new();
        for i in 0..60 {
            let (accepted, tried) = sweep(&mut controller, loss);
            assert_eq!(accepted.unwrap().candidate.form, Form::Corrected);
            if tried.iter().any(|tried| tried.form == Form::Descent) {
                challenges.push(i);
            }
        }
        let waits: Vec<usize> = challenges
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 16]);

        // Who wins takes the lead, and the arm that led may challenge at once.
        let loss = |candidate: Candidate| match candidate.form {
            Form::Corrected => 2.0,
            Form::Descent => 0.99,
        };
        let (accepted, tried) = sweep(&mut controller, loss);
        assert_eq!(accepted.unwrap().candidate.form, Form::Descent);
        assert_eq!(tried.len(), TRIALS + 1);
        let (_, tried) = sweep(&mut controller, loss);
        let forms: Vec<Form> = tried.iter().map(|tried| tried.form).collect();
        assert_eq!(forms, [Form::Descent, Form::Corrected, Form::Corrected]);
    }

    #[test]
    fn with_nothing_to_accept_nobody_waits() {
        let arm = |candidate: Candidate| (candidate.form, candidate.scaling);
        let leader = (Form::Corrected, Scaling::Rms);
        for rescue in [
            (Form::Corrected, Scaling::None),
            (Form::Descent, Scaling::Rms),
        ] {
            let mut controller = Controller::new(Fixed::default());
            let loss = |candidate| match arm(candidate) == leader {
                true => 0.95,
                false => 0.99,
            };
            assert!(sweep(&mut controller, loss).1.len() > 1, "all others lose");
            assert_eq!(sweep(&mut controller, loss).1.len(), 1, "and wait");
            let loss = |candidate| match arm(candidate) == rescue {
                true => 0.95,
                false => 2.0,
            };
            let (accepted, _) = sweep(&mut controller, loss);
            assert_eq!(
                accepted.map(|accepted| arm(accepted.candidate)),
                Some(rescue)
            );
        }
    }

    #[test]
    fn the_last_resort_is_a_short_step_of_the_descent_form() {
        for scaling in [None, Some(Scaling::None), Some(Scaling::Rms)] {
            let fixed = Fixed {
                scaling,
                ..Fixed::default()
            };
            let mut controller = Controller::new(fixed);
            let loss = |candidate: Candidate| {
                let short = candidate.form == Form::Descent && candidate.step < 1e-8;
                if short { 0.999 } else { f64::NAN }
            };
            let (accepted, tried) = sweep(&mut controller, loss);
            let candidate = accepted.expect("a decrease").candidate;
            assert_eq!(candidate.form, Form::Descent);
            assert!(candidate.step < 1e-8);
            assert!(scaling.is_none_or(|scaling| candidate.scaling == scaling));
            // The leader had all of its trials before.
            assert!(
                tried
                    .iter()
                    .take(TRIALS)
                    .all(|tried| tried.form == Form::Corrected)
            );
            // It leads from now on, with a step of the size that it found.
            let (accepted, tried) = sweep(&mut controller, |candidate| {
                let short = candidate.step < 1e-7;
                if short { 0.5 } else { 2.0 }
            });
            assert_eq!(tried.len(), 1);
            assert_eq!(accepted.unwrap().candidate.form, Form::Descent);
        }
    }

    #[test]
    fn errors_of_a_trial_end_the_sweep() {
        let error = crate::Error::Device("lost".into());
        let mut trials = 0;
        let mut controller = Controller::new(Fixed::default());
        let found = controller.sweep(1.0, |_| {
            trials += 1;
            Err(error.clone())
        });
        assert_eq!((found, trials), (Err(error), 1));
    }
}
