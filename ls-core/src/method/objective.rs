//! The loss that a method lowers.

use crate::figure::Figure;

/// The loss that a method lowers, and what a full-batch sweep promises of it.
///
/// A loop uses it to tell whether a run still makes progress: a method that promises descent and finds none for several sweeps has
/// stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    /// The loss.
    pub loss: ObjectiveLoss,
    /// Whether it never rises in a full-batch sweep, up to rounding.
    pub descends: bool,
}

/// A loss that a method can lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectiveLoss {
    /// The original loss `F` of the training split.
    Original,
    /// The separated loss `S`.
    Separated,
    /// A loss that the method reports itself, under this figure; unknown before the first sweep.
    Reported(Figure),
}

impl Objective {
    /// A method that lowers the original loss, without a promise.
    pub const ORIGINAL: Self = Self {
        loss: ObjectiveLoss::Original,
        descends: false,
    };

    /// A method that lowers the separated loss, without a promise.
    pub const SEPARATED: Self = Self {
        loss: ObjectiveLoss::Separated,
        descends: false,
    };

    /// A method that lowers a loss of its own, without a promise.
    pub const fn reported(figure: Figure) -> Self {
        Self {
            loss: ObjectiveLoss::Reported(figure),
            descends: false,
        }
    }

    /// Promises that the loss never rises in a full-batch sweep.
    pub const fn descending(self) -> Self {
        Self {
            descends: true,
            ..self
        }
    }
}
