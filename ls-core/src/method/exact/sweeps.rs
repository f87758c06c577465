//! Full-batch sweeps, one after the other.

use burn::tensor::Tensor;

use super::control::{Candidate, Controller, Fixed};
use super::full_batch::{FirstStage, FullBatch, FullBatchSettings, Gradients, Iterate, SumsOf};
use super::gradient_stages::GradientStages;
use super::quasi_newton::QuasiNewton;
use super::turns::{Kind, Turns};
use super::{ExactConfig, FORM, OUTPUT_DAMPING};
use crate::Result;
use crate::batch::Batch;
use crate::figure::Figures;
use crate::linalg::is_all;
use crate::method::chunks::default_chunk;
use crate::method::figures::record_conditions;
use crate::method::stage_role::StageRole;
use crate::method::stage_role::set_all_coefficients;
use crate::method::{DAMPING, PENALIZED_LOSS, SCALING, STEP, Separated, counts};
use crate::network::Network;

/// Full-batch sweeps, and what they remember of each other.
pub(in crate::method) struct FullBatchSweeps {
    roles: Vec<StageRole>,
    settings: FullBatchSettings,
    pub(super) controller: Controller,
    first: FirstStage,
    /// The stages that move along gradients; `None` when there are none.
    pub(super) gradient_stages: Option<GradientStages>,
    pub(super) iterate: Option<Iterate>,
    /// Those of the iterate, where the last step left them.
    gradients: Option<Gradients>,
    /// Steps between the fits; `None` where there are none.
    pub(super) quasi_newton: Option<(Turns, QuasiNewton)>,
}

impl FullBatchSweeps {
    /// Sweeps that have seen no samples yet.
    pub(in crate::method) fn new(config: &ExactConfig, network: &Network) -> Self {
        let roles = StageRole::all(network);
        let fixed = Fixed {
            step: config.step,
            damping: config.damping,
            scaling: config.scaling,
            output_damping: config.output_damping,
            output_curvature: config.output_curvature,
        };
        Self {
            settings: FullBatchSettings {
                storage: config.storage,
                chunk: config.chunk.unwrap_or_else(|| default_chunk(network)),
                gram_rows: config.gram_rows,
                ridge: config.ridge,
                weight_decay: config.weight_decay,
                output_curvature: config.output_curvature,
            },
            controller: Controller::new(fixed, network.stages().len()),
            first: FirstStage::default(),
            gradient_stages: GradientStages::of(&roles),
            quasi_newton: has_steps(config, &roles)
                .then(|| (Turns::new(), QuasiNewton::new(config.history))),
            roles,
            iterate: None,
            gradients: None,
        }
    }

    /// Samples of a chunk.
    pub(super) fn chunk(&self) -> usize {
        self.settings.chunk
    }

    /// Number of stages.
    pub(super) fn stages(&self) -> usize {
        self.roles.len()
    }

    /// Forgets the arrays that belong to the samples of the last sweep.
    pub(super) fn forget_samples(&mut self) {
        self.iterate = None;
        self.gradients = None;
        self.first = FirstStage::default();
    }

    /// `u_1` of the samples of the last sweep by chunk, where it is kept and at the weights of `network`. Its product with the inputs is
    /// often the largest.
    pub(super) fn first_stage(&self, network: &Network) -> Option<&[Tensor<2>]> {
        let (own, pre_activations) = self.iterate.as_ref()?.first_stage()?;
        let found = network.stages()[0].affine()?.coefficients();
        let same_kernel = is_all(own.kernel.clone().equal(found.kernel));
        let is_same = same_kernel && is_all(own.bias.clone().equal(found.bias));
        is_same.then_some(pre_activations)
    }

    /// Forgets all that other samples have taught; the controller starts from where it is.
    pub(super) fn forget_history(&mut self) {
        if let Some((_, quasi_newton)) = &mut self.quasi_newton {
            quasi_newton.forget();
        }
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
            self.step(model, &samples, iterate)?
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
                self.gradients = None;
            }
        }
        let penalized = (self.settings.weight_decay > 0.0).then_some(iterate.loss);
        report.record_some(PENALIZED_LOSS, penalized);
        self.iterate = Some(iterate);
        Ok(report)
    }

    /// One step of the kind whose turn it is, and the iterate that it leads to: the old one when no trial was accepted.
    fn step(
        &mut self,
        model: &mut Separated,
        samples: &FullBatch<'_>,
        iterate: Iterate,
    ) -> Result<(Figures, Iterate)> {
        let before = iterate.loss;
        let turn = match &mut self.quasi_newton {
            Some((turns, _)) => turns.next(before),
            None => Kind::Fits,
        };
        let sums_of = match turn {
            Kind::Fits => SumsOf::FirstStage,
            Kind::QuasiNewton => SumsOf::AllStages,
        };
        let known = self.gradients.take();
        let known = known.filter(|known| turn == Kind::Fits || known.sums_of == sums_of);
        let gradients = match known {
            Some(gradients) => gradients,
            None => samples.backward(&iterate, sums_of)?,
        };
        let (taken, work) = match turn {
            Kind::Fits => self.fit(model, samples, &iterate, &gradients)?,
            Kind::QuasiNewton => self.quasi_newton_step(model, samples, &iterate, &gradients)?,
        };
        let (report, after) = taken;
        let gain = after
            .as_ref()
            .map_or(0.0, |after| (before / after.loss).ln());
        if let Some((turns, _)) = &mut self.quasi_newton {
            turns.learn(turn, gain, work);
        }
        let unchanged = after.is_none();
        let iterate = after.unwrap_or(iterate);
        if unchanged {
            self.gradients = Some(gradients);
        }
        Ok((report, iterate))
    }

    /// The fits of all stages that are fitted, with their work.
    fn fit(
        &mut self,
        model: &mut Separated,
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        gradients: &Gradients,
    ) -> Result<Taken> {
        let mut best: Option<(Candidate, Iterate)> = None;
        let (first, mut trials) = (&mut self.first, 0);
        let is_leading = match &self.quasi_newton {
            Some((turns, _)) => turns.is_leading(Kind::Fits),
            None => true,
        };
        let trial = |candidate: Candidate| {
            trials += 1;
            let Some(fitted) = samples.trial(iterate, gradients, &candidate, first)? else {
                return Ok(f64::INFINITY);
            };
            let loss = fitted.loss;
            if best.as_ref().is_none_or(|(_, best)| loss < best.loss) {
                best = Some((candidate, fitted));
            }
            Ok(loss)
        };
        let accepted = match is_leading {
            true => self.controller.sweep(iterate.loss, trial)?,
            false => self.controller.brief_sweep(iterate.loss, trial)?,
        };
        let parts = samples.work();
        let work = parts.backward + trials as f64 * parts.trial;
        let Some((accepted, (candidate, fitted))) = accepted.zip(best) else {
            return Ok(((counts(0, trials), None), work));
        };
        debug_assert_eq!(accepted.candidate, candidate);
        set_all_coefficients(&mut model.network, &fitted.coefficients)?;
        let mut report = counts(1, trials - 1)
            .with(FORM, candidate.form.name())
            .with(SCALING, candidate.scaling.name())
            .with(STEP, candidate.step)
            .with(DAMPING, candidate.damping);
        report.record_some(OUTPUT_DAMPING, candidate.output_damping);
        record_conditions(&mut report, &fitted.conditions);
        Ok(((report, Some(fitted)), work))
    }

    /// One quasi-Newton step, with its work.
    fn quasi_newton_step(
        &mut self,
        model: &mut Separated,
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        gradients: &Gradients,
    ) -> Result<Taken> {
        let candidate = self.controller.leading();
        let parts = samples.work();
        let Some((_, quasi_newton)) = &mut self.quasi_newton else {
            return Ok(((counts(0, 0), None), 0.0));
        };
        let found = quasi_newton.step(
            &mut model.network,
            samples,
            iterate,
            gradients,
            &candidate,
            &mut self.first,
        )?;
        let once = parts.backward + parts.coefficients + 2.0 * parts.metric;
        let Some(found) = found else {
            return Ok(((counts(0, 1), None), once + parts.forward));
        };
        let refresh = if found.refreshed { parts.inputs } else { 0.0 };
        let work = once + refresh + found.trials as f64 * parts.forward;
        let report = counts(1, found.trials - 1)
            .with(FORM, QUASI_NEWTON)
            .with(STEP, found.length);
        self.gradients = Some(found.gradients);
        Ok(((report, Some(found.iterate)), work))
    }
}

/// A report with the iterate that was reached, and the work.
type Taken = ((Figures, Option<Iterate>), f64);

/// Name of the step in reports.
const QUASI_NEWTON: &str = "quasi-newton";

/// Whether all stages that move are fitted: only then are the coefficients all that the loss depends on.
fn has_steps(config: &ExactConfig, roles: &[StageRole]) -> bool {
    config.history > 0 && !roles.contains(&StageRole::Gradient)
}
