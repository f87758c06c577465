//! What can go wrong in the library: each variant carries the values that a reader needs to mend it.

/// Result with this crate's [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

/// An error of `ls-core`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting lies outside its range.
    #[error("{field} = {} is not possible: it must be {allowed}", number(*.value))]
    InvalidConfig {
        /// Name of the setting.
        field: &'static str,
        /// The value found.
        value: f64,
        /// The values allowed, in words.
        allowed: &'static str,
    },
    /// Two sizes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    ShapeMismatch {
        /// Which size, in words.
        what: String,
        /// The size that would fit.
        expected: usize,
        /// The size found.
        found: usize,
    },
    /// A method was asked to move a stage that lacks what the method needs.
    #[error("{update} cannot treat stage {stage}: it offers no {needs}")]
    Unsupported {
        /// The update.
        update: &'static str,
        /// Number of the stage, from 1.
        stage: usize,
        /// The missing capability.
        needs: &'static str,
    },
    /// Two stages have a parameter with one identity, which optimizers would take for one parameter.
    #[error(
        "stages {first} and {second} share a parameter, as clones of one module do: make the module of each stage anew"
    )]
    SharedParameter {
        /// Number of the earlier stage, from 1.
        first: usize,
        /// Number of the later stage.
        second: usize,
    },
    /// Self-adaptive weights were asked for where none exist.
    #[error(
        "{0}, which self-adaptive weights need of every stage behind the first; fixed weights (`Weighting::Fixed`) need none"
    )]
    NoSelfAdaptiveWeights(NoLipschitzConstant),
    /// A number left the finite range.
    #[error(
        "{quantity} became non-finite ({value}); smaller steps, larger batches or smaller inputs may help"
    )]
    NotFinite {
        /// Which number.
        quantity: String,
        /// NaN or an infinity.
        value: f64,
    },
    /// A self-adaptive weight does not fit into the precision of the network.
    #[error(
        "the weight of the residuals of stage {stage}, {omega:.1e}, exceeds half the largest number that is computed in: the growth factors of the \
         later stages multiply to too much; use fewer stages, orthogonal initial weights or f64"
    )]
    WeightTooLarge {
        /// Number of the stage, from 1.
        stage: usize,
        /// `ω_l`.
        omega: f64,
    },
    /// A convolution was put behind a stage whose outputs are no images.
    #[error("a convolution needs images, but its input is a vector of {features} features")]
    NotAnImage {
        /// Length of the vector.
        features: usize,
    },
    /// A matrix that must be positive definite is not, even with its ridge.
    #[error(
        "the Gram matrix of a stage's inputs is not positive definite ({0}); raise the damping"
    )]
    NotPositiveDefinite(String),
    /// A name is not known.
    #[error("unknown {kind} `{name}`; there are: {}", known.join(", "))]
    UnknownName {
        /// Kind of thing that was named.
        kind: &'static str,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// Settings cannot be read.
    #[error("{of}: {reason}")]
    Settings {
        /// Owner of the settings.
        of: String,
        /// The mistake, in words.
        reason: String,
    },
    /// A method cannot train on batches of a size.
    #[error("batch-size = {size} is not possible with method `{method}`: {allowed}")]
    BatchSize {
        /// Name of the method.
        method: &'static str,
        /// The size, in words.
        size: String,
        /// The allowed sizes, or the way out, in words.
        allowed: &'static str,
    },
    /// What was saved of a method does not belong to it.
    #[error("the saved state of the method does not fit: {0}")]
    MethodState(String),
    /// Values could not be read from the device.
    #[error("cannot read from the device: {0}")]
    Device(String),
}

/// Why a network has neither a certificate nor self-adaptive weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage {stage} ({name}) states no Lipschitz constant")]
pub struct NoLipschitzConstant {
    /// Number of the stage, from 1.
    pub stage: usize,
    /// Name of its type.
    pub name: &'static str,
}

/// A number as a person would type it.
fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Checks that a setting lies in a range.
///
/// # Errors
/// [`Error::InvalidConfig`] when `inside` is false.
pub fn ensure(inside: bool, field: &'static str, value: f64, allowed: &'static str) -> Result<()> {
    if inside {
        Ok(())
    } else {
        Err(Error::InvalidConfig {
            field,
            value,
            allowed,
        })
    }
}
