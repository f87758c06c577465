//! The fits of a full-batch trial, from front to back, each on the inputs that the fitted stages before it give.

use burn::tensor::Tensor;

use super::gradients::Displacement;
use super::inputs::{FirstStage, no_samples};
use super::{Chunks, FullBatch, Gradients, Iterate, Losses, Storage, found_on};
use crate::linalg::{Affine, Gram};
use crate::method::backward::{output, response};
use crate::method::sweeps::control::{Candidate, Form};
use crate::shards::OnDevice;
use crate::stage::AffineStage;
use crate::{Error, Result};

/// What the fits of a trial aim at.
pub(super) struct Aim<'a> {
    pub iterate: &'a Iterate,
    pub gradients: &'a Gradients,
    pub form: Form,
    pub damping: f64,
    /// Displacements of the stages.
    pub displacements: Vec<Displacement>,
}

impl FullBatch<'_> {
    /// The fits of one candidate, front to back; `None` when they do not stay finite.
    pub(in crate::method::sweeps) fn trial(
        &self,
        iterate: &Iterate,
        gradients: &Gradients,
        candidate: &Candidate,
        first: &mut FirstStage,
    ) -> Result<Option<Iterate>> {
        let count = self.stages.len();
        let mut fitted = Iterate {
            coefficients: Vec::with_capacity(count),
            copies: self.copies(|_| Vec::with_capacity(count)),
            responses: Vec::with_capacity(count),
            loss: 0.0,
            conditions: Vec::with_capacity(count),
        };
        let mut inputs: Chunks = self
            .chunks
            .iter()
            .map(|chunk| chunk.inputs.clone())
            .collect();
        let displacements = match gradients.displacements(candidate) {
            Err(Error::NotPositiveDefinite(_)) => return Ok(None),
            found => found?,
        };
        let aim = Aim {
            iterate,
            gradients,
            form: candidate.form,
            damping: candidate.damping,
            displacements,
        };
        let mut losses = Losses::new();
        for l in 0..count {
            let (coefficients, condition) = match self.fit(l, &aim, &fitted, &inputs, first) {
                Ok(Some((coefficients, condition))) => (Some(coefficients), condition),
                Ok(None) => (None, f64::NAN),
                // Too little damping for these inputs: another trial has more.
                Err(Error::NotPositiveDefinite(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            for (device, copies) in &mut fitted.copies {
                copies.push(coefficients.clone().map(|own| own.on(device)));
            }
            fitted.coefficients.push(coefficients);
            fitted.conditions.push(condition);
            losses = self.propagate(l, &mut fitted, &mut inputs)?;
        }
        fitted.loss = self.loss(losses, &fitted.coefficients)?;
        Ok(fitted.loss.is_finite().then_some(fitted))
    }

    /// New coefficients of stage `l` and the condition of its Gram matrix; `None` for a stage that is not fitted.
    pub(super) fn fit(
        &self,
        l: usize,
        aim: &Aim<'_>,
        fitted: &Iterate,
        inputs: &Chunks,
        first: &mut FirstStage,
    ) -> Result<Option<(Affine, f64)>> {
        let old = aim.iterate.coefficients[l].as_ref();
        let Some((stage, old)) = self.stages[l].affine().zip(old) else {
            return Ok(None);
        };
        let (update, condition) = match &aim.gradients.sums[0] {
            Some(gradient) if l == 0 => self.solve_first(stage, old, gradient, aim, first)?,
            _ => self.solve(l, stage, old, aim, fitted, inputs)?,
        };
        Ok(Some((old.plus(&update), condition)))
    }

    /// The first stage's inputs stand still, so that its residual is the displacement itself in both forms.
    fn solve_first(
        &self,
        stage: &dyn AffineStage,
        old: &Affine,
        gradient: &Affine,
        aim: &Aim<'_>,
        first: &mut FirstStage,
    ) -> Result<(Affine, f64)> {
        let rows = self.rows(stage);
        let gram = || self.first_gram(stage);
        let factor = first.factor(aim.damping, self.settings.ridge, gram)?;
        let displacement = &aim.displacements[0];
        let mean = displacement.of_mean(gradient, rows);
        let right = self.decayed(stage, old, mean, displacement);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The ridge fit of stage `l` to its targets on the inputs that the stages before it now give.
    fn solve(
        &self,
        l: usize,
        stage: &dyn AffineStage,
        old: &Affine,
        aim: &Aim<'_>,
        fitted: &Iterate,
        inputs: &Chunks,
    ) -> Result<(Affine, f64)> {
        let mut cross: Option<Affine> = None;
        let mut gram: Option<Gram> = None;
        let displacement = &aim.displacements[l];
        let copies = self.copies(|device| displacement.clone().on(device));
        self.for_each_chunk(
            |c| {
                let rows = stage.rows(self.input(l, c, fitted, inputs));
                let (u, g) = self.at(l, c, aim.iterate, aim.gradients);
                let own = found_on(&copies, self.device(c));
                let mut residual = own.unwrap_or(displacement).of(g);
                let old = aim.iterate.coefficients_on(self.device(c));
                if let (Form::Corrected, Some(old)) = (aim.form, &old[l]) {
                    residual = residual + u - stage.pre_activations(old, rows.clone());
                }
                let part = Affine::pull_back(rows.clone(), residual);
                Ok((part, Gram::from_rows(self.subset(l, c, stage, rows))))
            },
            |(part, own)| {
                self.add(&mut cross, part, |sum, part| sum.plus(&part));
                self.add(&mut gram, own, Gram::plus);
            },
        )?;
        let (Some(cross), Some(gram)) = (cross, gram) else {
            return Err(no_samples());
        };
        let (cross, gram) = (cross.on(&self.home), gram.on(&self.home));
        let factor = gram.factor(aim.damping, self.settings.ridge)?;
        let mean = cross.scaled(1.0 / self.rows(stage) as f64);
        let right = self.decayed(stage, old, mean, displacement);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The right-hand side of a fit, a mean over rows, with the pull of weight decay towards zero: `-τ c_l λ W_l M_l`, in the units
    /// of a mean over samples as the loss.
    fn decayed(
        &self,
        stage: &dyn AffineStage,
        old: &Affine,
        right: Affine,
        displacement: &Displacement,
    ) -> Affine {
        if self.settings.weight_decay == 0.0 {
            return right;
        }
        let rows = stage.rows_per_sample() as f64;
        let pull = displacement.of(old.kernel.clone()) * (self.settings.weight_decay / rows);
        Affine {
            kernel: right.kernel + pull,
            bias: right.bias,
        }
    }

    /// Responses and outputs of stage `l` at its new coefficients; the cross-entropies behind the last stage.
    fn propagate(&self, l: usize, fitted: &mut Iterate, inputs: &mut Chunks) -> Result<Losses> {
        let stored = self.settings.storage == Storage::Stored;
        let is_last = l + 1 == self.stages.len();
        if !stored && !is_last {
            return Ok(Losses::new());
        }
        let mut responses = Chunks::new();
        let mut outputs = Chunks::new();
        let mut losses = Losses::new();
        self.for_each_chunk(
            |c| {
                let input = self.input(l, c, fitted, inputs);
                let network = self.network(c);
                let part = &self.parts(&network)[l];
                let coefficients = fitted.coefficients_on(self.device(c));
                let response = response(part, coefficients[l].as_ref(), &input);
                let output = output(part, response.clone(), &input);
                let losses = is_last.then(|| self.losses(output.clone(), c));
                Ok((response, output, losses))
            },
            |(response, output, own)| {
                if stored {
                    responses.push(response);
                    outputs.push(output);
                }
                losses.extend(own);
            },
        )?;
        if stored {
            *inputs = outputs;
            fitted.responses.push(responses);
        }
        Ok(losses)
    }

    /// `h_{l-1}` of a chunk at the coefficients fitted so far.
    fn input(&self, l: usize, c: usize, fitted: &Iterate, inputs: &Chunks) -> Tensor<2> {
        match self.settings.storage {
            Storage::Stored => inputs[c].clone(),
            Storage::Recomputed => {
                let network = self.network(c);
                let parts = self.parts(&network);
                let coefficients = fitted.coefficients_on(self.device(c));
                let parts = parts.iter().zip(coefficients).take(l);
                parts.fold(inputs[c].clone(), |h, (part, coefficients)| {
                    output(part, response(part, coefficients.as_ref(), &h), &h)
                })
            }
        }
    }

    /// `u_l` and `∂ce/∂u_l` of a chunk at an iterate.
    fn at(
        &self,
        l: usize,
        c: usize,
        iterate: &Iterate,
        gradients: &Gradients,
    ) -> (Tensor<2>, Tensor<2>) {
        match self.settings.storage {
            Storage::Stored => (
                iterate.responses[l][c].clone(),
                gradients.stored[l][c].clone(),
            ),
            Storage::Recomputed => (
                self.responses(iterate, c).swap_remove(l),
                self.gradients(iterate, c).swap_remove(l),
            ),
        }
    }
}
