//! The full-batch sweep: targets from one backward pass, fits from front to back.
//!
//! Stages that are not fitted stand still in the fits and pass on what comes, forward and back; afterwards they move along
//! [`FullBatch::parameter_gradients`].
//!
//! Everything runs over consecutive chunks of samples, so that working memory does not grow with their number; what does
//! is decided by [`Storage`]. On the CPU the chunks of a pass run in parallel; what they sum up is added in their order, so
//! that a result does not depend on the number of threads.
//!
//! Chunks may be on several devices ([`crate::shards`]), and then responses and gradients are where their chunk is. Coefficients and sums
//! are at home, the device of the batch; each pass has copies of the coefficients where it needs them.

mod fits;
mod gradients;
mod inputs;
mod work;

pub(super) use gradients::{Gradients, SumsOf};
pub(super) use inputs::FirstStage;

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::batch::Batch;
use crate::linalg::{Affine, Ridge, to_f64};
use crate::method::backward::{output, response};
use crate::method::chunks::{for_each_chunk, wave};
use crate::method::stage_role::{MethodStage, StageRole};
use crate::network::{Network, Replicas};
use crate::objective::{cross_entropy, sample_sums};
use crate::shards::{self, OnDevice, joined};
use crate::stage::AffineStage;

/// What a full-batch sweep keeps of its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
pub(super) struct FullBatchSettings {
    pub storage: Storage,
    /// Samples of a chunk.
    pub chunk: usize,
    pub gram_rows: usize,
    pub ridge: Ridge,
    /// `λ`.
    pub weight_decay: f64,
    /// Whether backward passes gather the curvature of the output side.
    pub output_curvature: bool,
}

/// One tensor per chunk.
type Chunks = Vec<Tensor<2>>;

/// Sums of the losses of groups of samples, one tensor per chunk.
type Losses = Vec<Tensor<1>>;

/// A network with its samples in chunks.
pub(super) struct FullBatch<'a> {
    stages: Vec<MethodStage<'a>>,
    replicas: Replicas<'a>,
    chunks: Vec<Batch>,
    /// Devices of the chunks; empty where all are at home.
    devices: Vec<Device>,
    /// Device of the weights and the sums.
    home: Device,
    samples: usize,
    settings: FullBatchSettings,
    /// Chunks that are worked on at the same time at home.
    wave: usize,
}

/// Copies of a value where the chunks are, by device.
type Copies<T> = Vec<(Device, T)>;

/// An iterate in the space of weights, with what a forward pass found there.
pub(super) struct Iterate {
    /// `V_1, …, V_L`; `None` for a stage that is not fitted, whose weights are those of the network.
    pub coefficients: Vec<Option<Affine>>,
    /// The coefficients on the other devices that have chunks.
    copies: Copies<Vec<Option<Affine>>>,
    /// `u_l`, or `h_l` of a stage that is not fitted, by stage and chunk; empty when recomputed.
    responses: Vec<Chunks>,
    /// `F + λ/2 Σ ‖W_l‖²`, the loss that sweeps lower.
    pub loss: f64,
    /// Estimates of the condition of each stage's Gram matrix with its ridge, NaN where a stage has none; empty where nothing
    /// was fitted.
    pub conditions: Vec<f64>,
}

impl Iterate {
    /// Coefficients and pre-activations by chunk of a first stage that is fitted; `None` where they are recomputed.
    pub(super) fn first_stage(&self) -> Option<(&Affine, &[Tensor<2>])> {
        let coefficients = self.coefficients.first()?.as_ref()?;
        Some((coefficients, self.responses.first()?))
    }

    /// The coefficients on a device.
    fn coefficients_on(&self, device: &Device) -> &[Option<Affine>] {
        found_on(&self.copies, device).unwrap_or(&self.coefficients)
    }
}

fn found_on<'c, T>(copies: &'c Copies<T>, device: &Device) -> Option<&'c T> {
    let found = copies.iter().find(|(own, _)| own == device);
    found.map(|(_, copy)| copy)
}

impl<'a> FullBatch<'a> {
    pub(super) fn new(
        network: &'a Network,
        roles: &[StageRole],
        batch: &Batch,
        settings: FullBatchSettings,
    ) -> Self {
        let home = batch.inputs.device();
        let chunks = batch.chunks_on_shards(settings.chunk);
        let devices = chunks.iter().map(|chunk| chunk.inputs.device());
        let devices = devices.filter(|_| batch.is_sharded()).collect();
        Self {
            stages: MethodStage::all(network, roles),
            replicas: Replicas::new(network, home.clone()),
            chunks,
            devices,
            samples: batch.len(),
            wave: wave(&home),
            home,
            settings,
        }
    }

    /// The same samples with other stages.
    pub(super) fn with<'b>(&self, network: &'b Network) -> FullBatch<'b> {
        let roles: Vec<_> = self.stages.iter().map(|part| part.role).collect();
        FullBatch {
            stages: MethodStage::all(network, &roles),
            replicas: Replicas::new(network, self.home.clone()),
            chunks: self.chunks.clone(),
            devices: self.devices.clone(),
            home: self.home.clone(),
            ..*self
        }
    }

    /// The device of a chunk.
    fn device(&self, c: usize) -> &Device {
        self.devices.get(c).unwrap_or(&self.home)
    }

    /// The network on the device of a chunk; `None` at home, where the stages are those of the value.
    fn network(&self, c: usize) -> Option<Network> {
        let device = self.devices.get(c).filter(|own| **own != self.home)?;
        Some(self.replicas.on(device))
    }

    /// The stages of a network that [`network`](Self::network) gave, with the roles of these.
    fn parts<'n>(&'n self, network: &'n Option<Network>) -> Cow<'n, [MethodStage<'n>]> {
        let Some(network) = network else {
            return Cow::Borrowed(&self.stages);
        };
        let roles = self.stages.iter().map(|part| part.role);
        Cow::Owned(MethodStage::all(network, &roles.collect::<Vec<_>>()))
    }

    /// Copies of a value on all other devices that have chunks.
    fn copies<T>(&self, copy: impl Fn(&Device) -> T) -> Copies<T> {
        let mut copies = Copies::new();
        for device in &self.devices {
            if *device != self.home && found_on(&copies, device).is_none() {
                copies.push((device.clone(), copy(device)));
            }
        }
        copies
    }

    /// Forward pass at the network's own weights.
    pub(super) fn forward(&self) -> Result<Iterate> {
        let parts = self.stages.iter();
        let coefficients = parts.map(|part| Some(part.affine()?.coefficients()));
        self.evaluate(coefficients.collect(), &[], Vec::new())
    }

    /// Forward pass where the stages from `first` on have changed since an iterate was found, though not their coefficients.
    pub(super) fn forward_from(&self, first: usize, iterate: &Iterate) -> Result<Iterate> {
        let known = iterate.responses.get(..first).unwrap_or_default();
        let conditions = iterate.conditions.clone();
        self.evaluate(iterate.coefficients.clone(), known, conditions)
    }

    /// Forward pass at any coefficients; `known` are the responses of the first stages.
    pub(super) fn evaluate(
        &self,
        coefficients: Vec<Option<Affine>>,
        known: &[Chunks],
        conditions: Vec<f64>,
    ) -> Result<Iterate> {
        let mut responses = match self.settings.storage {
            Storage::Stored => vec![Chunks::new(); self.stages.len()],
            Storage::Recomputed => Vec::new(),
        };
        let mut losses = Losses::new();
        let copies = self.copies(|device| {
            let stages = coefficients.iter().cloned();
            stages.map(|own| Some(own?.on(device))).collect::<Vec<_>>()
        });
        self.for_each_chunk(
            |c| {
                let own = found_on(&copies, self.device(c));
                let own = own.unwrap_or(&coefficients);
                let (responses, logits) = self.pass(own, c, known);
                Ok((responses, self.losses(logits, c)))
            },
            |(own, loss)| {
                losses.push(loss);
                for (stored, response) in responses.iter_mut().zip(own) {
                    stored.push(response);
                }
            },
        )?;
        Ok(Iterate {
            loss: self.loss(losses, &coefficients)?,
            coefficients,
            copies,
            responses,
            conditions,
        })
    }

    /// `F + λ/2 Σ ‖W_l‖²` from the cross-entropies of all chunks.
    fn loss(&self, losses: Losses, coefficients: &[Option<Affine>]) -> Result<f64> {
        let decay = self.settings.weight_decay;
        let kernels = coefficients.iter().flatten().map(|stage| &stage.kernel);
        let squares = kernels
            .filter(|_| decay > 0.0)
            .map(|kernel| (kernel.clone() * kernel.clone()).sum());
        // Leaves the device once per trial: the loss decides whether the step is taken.
        let losses = joined(losses, 0, &self.home);
        let sums = losses.dims()[0];
        let mut figures = to_f64(joined(
            [losses].into_iter().chain(squares).collect(),
            0,
            &self.home,
        ))?;
        let squares: f64 = figures.split_off(sums).iter().sum();
        Ok(figures.iter().sum::<f64>() / self.samples as f64 + 0.5 * decay * squares)
    }

    /// `u_1, …, u_L` of a chunk at an iterate.
    fn responses(&self, iterate: &Iterate, c: usize) -> Vec<Tensor<2>> {
        match self.settings.storage {
            Storage::Stored => iterate
                .responses
                .iter()
                .map(|chunks| chunks[c].clone())
                .collect(),
            Storage::Recomputed => {
                let coefficients = iterate.coefficients_on(self.device(c));
                self.pass(coefficients, c, &[]).0
            }
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
        let network = self.network(c);
        let parts = self.parts(&network);
        let parts = parts.iter().zip(coefficients).enumerate();
        let responses = parts.map(|(l, (part, coefficients))| {
            let response = match known.get(l) {
                Some(chunks) => chunks[c].clone(),
                None => response(part, coefficients.as_ref(), &h),
            };
            h = output(part, response.clone(), &h);
            response
        });
        (responses.collect(), h)
    }

    /// Rows of one sample at stage `l`, counted from 0: 1, or the positions of a convolution.
    pub(super) fn rows_per_sample(&self, l: usize) -> usize {
        let stage = self.stages[l].affine();
        stage.map_or(1, AffineStage::rows_per_sample)
    }

    /// Whether any stage is fitted.
    pub(super) fn has_fits(&self) -> bool {
        self.stages.iter().any(MethodStage::is_fitted)
    }

    /// Computes something for every chunk, and hands it over in order.
    fn for_each_chunk<T: Send>(
        &self,
        compute: impl Fn(usize) -> Result<T> + Sync,
        take: impl FnMut(T),
    ) -> Result<()> {
        match self.devices.is_empty() {
            true => for_each_chunk(self.chunks.len(), self.wave, compute, take),
            false => shards::for_each_chunk(&self.devices, compute, take),
        }
    }

    /// Adds the part of a chunk to a sum.
    fn add<T: OnDevice>(&self, sum: &mut Option<T>, part: T, plus: impl FnOnce(T, T) -> T) {
        shards::add(sum, part, &self.home, plus);
    }

    fn add_some<T: OnDevice>(
        &self,
        sum: &mut Option<T>,
        part: Option<T>,
        plus: impl FnOnce(T, T) -> T,
    ) {
        if let Some(part) = part {
            self.add(sum, part, plus);
        }
    }

    /// The cross-entropies of a chunk, summed over groups of samples and still on the device.
    fn losses(&self, logits: Tensor<2>, c: usize) -> Tensor<1> {
        let losses = cross_entropy::per_sample(logits, &self.chunks[c].labels);
        sample_sums(losses.unsqueeze()).squeeze_dim(0)
    }
}

#[cfg(test)]
#[path = "full_batch_tests.rs"]
mod tests;
