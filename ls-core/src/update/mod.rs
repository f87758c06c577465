//! Updates: how one block of the separated loss moves while all others are held fixed.
//!
//! An update is a *direction* times a *length*, and each can be replaced alone. The directions are in `direction/`; lengths come
//! from trials on the terms of the separated loss that hold the block, so a step that would raise it is not taken.
//!
//! | update | block | direction | length |
//! | --- | --- | --- | --- |
//! | [`GramStep`] | weights of a stage with the affine view | preconditioned gradient | [`Backtracking`], [`Decrease::Sufficient`] |
//! | [`GradientStep`] | weights of any stage, any other objective | Adam's, with and without memory | [`Backtracking`], [`Decrease::Noticeable`] |
//! | [`armijo_pass`] | auxiliary variable of a stage | gradient of each sample | the same settings, searched by all samples at once |
//! | [`auxiliary_pass`], [`feasible_pass`] | the same for all stages, from the last to the first | | |
//! | [`restart`] | all auxiliary variables | to the forward pass | 0 or 1 for each sample |
//! | [`optimize_weights`], [`optimize_auxiliary`] | both | that of a Burn optimizer | learning rate, without a guarantee |
//!
//! # Adding an update
//!
//! 1. Write `update/NAME.rs` with a function or a type that takes an [`AuxiliaryBlock`] or a [`WeightBlock`] and a first length, and
//!    reports the length to begin with the next time; for weights that is a [`WeightStep`]. Compute a direction, and pass the
//!    objective along it to [`Backtracking::run`]. A direction of its own goes to `direction/NAME.rs`.
//! 2. Declare the file and re-export its item in this `mod.rs`.
//! 3. Add a line to `all_updates` in `tests/common/updates.rs`: the laws of `tests/laws.rs` then hold it to its objective, for all
//!    activations, all kinds of weights, and first lengths that are far too large or too small.
//!
//! A method that uses the update is another matter: [`crate::method`].

mod armijo;
mod auxiliary_pass;
mod block;
mod direction;
mod gradient_step;
mod gradients;
mod gram_step;
mod line_search;
mod optimizer_step;
mod restart;

pub use armijo::armijo_pass;
pub use auxiliary_pass::{
    AuxiliaryPass, FIRST_AUXILIARY_STEP, FeasiblePass, auxiliary_pass, feasible_pass,
};
pub use block::{AuxiliaryBlock, Penalty, WeightBlock, WeightStep};
pub use gradient_step::GradientStep;
pub(crate) use gradients::{add_gradients, copied, tracked};
pub use gram_step::GramStep;
pub use line_search::{
    AcceptedTrial, Backtracking, Decrease, NOTICEABLE, SUFFICIENT_DECREASE, SearchOutcome,
    is_noticeable_decrease,
};
pub use optimizer_step::{optimize_auxiliary, optimize_weights};
pub use restart::restart;
