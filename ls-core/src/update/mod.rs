//! How one block moves while all others stand still.
//!
//! A step is a direction times a length; the length is found by a line search on the block's own part of the separated
//! loss, so a step that would raise it is not taken. The laws in `tests/laws.rs` hold for every update here, and those in
//! `tests/opaque.rs` for [`GradientStep`], which searches on any objective.

mod armijo;
mod gradient_step;
mod gram_step;
mod optimizer_step;
mod restart;

pub use armijo::{AuxiliaryBlock, armijo_pass};
pub use gradient_step::{GradientSearch, GradientStep};
pub(crate) use gradient_step::{add_gradients, tracked};
pub use gram_step::{GramStep, Penalty, WeightBlock, WeightStep};
pub use optimizer_step::{optimize_auxiliary, optimize_weights};
pub use restart::restart;

/// Share of the decrease that the gradient promises which a step must achieve (Armijo).
pub const SUFFICIENT_DECREASE: f64 = 0.1;

/// A decrease of a loss over a whole split counts when it is more than this share of the loss: trials and reports may sum
/// in different orders, and f32 logits move a mean cross-entropy by a few 1e-6 of itself.
pub const NOTICEABLE: f64 = 1e-5;
