//! The choice between fits and quasi-Newton steps: whichever lowers the loss more for its work leads, and the other one is tried
//! again from time to time.
//!
//! Work is counted in operations, not in seconds, so that a seed gives one history on every machine.

use serde::{Deserialize, Serialize};

use super::control::Patience;

/// Share of the first loss below which quasi-Newton steps have their first turn. Far from a minimum the loss is far from the model
/// that they make of it, and the fits lead deep networks to weights that generalize better.
const LATE: f64 = 0.02;

/// Mean decrease of `ln F` above which a leader is not challenged: each change of the kind costs some sweeps, in which the fits find
/// their step again and the memory of quasi-Newton steps fills.
const FAST: f64 = 0.6;

/// Mean decrease of `ln F` below which a leader is challenged at any loss.
const CREEP: f64 = 0.05;

/// Two kinds of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// Fits of all stages to their targets.
    Fits,
    /// A step of L-BFGS.
    QuasiNewton,
}

impl Kind {
    fn other(self) -> Self {
        match self {
            Self::Fits => Self::QuasiNewton,
            Self::QuasiNewton => Self::Fits,
        }
    }

    /// Sweeps of a trial period: a quasi-Newton method is no better than its memory, and fits have to find their step.
    fn period(self) -> u32 {
        match self {
            Self::Fits => 3,
            Self::QuasiNewton => 5,
        }
    }
}

/// Decrease of `ln F` and the work that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    gain: f64,
    work: f64,
    sweeps: f64,
}

impl Account {
    /// What earlier sweeps still count for, beside a new one.
    const MEMORY: f64 = 0.7;

    /// The same within a trial period, which begins slowly.
    const TRIAL_MEMORY: f64 = 0.5;

    fn rate(self) -> f64 {
        if self.work > 0.0 {
            self.gain / self.work
        } else {
            0.0
        }
    }

    /// Whether the mean decrease of a sweep is at least so much, or not known yet.
    fn gains(self, least: f64) -> bool {
        self.gain >= least * self.sweeps
    }

    /// Adds a sweep, beside which earlier ones count for a share.
    fn add(&mut self, gain: f64, work: f64, share: f64) {
        self.gain = share * self.gain + gain;
        self.work = share * self.work + work;
        self.sweeps = share * self.sweeps + 1.0;
    }
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Turns {
    leader: Kind,
    /// Of the leader.
    leading: Account,
    /// Of the other kind in its trial period.
    challenging: Account,
    /// Sweeps left of the trial period.
    left: u32,
    /// Wait until the next one.
    patience: Patience,
    /// Loss before the first sweep.
    first_loss: Option<f64>,
    /// Whether the leader's last sweep lowered nothing.
    is_stuck: bool,
}

impl Turns {
    /// Fits lead at first: they bring all stages to one scale.
    pub(super) fn new() -> Self {
        Self {
            leader: Kind::Fits,
            leading: Account::default(),
            challenging: Account::default(),
            left: 0,
            patience: Patience::default(),
            first_loss: None,
            is_stuck: false,
        }
    }

    /// Returns the kind of the next sweep, from a loss.
    pub(super) fn next(&mut self, loss: f64) -> Kind {
        let challenger = self.leader.other();
        let first = *self.first_loss.get_or_insert(loss);
        let is_slow = loss <= LATE * first && !self.leading.gains(FAST);
        let is_due = is_slow || self.is_stuck || !self.leading.gains(CREEP);
        if self.left == 0 && is_due && self.patience.is_over() {
            self.left = challenger.period();
            self.challenging = Account::default();
        }
        match self.left {
            0 => self.leader,
            _ => challenger,
        }
    }

    /// Returns whether a kind leads.
    pub(super) fn is_leading(&self, kind: Kind) -> bool {
        kind == self.leader
    }

    /// Learns the decrease of `ln F` in a sweep and its work; a decrease of 0 is a failure.
    pub(super) fn learn(&mut self, kind: Kind, gain: f64, work: f64) {
        if kind == self.leader {
            self.leading.add(gain, work, Account::MEMORY);
            self.is_stuck = gain <= 0.0;
            if self.is_stuck {
                self.patience = Patience::default();
            }
            return;
        }
        self.challenging.add(gain, work, Account::TRIAL_MEMORY);
        self.left = if gain > 0.0 {
            self.left.saturating_sub(1)
        } else {
            0
        };
        if self.left > 0 {
            return;
        }
        let wins = self.challenging.rate() > self.leading.rate();
        if wins {
            self.leader = kind;
            self.leading = self.challenging;
            self.patience = Patience::after(1);
        } else {
            self.patience.learn_in(2 * kind.period());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds of some sweeps in which fits and steps gain so much for their work, from a loss.
    fn run(turns: &mut Turns, loss: f64, sweeps: usize, gains: [f64; 2]) -> Vec<Kind> {
        let sweep = |_| {
            let kind = turns.next(loss);
            let gain = gains[usize::from(kind == Kind::QuasiNewton)];
            turns.learn(kind, gain, 1.0);
            kind
        };
        (0..sweeps).map(sweep).collect()
    }

    fn steps(kinds: &[Kind]) -> usize {
        kinds
            .iter()
            .filter(|&&kind| kind == Kind::QuasiNewton)
            .count()
    }

    #[test]
    fn fits_alone_lead_as_long_as_the_loss_is_near_its_first_value() {
        let mut turns = Turns::new();
        assert_eq!(steps(&run(&mut turns, 1.0, 30, [0.1, 0.3])), 0);
        assert!(steps(&run(&mut turns, 0.9 * LATE, 6, [0.1, 0.3])) > 0);
    }

    #[test]
    fn the_kind_that_gains_more_for_its_work_leads_and_the_other_is_tried_again() {
        for (gains, most) in [([0.1, 0.3], Kind::QuasiNewton), ([0.3, 0.1], Kind::Fits)] {
            let mut turns = Turns::new();
            run(&mut turns, 1.0, 1, gains);
            let kinds = run(&mut turns, 1e-3, 200, gains);
            let led = match most {
                Kind::Fits => kinds.len() - steps(&kinds),
                Kind::QuasiNewton => steps(&kinds),
            };
            assert!(led > 150 && led < 200, "{most:?}: {led}");
        }
    }

    #[test]
    fn a_leader_that_is_fast_is_not_challenged() {
        let mut turns = Turns::new();
        run(&mut turns, 1.0, 1, [0.7, 0.9]);
        assert_eq!(steps(&run(&mut turns, 1e-3, 30, [0.7, 0.9])), 0);
    }

    #[test]
    fn a_leader_that_fails_gives_way_at_once_and_keeps_away_where_the_other_gains() {
        let mut turns = Turns::new();
        run(&mut turns, 1.0, 3, [0.5, 0.5]);
        // Fits stop, far from the minimum.
        assert_eq!(run(&mut turns, 0.9, 1, [0.0, 0.5]), [Kind::Fits]);
        let kinds = run(&mut turns, 0.9, 20, [0.0, 0.5]);
        assert!(steps(&kinds) > 14, "{kinds:?}");
    }

    #[test]
    fn what_is_written_down_goes_on_as_if_nothing_had_happened() {
        let mut turns = Turns::new();
        run(&mut turns, 1.0, 4, [0.3, 0.2]);
        run(&mut turns, 0.01, 3, [0.3, 0.2]);
        let text = toml::to_string(&turns).unwrap();
        let mut read: Turns = toml::from_str(&text).unwrap();
        assert_eq!(read, turns);
        let after = |turns: &mut Turns| run(turns, 0.01, 20, [0.2, 0.3]);
        assert_eq!(after(&mut read), after(&mut turns));
    }
}
