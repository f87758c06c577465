//! The auxiliary variables of a batch: restart and passes, over parts of the batch at the same time.

use burn::tensor::{Device, Tensor};

use crate::Result;
use crate::batch::Batch;
use crate::device::runs_on_host;
use crate::method::chunks::{default_chunk, for_each_chunk, wave};
use crate::network::{Network, Replicas};
use crate::objective::Weights;
use crate::shards::{self, OnDevice, for_each_chunk as for_each_chunk_on_shards};
use crate::stage::{AffineStage, AnyStage};
use crate::update::{auxiliary_pass, restart};

/// Samples of a part on the processors of this machine. Sums must not depend on the number of threads, so that this is no share.
const PART_SAMPLES: usize = 256;

/// The variables of the samples of a batch.
pub(super) struct Variables {
    /// `a_l`, `[samples, d_l]` each.
    pub values: Vec<Tensor<2>>,
    /// First lengths of their next steps, `[samples, 1]` each.
    pub lengths: Vec<Tensor<2>>,
    /// `u_1`, `[rows, d_1]`, of a first stage with the affine view.
    pub first: Option<Tensor<2>>,
}

/// The first half of a sweep: what happens to variables before the weights move.
#[derive(Clone, Copy)]
pub(super) struct AuxiliaryPhase {
    /// Whether samples return to the feasible point where that lowers the separated loss.
    pub restart: bool,
    /// Passes over the blocks.
    pub passes: usize,
    /// `α`: the displacement that all passes make together is multiplied by it.
    pub relaxation: f64,
}

impl AuxiliaryPhase {
    /// Runs restart and passes on all samples, in parts that are the same for any devices. Those of a batch in shards are on several, at the
    /// same time, and the variables come home.
    pub(super) fn run(
        self,
        network: &Network,
        weights: &Weights,
        variables: Variables,
        batch: &Batch,
    ) -> Result<Variables> {
        let size = part_size(network, batch);
        // Where the selections of the chunks count from does not matter here: rows are taken by position.
        let chunks = batch.chunks_on_shards(size);
        let home = batch.inputs.device();
        let replicas = Replicas::new(network, home.clone());
        let Variables {
            values, lengths, ..
        } = variables;
        let mut parts = Vec::with_capacity(chunks.len());
        let compute = |i: usize| {
            let chunk = &chunks[i];
            let device = chunk.inputs.device();
            let rows = |all: &Tensor<2>| match chunks.len() {
                1 => all.clone().on(&device),
                _ => all.clone().narrow(0, i * size, chunk.len()).on(&device),
            };
            let values = values.iter().map(rows).collect();
            let lengths = lengths.iter().map(rows).collect();
            Ok(self.part(&replicas.on(&device), weights, values, lengths, chunk))
        };
        let take = |part| parts.push(part);
        if batch.is_sharded() {
            let devices = chunks.iter().map(|chunk| chunk.inputs.device());
            let devices: Vec<_> = devices.collect();
            for_each_chunk_on_shards(&devices, compute, take)?;
        } else {
            for_each_chunk(chunks.len(), wave(&home), compute, take)?;
        }
        Ok(joined(parts, &home))
    }

    fn part(
        self,
        network: &Network,
        weights: &Weights,
        values: Vec<Tensor<2>>,
        lengths: Vec<Tensor<2>>,
        batch: &Batch,
    ) -> Variables {
        let (first, output) = first_output(&network.stages()[0], batch);
        let start = match self.restart {
            true => restart(network, weights, Some(&output), values, batch),
            false => values,
        };
        let (mut values, mut lengths) = (start.clone(), lengths);
        for _ in 0..self.passes {
            let first = Some(output.clone());
            let pass = auxiliary_pass(network, weights, batch, first, values, lengths);
            (values, lengths) = (pass.values, pass.lengths);
        }
        if self.relaxation != 1.0 {
            let pairs = start.into_iter().zip(values);
            let longer = pairs.map(|(from, to)| from.clone() + (to - from) * self.relaxation);
            values = longer.collect();
        }
        Variables {
            values,
            lengths,
            first,
        }
    }
}

/// `u_1` of a stage with the affine view, and `f_1(x)`.
fn first_output(stage: &AnyStage, batch: &Batch) -> (Option<Tensor<2>>, Tensor<2>) {
    let Some(affine) = stage.affine() else {
        return (None, stage.forward(batch.inputs.clone()));
    };
    let rows = AffineStage::rows(affine, batch.inputs.clone());
    let u = affine.pre_activations(&affine.coefficients(), rows);
    let output = affine.post(u.clone(), &batch.inputs);
    (Some(u), output)
}

fn part_size(network: &Network, batch: &Batch) -> usize {
    let largest = default_chunk(network);
    match runs_on_host(&batch.inputs.device()) {
        true => largest.min(PART_SAMPLES),
        false => largest,
    }
}

/// The parts one after the other, at home.
fn joined(parts: Vec<Variables>, home: &Device) -> Variables {
    let stages = parts.first().map_or(0, |part| part.values.len());
    let column = |of: fn(&Variables) -> &Vec<Tensor<2>>, l: usize| {
        let column = parts.iter().map(|part| of(part)[l].clone());
        shards::joined(column.collect(), 0, home)
    };
    let first: Option<Vec<_>> = parts.iter().map(|part| part.first.clone()).collect();
    Variables {
        values: (0..stages).map(|l| column(|own| &own.values, l)).collect(),
        lengths: (0..stages).map(|l| column(|own| &own.lengths, l)).collect(),
        first: first
            .filter(|parts| !parts.is_empty())
            .map(|parts| shards::joined(parts, 0, home)),
    }
}
