//! The work of the parts of a sweep, counted in multiplications and additions of its matrix products.

use super::FullBatch;

/// Pairs of a multiplication and an addition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::method::sweeps) struct Work {
    /// A forward pass with its loss.
    pub forward: f64,
    /// A backward pass to the pre-activations, with the second moments of the output side.
    pub backward: f64,
    /// The gradients of all coefficients behind a backward pass.
    pub coefficients: f64,
    /// Covariances or Gram matrices of the inputs of all stages but the first, and their factors.
    pub inputs: f64,
    /// A metric applied once to a vector of all coefficients.
    pub metric: f64,
    /// The fits of a trial, with its forward pass.
    pub trial: f64,
}

impl FullBatch<'_> {
    /// Counts the work of the parts of a sweep.
    pub(in crate::method::sweeps) fn work(&self) -> Work {
        let mut work = Work {
            forward: 0.0,
            backward: 0.0,
            coefficients: 0.0,
            inputs: 0.0,
            metric: 0.0,
            trial: 0.0,
        };
        let last = self.stages.len() - 1;
        for (l, stage) in self.stages.iter().enumerate() {
            // The work of a stage without coefficients is not known; it is the same in every pass.
            let Some(stage) = stage.affine() else {
                continue;
            };
            let [d_in, d_out] = stage.coefficients().kernel.dims().map(|d| d as f64);
            let rows = self.rows(stage) as f64;
            let product = rows * d_in * d_out;
            let is_curved = self.settings.output_curvature && l < last;
            let moment = if is_curved { rows * d_out * d_out } else { 0.0 };
            let both = d_in * d_in * d_out + if is_curved { d_in * d_out * d_out } else { 0.0 };
            let kept = match stage.rows_per_sample() {
                1 => rows,
                _ => rows.min(self.settings.gram_rows as f64),
            };
            let gram = kept * d_in * d_in + d_in.powi(3);
            work.forward += product;
            work.backward += moment + product;
            work.metric += both;
            work.trial += product + both;
            if l > 0 {
                work.coefficients += product;
                work.inputs += gram;
                work.trial += 2.0 * product + moment + gram;
            }
        }
        work
    }
}
