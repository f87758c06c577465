//! Samples with many directions that carry little but noise.

use crate::network::Network;
use crate::stage::AffineStage;

/// Features of a sample beyond which many directions carry little but noise. The eigenvectors that `foof` scales its steps along are half
/// as many.
const FEATURES: usize = 192;

/// Returns whether a network sees samples of many features, or images through convolutions.
///
/// Full-batch fits and natural steps scale all directions of the inputs to one size, and so fit the noise of such samples soon. There a
/// start in batches and a weight decay gain up to ten points of test accuracy (docs/results.md, "Generalization"). On the 64 pixels of
/// the digits both lose one.
pub(super) fn sees_wide_samples(network: &Network) -> bool {
    let stages = network.stages();
    let features = stages[0].input_shape().features();
    let positions = |affine: &dyn AffineStage| affine.rows_per_sample() > 1;
    let mut affine = stages.iter().filter_map(|stage| stage.affine());
    features > FEATURES || affine.any(positions)
}
