//! Auxiliary variables: gradient steps with a line search for each sample, all samples at once.

use burn::tensor::Tensor;

use super::{AuxiliaryBlock, Backtracking, SUFFICIENT_DECREASE};

/// The search of each sample. The range of lengths keeps them finite: a sample whose gradient is zero accepts every trial, for
/// hundreds of passes.
const SEARCH: Backtracking = Backtracking {
    growth: 1.5,
    shrink: 3.0,
    trials: 3,
    expands: false,
    lengths: [1e-6, 1e6],
};

/// Keeps lengths finite where the weight of a residual vanishes, as it does behind a head of zeros.
const SMALLEST_WEIGHT: f64 = 1e-30;

/// Moves each sample of an auxiliary block along its own gradient, by the first of up to three falling lengths at which `ψ_n` falls
/// sufficiently; a sample without one stays.
///
/// `lengths`, `[samples, 1]`, are relative to `1/ω_l`; they grow by 1.5 after a success and shrink by 3 after a failure.
/// Returns the moved values, `[samples, d_l]`, and the lengths to start the next pass from. No value leaves the device.
pub fn armijo_pass(
    block: &AuxiliaryBlock<'_>,
    value: Tensor<2>,
    lengths: Tensor<2>,
) -> (Tensor<2>, Tensor<2>) {
    let (before, gradient) = block.value_and_gradient(value.clone());
    let square_norm = (gradient.clone() * gradient.clone()).sum_dim(1);
    let before = before.unsqueeze_dim::<2>(1);
    let width = value.dims()[1];
    let (mut moved, mut lengths) = (value.clone(), lengths);
    let mut waiting = before.clone().equal(before.clone());
    for _ in 0..SEARCH.trials {
        let length = lengths.clone() / block.omega.max(SMALLEST_WEIGHT);
        let candidate = value.clone() - gradient.clone() * length.clone();
        let promised = square_norm.clone() * length * SUFFICIENT_DECREASE;
        let after = block.per_sample(candidate.clone()).unsqueeze_dim::<2>(1);
        // A comparison with NaN is false: values that are not finite are not accepted.
        let falls = after.lower_equal(before.clone() - promised);
        let accepted = falls.clone().bool_and(waiting.clone());
        let rejected = falls.bool_not().bool_and(waiting.clone());
        moved = moved.mask_where(accepted.clone().repeat_dim(1, width), candidate);
        let grown = lengths.clone() * SEARCH.growth;
        let shrunk = lengths.clone() / SEARCH.shrink;
        lengths = lengths
            .mask_where(accepted, grown)
            .mask_where(rejected.clone(), shrunk);
        waiting = rejected;
    }
    let [shortest, longest] = SEARCH.lengths;
    (moved, lengths.clamp(shortest, longest))
}
