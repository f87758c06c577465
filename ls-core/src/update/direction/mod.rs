//! Directions of steps, each with the map from a length to the moved weights.
//!
//! | direction | weights at length `t` | descends |
//! | --- | --- | --- |
//! | [`PreconditionedGradient`] | `W - t (ÂᵀÂ/N + ridge)⁻¹ ∇φ / curvature` | always |
//! | [`AdamDirection`] | `θ - t m/(√v + ε)`, entry by entry | without memory; the means of earlier gradients may lead uphill |

mod adam;
mod preconditioned;

pub(super) use adam::AdamDirection;
pub(super) use preconditioned::PreconditionedGradient;
