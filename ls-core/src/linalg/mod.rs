//! Dense linear algebra that Burn does not offer: norms bounded from above, Gram matrices, Cholesky solves.

mod affine;
mod binary;
mod convolution;
mod covariance;
mod eigenvectors;
mod gram;
mod norm;
mod output_curvature;
mod read;
mod ridge_inverse;

pub use affine::Affine;
pub use binary::binarized;
pub use convolution::{ConvolutionNorm, ConvolutionSizes, Operator};
pub use covariance::{Covariance, Preconditioner};
pub(crate) use eigenvectors::{eigenvectors, leading_eigenvectors, orthonormal};
pub use gram::{Cholesky, Gram, Ridge};
pub use norm::{Norm, exact_spectral_norm};
pub(crate) use output_curvature::{OutputCurvature, OutputMetric};
pub use read::{is_all, mean_f64, scalar_f64, to_f64};
