//! What is minimized and what is reported.
//!
//! [`cross_entropy`] is the original loss of one sample; [`Weighting`] turns Lipschitz constants into the weights of the
//! residuals; [`OutputLoss`] is what one block compares a stage's output with; [`measure`] reports the original loss, the
//! separated loss and the certificate over a whole split.

pub mod cross_entropy;
mod measure;
mod output_loss;
mod weighting;

pub use measure::{Measurement, SampleTerms, SeparatedFigures, measure, sample_terms};
pub use output_loss::OutputLoss;
pub use weighting::{KAPPA, Weighting, Weights};
