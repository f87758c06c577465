//! Shapes of weights in the layout of `PyTorch`'s modules.

use ls_core::shape::FeatureShape;
use ls_core::stage::AnyStage;

/// Returns the shape of a stage's transposed kernel, `[d_out, d_in]`, or of a convolution `[c_out, c_in, k, k]` with `d_in = c_in k²`.
pub(crate) fn weight_shape(stage: &AnyStage, d_in: usize, d_out: usize) -> Vec<usize> {
    match (stage, stage.input_shape()) {
        (
            AnyStage::Convolution(_) | AnyStage::ResidualConvolution(_),
            FeatureShape::Image { channels, .. },
        ) => {
            let side = (d_in / channels).isqrt();
            vec![d_out, channels, side, side]
        }
        _ => vec![d_out, d_in],
    }
}
