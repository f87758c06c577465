//! The full-batch sweep: targets from one backward pass, fits from front to back.
//!
//! Stages without the affine view stand still in the fits and pass on what comes, forward and back; [`FullBatch::parameter_gradients`] are
//! what they move along afterwards.
//!
//! Everything runs over consecutive chunks of samples, so that working memory does not grow with their number; what does
//! is decided by [`Storage`]. On the CPU the chunks of a pass run in parallel; what they sum up is added in their order, so
//! that a result does not depend on the number of threads.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backward::{Backward, Parameters, backward, output, response};
use super::control::{Candidate, Form};
use crate::batch::{Batch, index_tensor};
use crate::linalg::{Affine, Cholesky, Gram, Ridge, to_f64};
use crate::network::Network;
use crate::objective::cross_entropy;
use crate::stage::{AffineStage, AnyStage};
use crate::update::add_gradients;
use crate::{Error, Result};

/// What a full-batch sweep keeps of its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Pre-activations and displacements of all stages: one forward pass serves a whole sweep.
    Stored,
    /// Nothing: every chunk is passed through the stages again where it is needed, which costs a factor of about the
    /// number of stages.
    Recomputed,
}

/// How sweeps go over their samples, and what damping means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub storage: Storage,
    /// Samples of a chunk.
    pub chunk: usize,
    pub gram_rows: usize,
    pub ridge: Ridge,
    /// `λ`.
    pub weight_decay: f64,
}

/// One tensor per chunk.
type Chunks = Vec<Tensor<2>>;

/// A number for each sample, one tensor per chunk.
type Losses = Vec<Tensor<1>>;

/// Factors of the first stage's Gram matrix that are kept; the damping walks between a few values.
const KEPT_FACTORS: usize = 4;

/// A network with its samples in chunks.
pub(super) struct FullBatch<'a> {
    network: &'a Network,
    chunks: Vec<Batch>,
    samples: usize,
    settings: Settings,
    /// Chunks that are worked on at the same time.
    wave: usize,
}

/// A point in the space of weights, with what a forward pass found there.
pub(super) struct Point {
    /// `V_1, …, V_L`; `None` for a stage without the affine view, whose weights are those of the network.
    pub coefficients: Vec<Option<Affine>>,
    /// `u_l`, or `h_l` of a stage without the affine view, by stage and chunk; empty when recomputed.
    responses: Vec<Chunks>,
    /// `F + λ/2 Σ ‖W_l‖²`, the loss that sweeps lower.
    pub loss: f64,
    /// Estimates of the condition of each stage's Gram matrix with its ridge, NaN where a stage has none; empty where nothing
    /// was fitted.
    pub conditions: Vec<f64>,
}

/// `∂ce_n/∂u_l` at a point, or `∂ce_n/∂h_l` of a stage without the affine view.
pub(super) struct Gradients {
    /// By stage and chunk; empty when recomputed.
    stored: Vec<Chunks>,
    /// Sum of the squares of each stage's entries.
    squares: Vec<f64>,
    /// Rows and columns of each stage's entries; `None` for a stage without the affine view.
    dims: Vec<Option<[usize; 2]>>,
    /// `Â_1ᵀ G_1`, which no trial changes: the first stage's inputs stand still. `None` when it has no affine view.
    first: Option<Affine>,
}

impl Gradients {
    /// `τ c_l` of all stages; 0 where a stage has no displacement.
    pub(super) fn steps(&self, candidate: &Candidate) -> Vec<f64> {
        let factors = candidate.scaling.factors(&self.squares, &self.dims);
        factors.iter().map(|c| candidate.step * c).collect()
    }
}

/// What the fits of a trial aim at.
struct Aim<'a> {
    point: &'a Point,
    gradients: &'a Gradients,
    form: Form,
    damping: f64,
    /// `τ c_l`.
    steps: Vec<f64>,
}

/// Factors of the first stage's Gram matrix, by damping: its inputs never change.
#[derive(Default)]
pub(super) struct FirstStage {
    gram: Option<Gram>,
    factors: Vec<(f64, Cholesky)>,
}

impl FirstStage {
    fn factor(
        &mut self,
        damping: f64,
        ridge: Ridge,
        gram: impl FnOnce() -> Result<Gram>,
    ) -> Result<&Cholesky> {
        if let Some(i) = self.factors.iter().position(|(kept, _)| *kept == damping) {
            let found = self.factors.remove(i);
            self.factors.push(found);
        } else {
            let gram = match &self.gram {
                Some(gram) => gram,
                None => self.gram.insert(gram()?),
            };
            let factor = gram.clone().factor(damping, ridge)?;
            if self.factors.len() == KEPT_FACTORS {
                self.factors.remove(0);
            }
            self.factors.push((damping, factor));
        }
        Ok(&self.factors[self.factors.len() - 1].1)
    }
}

impl<'a> FullBatch<'a> {
    pub(super) fn new(network: &'a Network, batch: &Batch, settings: Settings) -> Self {
        Self {
            network,
            chunks: batch.chunks(settings.chunk).collect(),
            samples: batch.len(),
            wave: if is_accelerator(&batch.inputs.device()) {
                1
            } else {
                rayon::current_num_threads()
            },
            settings,
        }
    }

    /// The same samples with other stages.
    pub(super) fn with<'b>(&self, network: &'b Network) -> FullBatch<'b> {
        FullBatch {
            network,
            chunks: self.chunks.clone(),
            ..*self
        }
    }

    /// Forward pass at the network's own weights.
    pub(super) fn forward(&self) -> Result<Point> {
        let stages = self.stages().iter();
        let coefficients = stages.map(|stage| Some(stage.affine()?.coefficients()));
        self.evaluate(coefficients.collect(), &[], Vec::new())
    }

    /// Forward pass where the stages from `first` on have changed since a point was found, though not their coefficients.
    pub(super) fn forward_from(&self, first: usize, point: &Point) -> Result<Point> {
        let known = point.responses.get(..first).unwrap_or_default();
        let conditions = point.conditions.clone();
        self.evaluate(point.coefficients.clone(), known, conditions)
    }

    /// Forward pass at any coefficients; `known` are the responses of the first stages.
    fn evaluate(
        &self,
        coefficients: Vec<Option<Affine>>,
        known: &[Chunks],
        conditions: Vec<f64>,
    ) -> Result<Point> {
        let mut responses = vec![Chunks::new(); self.stages().len()];
        let mut losses = Losses::new();
        self.for_each_chunk(
            |c| {
                let (responses, logits) = self.pass(&coefficients, c, known);
                Ok((responses, self.losses(logits, c)))
            },
            |(own, loss)| {
                losses.push(loss);
                if self.settings.storage == Storage::Stored {
                    for (stored, response) in responses.iter_mut().zip(own) {
                        stored.push(response);
                    }
                }
            },
        )?;
        Ok(Point {
            loss: self.loss(losses, &coefficients)?,
            coefficients,
            responses,
            conditions,
        })
    }

    /// Backward pass at a point.
    pub(super) fn backward(&self, point: &Point) -> Result<Gradients> {
        let count = self.stages().len();
        let mut stored = vec![Chunks::new(); count];
        let mut squares: Vec<Tensor<1>> = Vec::new();
        let mut dims = vec![None; count];
        let mut first: Option<Affine> = None;
        self.for_each_chunk(
            |c| {
                let gradients = self.gradients(point, c);
                let part = self.stages()[0].affine().map(|stage| {
                    let rows = stage.rows(self.chunks[c].inputs.clone());
                    Affine::pull_back(rows, gradients[0].clone())
                });
                let sums = gradients.iter().map(|g| (g.clone() * g.clone()).sum());
                let sums = Tensor::cat(sums.collect(), 0);
                Ok((gradients, part, sums))
            },
            |(gradients, part, sums)| {
                if let Some(part) = part {
                    add(&mut first, part, |sum, part| sum.plus(&part));
                }
                squares.push(sums);
                for (l, gradient) in gradients.into_iter().enumerate() {
                    if self.stages()[l].affine().is_some() {
                        let [rows, columns] = gradient.dims();
                        let [before, _] = dims[l].unwrap_or_default();
                        dims[l] = Some([before + rows, columns]);
                    }
                    if self.settings.storage == Storage::Stored {
                        stored[l].push(gradient);
                    }
                }
            },
        )?;
        // Leaves the device once per sweep: a number for each stage and chunk.
        let squares = to_f64(Tensor::stack::<2>(squares, 0))?;
        let total = |l: usize| squares.iter().skip(l).step_by(count).sum();
        Ok(Gradients {
            stored,
            squares: (0..count).map(total).collect(),
            dims,
            first,
        })
    }

    /// `∂F/∂θ` of the stages without the affine view, at a point.
    pub(super) fn parameter_gradients(&self, point: &Point) -> Result<GradientsParams> {
        let mut sum = GradientsParams::new();
        self.for_each_chunk(
            |c| Ok(self.backward_pass(point, c, Parameters::Moving).parameters),
            |parts| {
                for (stage, part) in self.stages().iter().zip(parts) {
                    add_gradients(stage, &mut sum, &part, 1.0 / self.samples as f64);
                }
            },
        )?;
        Ok(sum)
    }

    /// The fits of one candidate, front to back; `None` when they do not stay finite.
    pub(super) fn trial(
        &self,
        point: &Point,
        gradients: &Gradients,
        candidate: &Candidate,
        first: &mut FirstStage,
    ) -> Result<Option<Point>> {
        let count = self.stages().len();
        let mut fitted = Point {
            coefficients: Vec::with_capacity(count),
            responses: Vec::with_capacity(count),
            loss: 0.0,
            conditions: Vec::with_capacity(count),
        };
        let mut inputs: Chunks = self
            .chunks
            .iter()
            .map(|chunk| chunk.inputs.clone())
            .collect();
        let aim = Aim {
            point,
            gradients,
            form: candidate.form,
            damping: candidate.damping,
            steps: gradients.steps(candidate),
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
            fitted.coefficients.push(coefficients);
            fitted.conditions.push(condition);
            losses = self.propagate(l, &mut fitted, &mut inputs)?;
        }
        fitted.loss = self.loss(losses, &fitted.coefficients)?;
        Ok(fitted.loss.is_finite().then_some(fitted))
    }

    /// The targets seen after the activations, `a_l = post(u*_l)`, of the hidden stages; `h_l` of those without the affine
    /// view, which have no displacement.
    pub(super) fn targets(
        &self,
        point: &Point,
        gradients: &Gradients,
        candidate: &Candidate,
    ) -> Result<Vec<Tensor<2>>> {
        let hidden = self.network.hidden();
        let steps = gradients.steps(candidate);
        let mut targets = vec![Chunks::new(); hidden];
        self.for_each_chunk(
            |c| {
                let us = self.responses(point, c);
                let gs = self.gradients_at(point, gradients, c);
                let mut input = self.chunks[c].inputs.clone();
                let pairs = us.into_iter().zip(gs).take(hidden).enumerate();
                let target = |(l, (u, g)): (usize, (Tensor<2>, Tensor<2>))| {
                    input = match self.stages()[l].affine() {
                        Some(stage) => stage.post(u - g * steps[l], &input),
                        None => u,
                    };
                    input.clone()
                };
                Ok(pairs.map(target).collect::<Vec<_>>())
            },
            |parts| {
                for (chunks, part) in targets.iter_mut().zip(parts) {
                    chunks.push(part);
                }
            },
        )?;
        let whole = |chunks| Tensor::cat(chunks, 0);
        Ok(targets.into_iter().map(whole).collect())
    }

    /// New coefficients of stage `l` and the condition of its Gram matrix; `None` for a stage without the affine view.
    fn fit(
        &self,
        l: usize,
        aim: &Aim<'_>,
        fitted: &Point,
        inputs: &Chunks,
        first: &mut FirstStage,
    ) -> Result<Option<(Affine, f64)>> {
        let old = aim.point.coefficients[l].as_ref();
        let Some((stage, old)) = self.stages()[l].affine().zip(old) else {
            return Ok(None);
        };
        let (update, condition) = match &aim.gradients.first {
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
        let gram = || {
            let mut gram = None;
            let rows = |c: usize| stage.rows(self.chunks[c].inputs.clone());
            self.for_each_chunk(
                |c| Ok(Gram::of(self.subset(0, c, stage, rows(c)))),
                |part| add(&mut gram, part, Gram::plus),
            )?;
            gram.ok_or_else(no_samples)
        };
        let factor = first.factor(aim.damping, self.settings.ridge, gram)?;
        let scale = -aim.steps[0] / rows as f64;
        let right = self.decayed(stage, old, gradient.scaled(scale), aim.steps[0]);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The ridge fit of stage `l` to its targets on the inputs that the stages before it now give.
    fn solve(
        &self,
        l: usize,
        stage: &dyn AffineStage,
        old: &Affine,
        aim: &Aim<'_>,
        fitted: &Point,
        inputs: &Chunks,
    ) -> Result<(Affine, f64)> {
        let mut cross: Option<Affine> = None;
        let mut gram: Option<Gram> = None;
        self.for_each_chunk(
            |c| {
                let rows = stage.rows(self.input(l, c, fitted, inputs));
                let (u, g) = self.at(l, c, aim.point, aim.gradients);
                let mut residual = g * -aim.steps[l];
                if aim.form == Form::Corrected {
                    residual = residual + u - old.apply(rows.clone());
                }
                let part = Affine::pull_back(rows.clone(), residual);
                Ok((part, Gram::of(self.subset(l, c, stage, rows))))
            },
            |(part, own)| {
                add(&mut cross, part, |sum, part| sum.plus(&part));
                add(&mut gram, own, Gram::plus);
            },
        )?;
        let (Some(cross), Some(gram)) = (cross, gram) else {
            return Err(no_samples());
        };
        let factor = gram.factor(aim.damping, self.settings.ridge)?;
        let mean = cross.scaled(1.0 / self.rows(stage) as f64);
        let right = self.decayed(stage, old, mean, aim.steps[l]);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The right-hand side of a fit, a mean over rows, with the pull of weight decay towards zero: `-τ c_l λ W_l`, in the units of
    /// a mean over samples as the loss.
    fn decayed(&self, stage: &dyn AffineStage, old: &Affine, right: Affine, step: f64) -> Affine {
        if self.settings.weight_decay == 0.0 {
            return right;
        }
        let rows = stage.rows_per_sample() as f64;
        let pull = -step * self.settings.weight_decay / rows;
        Affine {
            kernel: right.kernel + old.kernel.clone() * pull,
            bias: right.bias,
        }
    }

    /// `F + λ/2 Σ ‖W_l‖²` from the cross-entropies of all samples.
    fn loss(&self, losses: Losses, coefficients: &[Option<Affine>]) -> Result<f64> {
        let decay = self.settings.weight_decay;
        let kernels = coefficients.iter().flatten().map(|stage| &stage.kernel);
        let squares = kernels
            .filter(|_| decay > 0.0)
            .map(|kernel| (kernel.clone() * kernel.clone()).sum());
        // Leaves the device once per trial: the loss decides whether the step is taken.
        let mut figures = to_f64(Tensor::cat(losses.into_iter().chain(squares).collect(), 0))?;
        let squares: f64 = figures.split_off(self.samples).iter().sum();
        let chunks = figures.chunks(self.settings.chunk.max(1));
        let sum: f64 = chunks.map(|chunk| chunk.iter().sum::<f64>()).sum();
        Ok(sum / self.samples as f64 + 0.5 * decay * squares)
    }

    /// Responses and outputs of stage `l` at its new coefficients; the cross-entropies behind the last stage.
    fn propagate(&self, l: usize, fitted: &mut Point, inputs: &mut Chunks) -> Result<Losses> {
        let stored = self.settings.storage == Storage::Stored;
        let is_last = l == self.network.hidden();
        if !stored && !is_last {
            return Ok(Losses::new());
        }
        let stage = &self.stages()[l];
        let mut responses = Chunks::new();
        let mut outputs = Chunks::new();
        let mut losses = Losses::new();
        self.for_each_chunk(
            |c| {
                let input = self.input(l, c, fitted, inputs);
                let response = response(stage, fitted.coefficients[l].as_ref(), &input);
                let output = output(stage, response.clone(), &input);
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
    fn input(&self, l: usize, c: usize, fitted: &Point, inputs: &Chunks) -> Tensor<2> {
        match self.settings.storage {
            Storage::Stored => inputs[c].clone(),
            Storage::Recomputed => {
                let stages = self.stages().iter().zip(&fitted.coefficients).take(l);
                stages.fold(inputs[c].clone(), |h, (stage, coefficients)| {
                    output(stage, response(stage, coefficients.as_ref(), &h), &h)
                })
            }
        }
    }

    /// `u_l` and `∂ce/∂u_l` of a chunk at a point.
    fn at(
        &self,
        l: usize,
        c: usize,
        point: &Point,
        gradients: &Gradients,
    ) -> (Tensor<2>, Tensor<2>) {
        match self.settings.storage {
            Storage::Stored => (
                point.responses[l][c].clone(),
                gradients.stored[l][c].clone(),
            ),
            Storage::Recomputed => (
                self.responses(point, c).swap_remove(l),
                self.gradients(point, c).swap_remove(l),
            ),
        }
    }

    /// `u_1, …, u_L` of a chunk at a point.
    fn responses(&self, point: &Point, c: usize) -> Vec<Tensor<2>> {
        match self.settings.storage {
            Storage::Stored => point
                .responses
                .iter()
                .map(|chunks| chunks[c].clone())
                .collect(),
            Storage::Recomputed => self.pass(&point.coefficients, c, &[]).0,
        }
    }

    fn gradients_at(&self, point: &Point, gradients: &Gradients, c: usize) -> Vec<Tensor<2>> {
        match self.settings.storage {
            Storage::Stored => gradients
                .stored
                .iter()
                .map(|chunks| chunks[c].clone())
                .collect(),
            Storage::Recomputed => self.gradients(point, c),
        }
    }

    /// Responses of all stages, and the logits; `known` are the responses of the first stages.
    fn pass(
        &self,
        coefficients: &[Option<Affine>],
        c: usize,
        known: &[Chunks],
    ) -> (Vec<Tensor<2>>, Tensor<2>) {
        let mut h = self.chunks[c].inputs.clone();
        let stages = self.stages().iter().zip(coefficients).enumerate();
        let responses = stages.map(|(l, (stage, coefficients))| {
            let response = match known.get(l) {
                Some(chunks) => chunks[c].clone(),
                None => response(stage, coefficients.as_ref(), &h),
            };
            h = output(stage, response.clone(), &h);
            response
        });
        (responses.collect(), h)
    }

    /// `∂ce_n/∂u_{l,n}` of all stages, of single samples: not divided by their number.
    fn gradients(&self, point: &Point, c: usize) -> Vec<Tensor<2>> {
        self.backward_pass(point, c, Parameters::Standing).gradients
    }

    fn backward_pass(&self, point: &Point, c: usize, parameters: Parameters) -> Backward {
        let pre_activation = |l: usize, input: &Tensor<2>| match self.settings.storage {
            Storage::Stored => point.responses[l][c].clone(),
            Storage::Recomputed => {
                let coefficients = point.coefficients[l].as_ref();
                response(&self.stages()[l], coefficients, input)
            }
        };
        let chunk = &self.chunks[c];
        backward(self.stages(), chunk, parameters, pre_activation, |_, _| ())
    }

    fn stages(&self) -> &'a [AnyStage] {
        self.network.stages()
    }

    /// Computes something for every chunk, and hands it over in order.
    fn for_each_chunk<T: Send>(
        &self,
        compute: impl Fn(usize) -> Result<T> + Sync,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let count = self.chunks.len();
        // In waves, so that no more than one result for each thread waits to be taken.
        for start in (0..count).step_by(self.wave) {
            let wave = start..(start + self.wave).min(count);
            let results: Vec<Result<T>> = if wave.len() > 1 {
                wave.clone().into_par_iter().map(&compute).collect()
            } else {
                wave.map(&compute).collect()
            };
            for result in results {
                take(result?);
            }
        }
        Ok(())
    }

    /// Rows of a stage over all samples: samples, times the positions of a convolution.
    fn rows(&self, stage: &dyn AffineStage) -> usize {
        self.samples * stage.rows_per_sample()
    }

    /// The rows that enter the Gram matrix: all, or a seeded subset of a convolution's patches. The loss is accepted on
    /// all of them, and any positive definite preconditioner keeps the descent form a descent.
    fn subset(&self, l: usize, c: usize, stage: &dyn AffineStage, rows: Tensor<2>) -> Tensor<2> {
        let (total, count) = (self.rows(stage), rows.dims()[0]);
        if stage.rows_per_sample() == 1 || total <= self.settings.gram_rows {
            return rows;
        }
        let kept = (count * self.settings.gram_rows).div_ceil(total);
        let mut random = ChaCha12Rng::seed_from_u64((l as u64) << 32 | c as u64);
        let indices = rand::seq::index::sample(&mut random, count, kept).into_vec();
        let device = rows.device();
        rows.select(0, index_tensor(&indices, &device))
    }

    /// The cross-entropies of a chunk, still on the device.
    fn losses(&self, logits: Tensor<2>, c: usize) -> Tensor<1> {
        cross_entropy::per_sample(logits, &self.chunks[c].labels)
    }
}

/// Whether a device works through one queue, and is best fed large arrays; otherwise chunks run in parallel.
pub(super) fn is_accelerator(device: &Device) -> bool {
    *device != Device::flex()
}

fn add<T>(sum: &mut Option<T>, part: T, plus: impl FnOnce(T, T) -> T) {
    *sum = Some(match sum.take() {
        Some(sum) => plus(sum, part),
        None => part,
    });
}

fn no_samples() -> Error {
    Error::NotPositiveDefinite("there are no samples".into())
}

#[cfg(test)]
#[path = "full_batch_tests.rs"]
mod tests;
