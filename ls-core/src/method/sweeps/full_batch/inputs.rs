//! The inputs of the stages: their rows, their Gram matrices and covariances.

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use super::{FullBatch, Iterate};
use crate::batch::index_tensor;
use crate::linalg::{Cholesky, Covariance, Gram, Preconditioner, Ridge};
use crate::method::backward::output;
use crate::shards::OnDevice;
use crate::stage::AffineStage;
use crate::{Error, Result};

/// Factors of the first stage's Gram matrix that are kept; the damping walks between a few values.
pub(super) const KEPT_FACTORS: usize = 4;

/// Factors of the first stage's Gram matrix, by damping, and its preconditioner: its inputs never change.
#[derive(Default)]
pub(in crate::method::sweeps) struct FirstStage {
    gram: Option<Gram>,
    /// The last preconditioner, with its damping.
    preconditioner: Option<(f64, Preconditioner)>,
    pub(super) factors: Vec<(f64, Cholesky)>,
}

impl FirstStage {
    fn gram(&mut self, gram: impl FnOnce() -> Result<Gram>) -> Result<&Gram> {
        Ok(match &mut self.gram {
            Some(gram) => gram,
            empty => empty.insert(gram()?),
        })
    }

    pub(super) fn factor(
        &mut self,
        damping: f64,
        ridge: Ridge,
        gram: impl FnOnce() -> Result<Gram>,
    ) -> Result<&Cholesky> {
        if let Some(i) = self.factors.iter().position(|(kept, _)| *kept == damping) {
            let found = self.factors.remove(i);
            self.factors.push(found);
        } else {
            let factor = self.gram(gram)?.clone().factor(damping, ridge)?;
            if self.factors.len() == KEPT_FACTORS {
                self.factors.remove(0);
            }
            self.factors.push((damping, factor));
        }
        Ok(&self.factors[self.factors.len() - 1].1)
    }

    /// The inputs of the data vary about their mean as much as they are large, so that their Gram matrix knows their covariance.
    fn preconditioner(
        &mut self,
        damping: f64,
        gram: impl FnOnce() -> Result<Gram>,
    ) -> Result<Preconditioner> {
        if let Some((kept, found)) = &self.preconditioner
            && *kept == damping
        {
            return Ok(found.clone());
        }
        let found = self.gram(gram)?.covariance().precondition(damping)?;
        self.preconditioner = Some((damping, found.clone()));
        Ok(found)
    }
}

impl FullBatch<'_> {
    /// Rows of a stage over all samples: samples, times the positions of a convolution.
    pub(super) fn rows(&self, stage: &dyn AffineStage) -> usize {
        self.samples * stage.rows_per_sample()
    }

    /// The rows that enter the Gram matrix: all, or a seeded subset of a convolution's patches. The loss is accepted on
    /// all of them, and any positive definite preconditioner keeps the descent form a descent.
    pub(super) fn subset(
        &self,
        l: usize,
        c: usize,
        stage: &dyn AffineStage,
        rows: Tensor<2>,
    ) -> Tensor<2> {
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

    /// `h_{l-1}` of all stages of a chunk at an iterate.
    pub(super) fn inputs(&self, iterate: &Iterate, c: usize) -> Vec<Tensor<2>> {
        let mut h = self.chunks[c].inputs.clone();
        let responses = self.responses(iterate, c);
        let network = self.network(c);
        let parts = self.parts(&network);
        let pairs = parts.iter().zip(responses);
        pairs
            .map(|(part, response)| {
                let next = output(part, response, &h);
                core::mem::replace(&mut h, next)
            })
            .collect()
    }

    /// Preconditioners of all stages by the covariances of their inputs at an iterate; `None` for a stage that is not fitted.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] when `μ` is too small.
    pub(in crate::method::sweeps) fn preconditioners(
        &self,
        iterate: &Iterate,
        damping: f64,
        first: &mut FirstStage,
    ) -> Result<Vec<Option<Preconditioner>>> {
        let mut sums: Vec<Option<Covariance>> = vec![None; self.stages.len()];
        self.for_each_chunk(
            |c| {
                let inputs = self.inputs(iterate, c);
                let pairs = self.stages.iter().zip(inputs).enumerate().skip(1);
                let parts = pairs.map(|(l, (part, input))| {
                    let stage = part.affine()?;
                    let rows = self.subset(l, c, stage, stage.rows(input));
                    Some(Covariance::from_rows(rows))
                });
                Ok(parts.collect::<Vec<_>>())
            },
            |parts| {
                for (sum, part) in sums.iter_mut().skip(1).zip(parts) {
                    self.add_some(sum, part, Covariance::plus);
                }
            },
        )?;
        let precondition = |sum: Option<Covariance>| {
            let sum = sum.map(|sum| sum.on(&self.home));
            sum.map(|sum| sum.precondition(damping))
        };
        let found = sums.into_iter().map(|sum| precondition(sum).transpose());
        let mut found: Vec<_> = found.collect::<Result<_>>()?;
        if let Some(stage) = self.stages[0].affine() {
            found[0] = Some(first.preconditioner(damping, || self.first_gram(stage))?);
        }
        Ok(found)
    }

    /// The Gram matrix of the first stage's inputs.
    pub(super) fn first_gram(&self, stage: &dyn AffineStage) -> Result<Gram> {
        let mut sum = None;
        self.for_each_chunk(
            |c| {
                let rows = stage.rows(self.chunks[c].inputs.clone());
                Ok(Gram::from_rows(self.subset(0, c, stage, rows)))
            },
            |part| self.add(&mut sum, part, Gram::plus),
        )?;
        let sum: Gram = sum.ok_or_else(no_samples)?;
        Ok(sum.on(&self.home))
    }
}

pub(super) fn no_samples() -> Error {
    Error::NotPositiveDefinite("there are no samples".into())
}
