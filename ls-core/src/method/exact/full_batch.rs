//! The full-batch sweep: targets from one backward pass, fits from front to back.
//!
//! Everything runs over consecutive chunks of samples, so that working memory does not grow with their number; what does
//! is decided by [`Storage`]. On the CPU the chunks of a pass run in parallel; what they sum up is added in their order, so
//! that a result does not depend on the number of threads.

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::affine;
use super::backward::backward;
use super::control::{Candidate, Form};
use crate::batch::{Batch, index_tensor};
use crate::linalg::{Affine, Cholesky, Gram, Ridge, to_f64};
use crate::network::Network;
use crate::objective::cross_entropy;
use crate::stage::AffineStage;
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

/// Factors of the first stage's Gram matrix that are kept; the damping walks between a few values.
const KEPT_FACTORS: usize = 4;

/// A network with its samples in chunks.
pub(super) struct FullBatch<'a> {
    stages: Vec<&'a dyn AffineStage>,
    chunks: Vec<Batch>,
    samples: usize,
    settings: Settings,
    /// Chunks that are worked on at the same time.
    wave: usize,
}

/// A point in the space of weights, with what a forward pass found there.
pub(super) struct Point {
    /// `V_1, …, V_L`.
    pub coefficients: Vec<Affine>,
    /// `u_l`, by stage and chunk; empty when recomputed.
    pre_activations: Vec<Chunks>,
    /// `F + λ/2 Σ ‖W_l‖²`, the loss that sweeps lower.
    pub loss: f64,
    /// Estimates of the condition of each stage's Gram matrix with its ridge; empty where nothing was fitted.
    pub conditions: Vec<f64>,
}

/// `∂ce_n/∂u_l` at a point.
pub(super) struct Gradients {
    /// By stage and chunk; empty when recomputed.
    stored: Vec<Chunks>,
    /// Sum of the squares of each stage's entries.
    squares: Vec<f64>,
    /// Rows and columns of each stage's entries.
    dims: Vec<[usize; 2]>,
    /// `Â_1ᵀ G_1`, which no trial changes: the first stage's inputs stand still.
    first: Affine,
}

impl Gradients {
    /// `τ c_l` of all stages.
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
    /// # Errors
    /// [`Error::Unsupported`] for a stage that is not affine before its activation.
    pub(super) fn new(network: &'a Network, batch: &Batch, settings: Settings) -> Result<Self> {
        Ok(Self {
            stages: (0..network.stages().len())
                .map(|l| affine(network, l))
                .collect::<Result<_>>()?,
            chunks: batch.chunks(settings.chunk).collect(),
            samples: batch.len(),
            // An accelerator works through one queue.
            wave: if batch.inputs.device() == Device::flex() {
                rayon::current_num_threads()
            } else {
                1
            },
            settings,
        })
    }

    /// Forward pass at the network's own weights.
    pub(super) fn forward(&self) -> Result<Point> {
        let coefficients: Vec<_> = self
            .stages
            .iter()
            .map(|stage| stage.coefficients())
            .collect();
        let mut pre_activations = vec![Chunks::new(); self.stages.len()];
        let mut sum = 0.0;
        self.for_each_chunk(
            |c| {
                let (us, logits) = self.pass(&coefficients, &self.chunks[c]);
                Ok((us, self.loss_sum(logits, &self.chunks[c])?))
            },
            |(us, loss)| {
                sum += loss;
                if self.settings.storage == Storage::Stored {
                    for (stored, u) in pre_activations.iter_mut().zip(us) {
                        stored.push(u);
                    }
                }
            },
        )?;
        Ok(Point {
            loss: sum / self.samples as f64 + self.penalty(&coefficients)?,
            coefficients,
            pre_activations,
            conditions: Vec::new(),
        })
    }

    /// Backward pass at a point.
    pub(super) fn backward(&self, point: &Point) -> Result<Gradients> {
        let count = self.stages.len();
        let mut stored = vec![Chunks::new(); count];
        let mut squares: Vec<Tensor<1>> = Vec::new();
        let mut dims = vec![[0, 0]; count];
        let mut first: Option<Affine> = None;
        self.for_each_chunk(
            |c| {
                let gradients = self.gradients(point, c);
                let rows = self.stages[0].rows(self.chunks[c].inputs.clone());
                let part = Affine::pull_back(rows, gradients[0].clone());
                let sums = gradients.iter().map(|g| (g.clone() * g.clone()).sum());
                let sums = Tensor::cat(sums.collect(), 0);
                Ok((gradients, part, sums))
            },
            |(gradients, part, sums)| {
                add(&mut first, part, |sum, part| sum.plus(&part));
                squares.push(sums);
                for (l, gradient) in gradients.into_iter().enumerate() {
                    let [rows, columns] = gradient.dims();
                    dims[l] = [dims[l][0] + rows, columns];
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
            first: first.unwrap_or_else(|| point.coefficients[0].scaled(0.0)),
        })
    }

    /// The fits of one candidate, front to back; `None` when they do not stay finite.
    pub(super) fn trial(
        &self,
        point: &Point,
        gradients: &Gradients,
        candidate: &Candidate,
        first: &mut FirstStage,
    ) -> Result<Option<Point>> {
        let mut fitted = Point {
            coefficients: Vec::with_capacity(self.stages.len()),
            pre_activations: Vec::with_capacity(self.stages.len()),
            loss: 0.0,
            conditions: Vec::with_capacity(self.stages.len()),
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
        for l in 0..self.stages.len() {
            let solved = if l == 0 {
                self.solve_first(&aim, first)
            } else {
                self.solve(l, &aim, &fitted, &inputs)
            };
            let (update, condition) = match solved {
                Ok(solved) => solved,
                // Too little damping for these inputs: another trial has more.
                Err(Error::NotPositiveDefinite(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            fitted
                .coefficients
                .push(point.coefficients[l].plus(&update));
            fitted.conditions.push(condition);
            self.propagate(l, &mut fitted, &mut inputs)?;
        }
        fitted.loss = fitted.loss / self.samples as f64 + self.penalty(&fitted.coefficients)?;
        Ok(fitted.loss.is_finite().then_some(fitted))
    }

    /// The targets seen after the activations, `a_l = post(u*_l)`, of the hidden stages.
    pub(super) fn targets(
        &self,
        point: &Point,
        gradients: &Gradients,
        candidate: &Candidate,
    ) -> Result<Vec<Tensor<2>>> {
        let hidden = self.stages.len() - 1;
        let steps = gradients.steps(candidate);
        let mut targets = vec![Chunks::new(); hidden];
        self.for_each_chunk(
            |c| {
                let us = self.pre_activations(point, c);
                let gs = self.gradients_at(point, gradients, c);
                let mut input = self.chunks[c].inputs.clone();
                let pairs = us.into_iter().zip(gs).take(hidden).enumerate();
                let target = |(l, (u, g)): (usize, (Tensor<2>, Tensor<2>))| {
                    let target = u - g * steps[l];
                    input = self.stages[l].post(target, &input);
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

    /// The first stage's inputs stand still, so that its residual is the displacement itself in both forms.
    fn solve_first(&self, aim: &Aim<'_>, first: &mut FirstStage) -> Result<(Affine, f64)> {
        let rows = self.rows(0);
        let gram = || {
            let mut gram = None;
            let rows = |c: usize| self.stages[0].rows(self.chunks[c].inputs.clone());
            self.for_each_chunk(
                |c| Ok(Gram::of(self.subset(0, c, rows(c)))),
                |part| add(&mut gram, part, Gram::plus),
            )?;
            gram.ok_or_else(no_samples)
        };
        let factor = first.factor(aim.damping, self.settings.ridge, gram)?;
        let scale = -aim.steps[0] / rows as f64;
        let right = self.decayed(0, aim.gradients.first.scaled(scale), aim);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The ridge fit of stage `l` to its targets on the inputs that the stages before it now give.
    fn solve(
        &self,
        l: usize,
        aim: &Aim<'_>,
        fitted: &Point,
        inputs: &Chunks,
    ) -> Result<(Affine, f64)> {
        let stage = self.stages[l];
        let mut cross: Option<Affine> = None;
        let mut gram: Option<Gram> = None;
        self.for_each_chunk(
            |c| {
                let rows = stage.rows(self.input(l, c, fitted, inputs));
                let (u, g) = self.at(l, c, aim.point, aim.gradients);
                let mut residual = g * -aim.steps[l];
                if aim.form == Form::Corrected {
                    residual = residual + u - aim.point.coefficients[l].apply(rows.clone());
                }
                let part = Affine::pull_back(rows.clone(), residual);
                Ok((part, Gram::of(self.subset(l, c, rows))))
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
        let mean = cross.scaled(1.0 / self.rows(l) as f64);
        let right = self.decayed(l, mean, aim);
        Ok((factor.solve(&right)?, factor.condition()))
    }

    /// The right-hand side of a fit, a mean over rows, with the pull of weight decay towards zero: `-τ c_l λ W_l`, in the units of
    /// a mean over samples as the loss.
    fn decayed(&self, l: usize, right: Affine, aim: &Aim<'_>) -> Affine {
        if self.settings.weight_decay == 0.0 {
            return right;
        }
        let rows = self.stages[l].rows_per_sample() as f64;
        let pull = -aim.steps[l] * self.settings.weight_decay / rows;
        Affine {
            kernel: right.kernel + aim.point.coefficients[l].kernel.clone() * pull,
            bias: right.bias,
        }
    }

    /// `λ/2 Σ ‖W_l‖²`.
    fn penalty(&self, coefficients: &[Affine]) -> Result<f64> {
        if self.settings.weight_decay == 0.0 {
            return Ok(0.0);
        }
        let squares = coefficients.iter().map(|stage| {
            let kernel = stage.kernel.clone();
            (kernel.clone() * kernel).sum()
        });
        // Leaves the device once per trial, as the loss does.
        let squares = to_f64(Tensor::cat(squares.collect(), 0))?;
        Ok(0.5 * self.settings.weight_decay * squares.iter().sum::<f64>())
    }

    /// Pre-activations and outputs of stage `l` at its new coefficients; the loss behind the last stage.
    fn propagate(&self, l: usize, fitted: &mut Point, inputs: &mut Chunks) -> Result<()> {
        let stored = self.settings.storage == Storage::Stored;
        let is_last = l + 1 == self.stages.len();
        if !stored && !is_last {
            return Ok(());
        }
        let mut pre_activations = Chunks::new();
        let mut outputs = Chunks::new();
        let mut sum = 0.0;
        self.for_each_chunk(
            |c| {
                let input = self.input(l, c, fitted, inputs);
                let u = fitted.coefficients[l].apply(self.stages[l].rows(input.clone()));
                let output = self.stages[l].post(u.clone(), &input);
                let loss = if is_last {
                    self.loss_sum(output.clone(), &self.chunks[c])?
                } else {
                    0.0
                };
                Ok((u, output, loss))
            },
            |(u, output, loss)| {
                if stored {
                    pre_activations.push(u);
                    outputs.push(output);
                }
                sum += loss;
            },
        )?;
        fitted.loss += sum;
        if stored {
            *inputs = outputs;
        }
        if stored {
            fitted.pre_activations.push(pre_activations);
        }
        Ok(())
    }

    /// `h_{l-1}` of a chunk at the coefficients fitted so far.
    fn input(&self, l: usize, c: usize, fitted: &Point, inputs: &Chunks) -> Tensor<2> {
        match self.settings.storage {
            Storage::Stored => inputs[c].clone(),
            Storage::Recomputed => {
                let stages = self.stages.iter().zip(&fitted.coefficients).take(l);
                stages.fold(inputs[c].clone(), |h, (stage, coefficients)| {
                    stage.post(coefficients.apply(stage.rows(h.clone())), &h)
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
                point.pre_activations[l][c].clone(),
                gradients.stored[l][c].clone(),
            ),
            Storage::Recomputed => (
                self.pre_activations(point, c).swap_remove(l),
                self.gradients(point, c).swap_remove(l),
            ),
        }
    }

    /// `u_1, …, u_L` of a chunk at a point.
    fn pre_activations(&self, point: &Point, c: usize) -> Vec<Tensor<2>> {
        match self.settings.storage {
            Storage::Stored => point
                .pre_activations
                .iter()
                .map(|chunks| chunks[c].clone())
                .collect(),
            Storage::Recomputed => self.pass(&point.coefficients, &self.chunks[c]).0,
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

    /// Pre-activations of all stages, and the logits.
    fn pass(&self, coefficients: &[Affine], chunk: &Batch) -> (Vec<Tensor<2>>, Tensor<2>) {
        let mut h = chunk.inputs.clone();
        let stages = self.stages.iter().zip(coefficients);
        let us = stages.map(|(stage, coefficients)| {
            let u = coefficients.apply(stage.rows(h.clone()));
            h = stage.post(u.clone(), &h);
            u
        });
        (us.collect(), h)
    }

    /// `∂ce_n/∂u_{l,n}` of all stages, of single samples: not divided by their number.
    fn gradients(&self, point: &Point, c: usize) -> Vec<Tensor<2>> {
        let pre_activation = |l: usize, input: &Tensor<2>| match self.settings.storage {
            Storage::Stored => point.pre_activations[l][c].clone(),
            Storage::Recomputed => point.coefficients[l].apply(self.stages[l].rows(input.clone())),
        };
        backward(&self.stages, &self.chunks[c], pre_activation).1
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

    /// Rows of stage `l` over all samples: samples, times the positions of a convolution.
    fn rows(&self, l: usize) -> usize {
        self.samples * self.stages[l].rows_per_sample()
    }

    /// The rows that enter the Gram matrix: all, or a seeded subset of a convolution's patches. The loss is accepted on
    /// all of them, and any positive definite preconditioner keeps the descent form a descent.
    fn subset(&self, l: usize, c: usize, rows: Tensor<2>) -> Tensor<2> {
        let (total, count) = (self.rows(l), rows.dims()[0]);
        if self.stages[l].rows_per_sample() == 1 || total <= self.settings.gram_rows {
            return rows;
        }
        let kept = (count * self.settings.gram_rows).div_ceil(total);
        let mut random = ChaCha12Rng::seed_from_u64((l as u64) << 32 | c as u64);
        let indices = rand::seq::index::sample(&mut random, count, kept).into_vec();
        let device = rows.device();
        rows.select(0, index_tensor(&indices, &device))
    }

    /// Sum of the cross-entropies of a chunk, in f64.
    fn loss_sum(&self, logits: Tensor<2>, chunk: &Batch) -> Result<f64> {
        // Leaves the device once per chunk and trial: the loss decides whether the step is taken.
        Ok(to_f64(cross_entropy::per_sample(logits, &chunk.labels))?
            .iter()
            .sum())
    }
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
