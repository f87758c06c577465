//! Objectives that are minimized, and the figures that report them.
//!
//! [`cross_entropy`] is the original loss of one sample; [`Weighting`] turns Lipschitz constants into the weights of the
//! residuals; [`OutputLoss`] is the term of the separated loss that a stage's output enters; [`measure`] reports the original
//! loss, the separated loss and the certificate over a whole split; [`calibrated_loss`] is the figure that networks are chosen by.

mod calibration;
pub mod cross_entropy;
mod measure;
mod output_loss;
mod sample_sums;
mod weighting;

pub use calibration::calibrated_loss;
pub(crate) use calibration::measure_calibrated;
pub(crate) use measure::{CHUNK, SampleFigures};
pub use measure::{Measurement, SampleTerms, SeparatedFigures, measure, sample_terms};
pub use output_loss::OutputLoss;
pub(crate) use output_loss::square_norms;
pub(crate) use sample_sums::{sample_sum_count, sample_sums};
pub use weighting::{KAPPA, ReportWeighting, Weighting, Weights};
