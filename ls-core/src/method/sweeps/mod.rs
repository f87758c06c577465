//! Full-batch sweeps, one after the other: fits of all stages to targets, and quasi-Newton steps where the fits slow down. Methods
//! [`exact`](super::exact) and [`foof`](super::foof) are made of them, wholly and in their first step.

mod control;
mod full_batch;
mod gradient_stages;
mod quasi_newton;
mod saved;
mod settings;
mod turns;

pub use control::{Candidate, Form};
pub use full_batch::Storage;
pub(super) use saved::SavedSweeps;
pub(super) use settings::{GRAM_ROWS, SweepSettings};

use burn::tensor::Tensor;

use control::{Controller, Fixed};
use full_batch::{FirstStage, FullBatch, FullBatchSettings, Gradients, Iterate, SumsOf};
use gradient_stages::GradientStages;
use quasi_newton::QuasiNewton;
use turns::{Kind, Turns};

use crate::Result;
use crate::batch::Batch;
use crate::figure::{Figure, Figures};
use crate::linalg::is_all;
use crate::method::chunks::default_chunk;
use crate::method::figures::record_conditions;
use crate::method::stage_role::StageRole;
use crate::method::stage_role::set_all_coefficients;
use crate::method::{DAMPING, PENALIZED_LOSS, SCALING, STEP, Separated, counts};
use crate::network::Network;
use crate::update::is_noticeable_decrease;

/// Form of the fits that a sweep accepted.
pub const FORM: Figure = Figure::new("Form").detail();

/// Damping `ν` of the output side's curvature in the step that a sweep took.
pub const OUTPUT_DAMPING: Figure = Figure::new("Output damping").chart("Steps").detail();

/// Full-batch sweeps, and what they remember of each other.
pub(in crate::method) struct FullBatchSweeps {
    roles: Vec<StageRole>,
    settings: FullBatchSettings,
    controller: Controller,
    first: FirstStage,
    /// The stages that move along gradients; `None` when there are none.
    gradient_stages: Option<GradientStages>,
    iterate: Option<Iterate>,
    /// Those of the iterate, where the last step left them.
    gradients: Option<Gradients>,
    /// Steps between the fits; `None` where there are none.
    quasi_newton: Option<(Turns, QuasiNewton)>,
    /// Least damping of the metric of quasi-Newton steps.
    metric_damping: f64,
}

impl FullBatchSweeps {
    /// Sweeps that have seen no samples yet.
    pub(in crate::method) fn new(config: &SweepSettings, network: &Network) -> Self {
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
            metric_damping: 0.0,
        }
    }

    /// Samples of a chunk.
    pub(in crate::method) fn chunk(&self) -> usize {
        self.settings.chunk
    }

    /// How the stages move.
    pub(in crate::method) fn roles(&self) -> &[StageRole] {
        &self.roles
    }

    /// Number of stages.
    pub(in crate::method) fn stages(&self) -> usize {
        self.roles.len()
    }

    /// Forgets the arrays that belong to the samples of the last sweep.
    pub(in crate::method) fn forget_samples(&mut self) {
        self.iterate = None;
        self.gradients = None;
        self.first = FirstStage::default();
    }

    /// `u_1` of the samples of the last sweep by chunk, where it is kept and at the weights of `network`. Its product with the inputs is
    /// often the largest.
    pub(in crate::method) fn first_stage(&self, network: &Network) -> Option<&[Tensor<2>]> {
        let (own, pre_activations) = self.iterate.as_ref()?.first_stage()?;
        let found = network.stages()[0].affine()?.coefficients();
        let same_kernel = is_all(own.kernel.clone().equal(found.kernel));
        let is_same = same_kernel && is_all(own.bias.clone().equal(found.bias));
        is_same.then_some(pre_activations)
    }

    /// Forgets all that other samples have taught; the controller starts from where it is.
    pub(in crate::method) fn forget_history(&mut self) {
        if let Some((_, quasi_newton)) = &mut self.quasi_newton {
            quasi_newton.forget();
        }
    }

    /// Moves to other weights if the loss falls, noticeably and below a share of its value. Returns the loss at the weights that are
    /// left, and whether they are the other ones. `has_moved` tells whether an earlier call moved.
    pub(in crate::method) fn move_to(
        &mut self,
        model: &mut Separated,
        moved: Network,
        batch: &Batch,
        share: f64,
        has_moved: bool,
    ) -> Result<(f64, bool)> {
        let at = |network| FullBatch::new(network, &self.roles, batch, self.settings).forward();
        let iterate = match self.iterate.take() {
            Some(iterate) => iterate,
            None => at(&model.network)?,
        };
        let found = at(&moved)?;
        let falls = is_noticeable_decrease(iterate.loss, found.loss);
        let is_taken = falls && found.loss < share * iterate.loss;
        let kept = match is_taken {
            true => {
                model.network = moved;
                self.gradients = None;
                found
            }
            false => iterate,
        };
        let loss = kept.loss;
        // A measurement that finds pre-activations rounds otherwise than one that does not. Initial weights were measured without them: while
        // they stay, their loss stays to the bit.
        self.iterate = (is_taken || has_moved).then_some(kept);
        Ok((loss, is_taken))
    }

    /// Replaces `λ`. What the quasi-Newton steps have learnt of another loss is forgotten.
    pub(in crate::method) fn set_weight_decay(&mut self, decay: f64) {
        if self.settings.weight_decay != decay {
            self.settings.weight_decay = decay;
            self.iterate = None;
            self.gradients = None;
            self.forget_history();
        }
    }

    /// Dampens the metric of quasi-Newton steps at least so much.
    pub(in crate::method) fn dampen_metric(&mut self, damping: f64) {
        self.metric_damping = damping;
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
        let leading = self.controller.leading();
        let candidate = Candidate {
            damping: leading.damping.max(self.metric_damping),
            ..leading
        };
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
fn has_steps(config: &SweepSettings, roles: &[StageRole]) -> bool {
    config.history > 0 && !roles.contains(&StageRole::Gradient)
}
