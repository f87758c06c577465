//! First values and limits of the controller, by the depth of the network.

use crate::method::Scaling;

/// Networks of more stages than the first are deep, than the second very deep.
pub(super) const DEEP: [usize; 2] = [12, 50];

/// The scalings and dampings that suit the depth of a network. Longer steps of the hidden stages and much damping let shallow
/// networks generalize better; they lead deep ones to weights from which nothing lowers the loss any more.
pub(super) struct DepthPreset {
    /// The scalings, the leading one first.
    pub scalings: [Scaling; 2],
    /// `μ` of the first trial.
    pub damping: f64,
    /// Below the first, fits follow their targets into every small direction of the inputs: the loss falls fast, and then the
    /// weights of deep networks are so large that nothing lowers it any more. Above the second a fit is hardly more than a
    /// gradient step: it still lowers the loss, so that a search for decrease alone drifts there, and then creeps (30 stages of
    /// relu).
    pub dampings: [f64; 2],
    /// Least and largest `ν`: less stops deep relu networks early, more lowers the loss less in a sweep.
    pub output_dampings: [f64; 2],
}

impl DepthPreset {
    pub(super) const SHALLOW: Self = Self {
        scalings: [Scaling::Rms, Scaling::Norm],
        damping: 0.3,
        dampings: [0.01, 1.0],
        output_dampings: [0.1, 0.3],
    };

    pub(super) const DEEP: Self = Self {
        scalings: [Scaling::Norm, Scaling::Rms],
        damping: 0.01,
        dampings: [0.01, 0.3],
        output_dampings: [0.1, 0.3],
    };

    /// Less damping leaves a hundred relu stages stuck at once from some seeds, more has not been needed.
    pub(super) const VERY_DEEP: Self = Self {
        scalings: [Scaling::Norm, Scaling::Rms],
        damping: 0.3,
        dampings: [0.3, 0.3],
        output_dampings: [0.3, 0.3],
    };

    /// Returns the preset for a network of so many stages.
    pub(super) fn for_stages(stages: usize) -> Self {
        match stages {
            _ if stages <= DEEP[0] => Self::SHALLOW,
            _ if stages <= DEEP[1] => Self::DEEP,
            _ => Self::VERY_DEEP,
        }
    }
}
