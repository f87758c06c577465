//! Full-batch sweeps, one after the other.

use burn::module::Module;

use super::control::{Candidate, Controller, Fixed};
use super::full_batch::{FirstStage, FullBatch, Point, Settings, is_accelerator};
use super::opaque::Opaque;
use super::{ExactConfig, set_coefficients};
use crate::Result;
use crate::batch::Batch;
use crate::method::role::Role;
use crate::method::{Separated, SweepReport};
use crate::network::Network;

/// Floats of the largest temporary array: more would not fit into a CPU's cache.
const CHUNK_FLOATS: usize = 1 << 20;

/// The same on an accelerator, which fewer would leave idle.
const ACCELERATOR_CHUNK_FLOATS: usize = 1 << 24;

/// Samples of a chunk on the CPU at most, so that a small data set still occupies several cores.
const CHUNK_SAMPLES: usize = 2048;

/// Full-batch sweeps, and what they remember of each other.
pub(super) struct FullBatchSweeps {
    pub roles: Vec<Role>,
    settings: Settings,
    pub controller: Controller,
    first: FirstStage,
    /// Of the stages that move along gradients; `None` when there are none.
    pub opaque: Option<Opaque>,
    pub point: Option<Point>,
}

impl FullBatchSweeps {
    pub(super) fn new(fixed: Fixed, config: &ExactConfig, network: &Network) -> Self {
        let roles = Role::all(network);
        Self {
            settings: Settings {
                storage: config.storage,
                chunk: config.chunk.unwrap_or_else(|| default_chunk(network)),
                gram_rows: config.gram_rows,
                ridge: config.ridge,
                weight_decay: config.weight_decay,
            },
            controller: Controller::new(fixed, network.stages().len()),
            first: FirstStage::default(),
            opaque: Opaque::of(&roles),
            roles,
            point: None,
        }
    }

    pub(super) fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<SweepReport> {
        let network = model.network.clone();
        let samples = FullBatch::new(&network, &self.roles, batch, self.settings);
        let point = match self.point.take() {
            Some(point) => point,
            None => samples.forward()?,
        };
        let (mut report, mut point) = if samples.has_fits() {
            self.fit(model, &samples, point, batch)?
        } else {
            (SweepReport::default(), point)
        };
        if let Some(opaque) = &mut self.opaque {
            let samples = samples.with(&model.network);
            let found = opaque.descend(&samples, &point, &model.network)?;
            let trials = found.trials;
            let taken = usize::from(found.best.is_some());
            report.accepted += taken;
            report.rejected += trials - taken;
            if let Some(best) = found.best {
                (model.network, point) = best.payload;
            }
        }
        report.penalized_loss = (self.settings.weight_decay > 0.0).then_some(point.loss);
        self.point = Some(point);
        Ok(report)
    }

    /// The fits of all stages that are fitted, and the point that they lead to: the old one when no trial was accepted.
    fn fit(
        &mut self,
        model: &mut Separated,
        samples: &FullBatch<'_>,
        point: Point,
        batch: &Batch,
    ) -> Result<(SweepReport, Point)> {
        let gradients = samples.backward(&point)?;
        let mut best: Option<(Candidate, Point)> = None;
        let (first, mut trials) = (&mut self.first, 0);
        let accepted = self.controller.sweep(point.loss, |candidate| {
            trials += 1;
            let Some(fitted) = samples.trial(&point, &gradients, &candidate, first)? else {
                return Ok(f64::INFINITY);
            };
            let loss = fitted.loss;
            if best.as_ref().is_none_or(|(_, best)| loss < best.loss) {
                best = Some((candidate, fitted));
            }
            Ok(loss)
        })?;
        let Some((accepted, (candidate, fitted))) = accepted.zip(best) else {
            return Ok((SweepReport::counts(0, trials), point));
        };
        debug_assert_eq!(accepted.candidate, candidate);
        if model.auxiliary.stages() > 0 {
            let auxiliary = samples.targets(&point, &gradients, &candidate)?;
            model.auxiliary.scatter(&batch.selection, auxiliary);
        }
        for (l, coefficients) in fitted.coefficients.iter().enumerate() {
            if let Some(coefficients) = coefficients {
                set_coefficients(&mut model.network, l, coefficients.clone())?;
            }
        }
        let report = SweepReport {
            candidate: Some(candidate),
            conditions: fitted.conditions.clone(),
            ..SweepReport::counts(1, trials - 1)
        };
        Ok((report, fitted))
    }
}

fn default_chunk(network: &Network) -> usize {
    let widest = network.stages().iter().map(|stage| match stage.affine() {
        Some(affine) => {
            let [d_in, d_out] = affine.coefficients().kernel.dims();
            affine.rows_per_sample() * d_in.max(d_out)
        }
        // What it computes inside is not known.
        None => {
            let (input, output) = (stage.input_shape(), stage.output_shape());
            input.features().max(output.features())
        }
    });
    let widest = widest.max().unwrap_or(1).max(1);
    if network.devices().iter().any(is_accelerator) {
        return (ACCELERATOR_CHUNK_FLOATS / widest).max(1);
    }
    (CHUNK_FLOATS / widest).clamp(1, CHUNK_SAMPLES)
}
