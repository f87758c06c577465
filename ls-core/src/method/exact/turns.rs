//! The choice between fits and quasi-Newton steps: whichever lowers the loss more for its work leads, and the other one is tried
//! again from time to time.
//!
//! Work is counted in operations, not in seconds, so that a seed gives one history on every machine.

use serde::{Deserialize, Serialize};

use super::control::Patience;

/// Share of the first loss below which quasi-Newton steps have their first turn. Far from a minimum the loss is far from the model
/// that they make of it, and the fits lead deep networks to weights that generalize better.
const LATE: f64 = 0.02;

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

    /// Sweeps of a trial period: a quasi-Newton method is no better than its memory.
    fn period(self) -> u32 {
        match self {
            Self::Fits => 1,
            Self::QuasiNewton => 5,
        }
    }
}

/// Decrease of `ln F` and the work that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    gain: f64,
    work: f64,
}

impl Account {
    /// What earlier sweeps still count for, beside a new one.
    const MEMORY: f64 = 0.7;

    fn rate(self) -> f64 {
        if self.work > 0.0 {
            self.gain / self.work
        } else {
            0.0
        }
    }

    fn add(&mut self, gain: f64, work: f64) {
        self.gain = Self::MEMORY * self.gain + gain;
        self.work = Self::MEMORY * self.work + work;
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
        let is_due = loss <= LATE * first || self.is_stuck;
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
            self.leading.add(gain, work);
            self.is_stuck = gain <= 0.0;
            if self.is_stuck {
                self.patience = Patience::default();
            }
            return;
        }
        self.challenging.gain += gain;
        self.challenging.work += work;
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
            self.patience.learn_in(kind.period());
        }
    }
}
