//! Full-batch sweeps, one after the other.

use burn::module::Module;

use super::control::{Candidate, Controller, Fixed};
use super::full_batch::{FirstStage, FullBatch, FullBatchSettings, Iterate};
use super::gradient_stages::GradientStages;
use super::{ExactConfig, FORM};
use crate::Result;
use crate::batch::Batch;
use crate::device::runs_on_host;
use crate::figure::Figures;
use crate::method::figures::record_conditions;
use crate::method::stage_role::StageRole;
use crate::method::stage_role::set_coefficients;
use crate::method::{DAMPING, PENALIZED_LOSS, SCALING, STEP, Separated, counts};
use crate::network::Network;

/// Floats of the largest temporary array: more would not fit into a CPU's cache.
const CHUNK_FLOATS: usize = 1 << 20;

/// The same on an accelerator, which fewer would leave idle.
const ACCELERATOR_CHUNK_FLOATS: usize = 1 << 24;

/// Samples of a chunk on the CPU at most, so that a small data set still occupies several cores.
const CHUNK_SAMPLES: usize = 2048;

/// Full-batch sweeps, and what they remember of each other.
pub(in crate::method) struct FullBatchSweeps {
    roles: Vec<StageRole>,
    settings: FullBatchSettings,
    pub(super) controller: Controller,
    first: FirstStage,
    /// The stages that move along gradients; `None` when there are none.
    pub(super) gradient_stages: Option<GradientStages>,
    pub(super) iterate: Option<Iterate>,
}

impl FullBatchSweeps {
    /// Sweeps that have seen no samples yet.
    pub(in crate::method) fn new(config: &ExactConfig, network: &Network) -> Self {
        let roles = StageRole::all(network);
        let fixed = Fixed {
            step: config.step,
            damping: config.damping,
            scaling: config.scaling,
        };
        Self {
            settings: FullBatchSettings {
                storage: config.storage,
                chunk: config.chunk.unwrap_or_else(|| default_chunk(network)),
                gram_rows: config.gram_rows,
                ridge: config.ridge,
                weight_decay: config.weight_decay,
            },
            controller: Controller::new(fixed, network.stages().len()),
            first: FirstStage::default(),
            gradient_stages: GradientStages::of(&roles),
            roles,
            iterate: None,
        }
    }

    /// Number of stages.
    pub(super) fn stages(&self) -> usize {
        self.roles.len()
    }

    /// Forgets the arrays that belong to the samples of the last sweep.
    pub(super) fn forget_samples(&mut self) {
        self.iterate = None;
        self.first = FirstStage::default();
    }

    /// One sweep over a whole split, the same as that of the last sweep unless its samples were forgotten.
    pub(in crate::method) fn sweep(
        &mut self,
        model: &mut Separated,
        batch: &Batch,
    ) -> Result<Figures> {
        let network = model.network.clone();
        let samples = FullBatch::new(&network, &self.roles, batch, self.settings);
        let iterate = match self.iterate.take() {
            Some(iterate) => iterate,
            None => samples.forward()?,
        };
        let (mut report, mut iterate) = if samples.has_fits() {
            self.fit(model, &samples, iterate, batch)?
        } else {
            (counts(0, 0), iterate)
        };
        if let Some(gradient_stages) = &mut self.gradient_stages {
            let samples = samples.with(&model.network);
            let found = gradient_stages.descend(&samples, &iterate, &model.network)?;
            let taken = usize::from(found.best.is_some());
            report = report.followed_by(counts(taken, found.trials - taken));
            if let Some(best) = found.best {
                (model.network, iterate) = best.payload;
            }
        }
        let penalized = (self.settings.weight_decay > 0.0).then_some(iterate.loss);
        report.record_some(PENALIZED_LOSS, penalized);
        self.iterate = Some(iterate);
        Ok(report)
    }

    /// The fits of all stages that are fitted, and the iterate that they lead to: the old one when no trial was accepted.
    fn fit(
        &mut self,
        model: &mut Separated,
        samples: &FullBatch<'_>,
        iterate: Iterate,
        batch: &Batch,
    ) -> Result<(Figures, Iterate)> {
        let gradients = samples.backward(&iterate)?;
        let mut best: Option<(Candidate, Iterate)> = None;
        let (first, mut trials) = (&mut self.first, 0);
        let accepted = self.controller.sweep(iterate.loss, |candidate| {
            trials += 1;
            let Some(fitted) = samples.trial(&iterate, &gradients, &candidate, first)? else {
                return Ok(f64::INFINITY);
            };
            let loss = fitted.loss;
            if best.as_ref().is_none_or(|(_, best)| loss < best.loss) {
                best = Some((candidate, fitted));
            }
            Ok(loss)
        })?;
        let Some((accepted, (candidate, fitted))) = accepted.zip(best) else {
            return Ok((counts(0, trials), iterate));
        };
        debug_assert_eq!(accepted.candidate, candidate);
        if model.auxiliary.stages() > 0 {
            let auxiliary = samples.targets(&iterate, &gradients, &candidate)?;
            model.auxiliary.scatter(&batch.selection, auxiliary);
        }
        for (l, coefficients) in fitted.coefficients.iter().enumerate() {
            if let Some(coefficients) = coefficients {
                set_coefficients(&mut model.network, l, coefficients.clone())?;
            }
        }
        let mut report = counts(1, trials - 1)
            .with(FORM, candidate.form.name())
            .with(SCALING, candidate.scaling.name())
            .with(STEP, candidate.step)
            .with(DAMPING, candidate.damping);
        record_conditions(&mut report, &fitted.conditions);
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
    if !network.devices().iter().all(runs_on_host) {
        return (ACCELERATOR_CHUNK_FLOATS / widest).max(1);
    }
    (CHUNK_FLOATS / widest).clamp(1, CHUNK_SAMPLES)
}
