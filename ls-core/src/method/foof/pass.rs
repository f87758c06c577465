//! A forward and a backward pass over one batch, at once or in pieces, which may be on several devices.

use core::cell::RefCell;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::gradient::{Factors, Gradient, RowSums, Wanted};
use crate::Result;
use crate::batch::Batch;
use crate::device::runs_on_host;
use crate::linalg::scalar_f64;
use crate::method::backward::{Backward, Parameters, Regularization, backward};
use crate::method::chunks::default_chunk;
use crate::method::dropout::Dropout;
use crate::method::stage_role::{MethodStage, StageRole};
use crate::network::{Network, Replicas};
use crate::objective::cross_entropy;
use crate::shards::{at_once, for_each_chunk};
use crate::update::add_gradients;

/// A forward and a backward pass over a batch.
pub(super) struct Pass {
    /// What it leaves for each stage.
    pub factors: AllFactors,
    /// The device of the weights.
    pub home: Device,
    /// Gradients of the batch's mean loss by the parameters of the stages that are not fitted.
    pub parameters: GradientsParams,
    /// `F` of the batch.
    pub loss: f64,
    /// `F` of equal probabilities.
    pub guess: f64,
}

/// The factors of the gradients of all stages on a batch.
pub(super) struct AllFactors {
    samples: usize,
    stages: Stages,
}

enum Stages {
    /// Rows of the inputs and `∂ce_n/∂u_{l,n}`; `None` for a stage that is not fitted.
    Samples(Vec<Option<[Tensor<2>; 2]>>),
    /// Their sums over the samples of all devices.
    Sums(Vec<Option<RowSums>>),
}

impl AllFactors {
    /// The gradient of stage `l`, counted from 0; `None` for one that is not fitted.
    pub(super) fn gradient(&self, l: usize) -> Option<Gradient> {
        let factors = match &self.stages {
            Stages::Samples(all) => Factors::Rows(all.get(l)?.clone()?),
            Stages::Sums(all) => Factors::Sums(all.get(l)?.clone()?),
        };
        Some(Gradient {
            factors,
            samples: self.samples as f64,
            is_data: l == 0,
        })
    }
}

impl Pass {
    /// Passes over a batch at home.
    pub(super) fn new(
        parts: &[MethodStage<'_>],
        batch: &Batch,
        regularization: Regularization,
    ) -> Result<Self> {
        let (stages, found) = passed(parts, batch, regularization);
        let classes = found.logits.dims()[1];
        let losses = cross_entropy::per_sample(found.logits, &batch.labels);
        let mut parameters = GradientsParams::new();
        add_means(&mut parameters, parts, &found.parameters, batch.len());
        Ok(Self {
            factors: AllFactors {
                samples: batch.len(),
                stages: Stages::Samples(stages),
            },
            home: batch.inputs.device(),
            parameters,
            // Leaves the device once per step: a run that blows up has to be noticed before it is averaged into anything.
            loss: scalar_f64(losses.mean())?,
            guess: (classes as f64).ln(),
        })
    }

    /// Passes over the pieces of a batch, each on its device, and adds up at home what their rows sum up to. `wanted` says which second
    /// moments a stage takes in, for rows, inputs and outputs of the whole batch.
    pub(super) fn in_pieces(
        network: &Network,
        roles: &[StageRole],
        batch: &Batch,
        pieces: &[Batch],
        regularization: Regularization,
        wanted: impl Fn(usize, [usize; 3]) -> Wanted + Sync,
    ) -> Result<Self> {
        let (home, samples) = (batch.inputs.device(), batch.len());
        let replicas = Replicas::new(network, home.clone());
        let devices: Vec<_> = pieces.iter().map(|own| own.inputs.device()).collect();
        let before = |i: usize| pieces[..i].iter().map(Batch::len).sum::<usize>();
        let mut found = Vec::with_capacity(pieces.len());
        for_each_chunk(
            &devices,
            |i| {
                let network = replicas.on(&devices[i]);
                let parts = MethodStage::all(&network, roles);
                let position = PartPosition {
                    before: before(i),
                    samples,
                };
                Ok(PieceSums::new(
                    &parts,
                    &pieces[i],
                    position,
                    regularization,
                    &wanted,
                ))
            },
            |own| found.push(own),
        )?;
        let parts = MethodStage::all(network, roles);
        let mut parameters = GradientsParams::new();
        let mut total: Option<PieceSums> = None;
        for own in found {
            add_means(&mut parameters, &parts, &own.parameters, samples);
            let own = own.at_home(&home);
            total = Some(match total {
                Some(total) => total.plus(own),
                None => own,
            });
        }
        let (stages, loss) = match total {
            Some(total) => (total.stages, scalar_f64(total.losses.squeeze_dim(0))?),
            None => (Vec::new(), f64::NAN),
        };
        Ok(Self {
            factors: AllFactors {
                samples,
                stages: Stages::Sums(stages),
            },
            home,
            parameters,
            loss: loss / samples as f64,
            guess: (network.classes() as f64).ln(),
        })
    }
}

/// Pieces of a batch at most.
const MOST_PIECES: usize = 16;

/// The pieces in which a batch passes through a network on the processors of this machine; none where it passes at once.
///
/// The patches of convolutions are more than the caches hold, and most operations on them keep one core busy. Their number is a power of
/// two, so that they fill all cores, and does not depend on the number of these, so that a seed gives one history.
pub(super) fn pieces(network: &Network, batch: &Batch) -> Vec<Batch> {
    let count = batch.len().div_ceil(default_chunk(network));
    if count < 2 || !runs_on_host(&batch.inputs.device()) {
        return Vec::new();
    }
    let count = count.next_power_of_two().min(MOST_PIECES);
    batch.chunks(batch.len().div_ceil(count)).collect()
}

/// Rows of the inputs and gradients of all stages that are fitted, and what else a pass finds.
fn passed(
    parts: &[MethodStage<'_>],
    batch: &Batch,
    regularization: Regularization,
) -> (Vec<Option<[Tensor<2>; 2]>>, Backward) {
    // The patches of a convolution are formed once, and serve the pass and the gradient.
    let rows = RefCell::new(vec![None; parts.len()]);
    let mut found = backward(
        parts,
        batch,
        Parameters::Training,
        regularization,
        |l, input| {
            let Some(stage) = parts[l].affine() else {
                return parts[l].stage.forward(input.clone());
            };
            let own = stage.rows(input.clone());
            rows.borrow_mut()[l] = Some(own.clone());
            stage.pre_activations(&stage.coefficients(), own)
        },
        |_, _| (),
    );
    let gradients = core::mem::take(&mut found.gradients);
    let pairs = rows.into_inner().into_iter().zip(gradients);
    (pairs.map(|(rows, own)| Some([rows?, own])).collect(), found)
}

/// Adds gradients of `Σ_n ce_n` by the parameters of all stages to the mean over so many samples.
fn add_means(
    mean: &mut GradientsParams,
    parts: &[MethodStage<'_>],
    gradients: &[GradientsParams],
    samples: usize,
) {
    for (part, own) in parts.iter().zip(gradients) {
        add_gradients(part.stage, mean, own, 1.0 / samples as f64);
    }
}

/// Where a part of a batch stands in it.
#[derive(Clone, Copy)]
struct PartPosition {
    /// Samples before it.
    before: usize,
    /// Samples of the batch.
    samples: usize,
}

/// Sums over the samples of one piece.
struct PieceSums {
    /// `Σ_n ce_n`, `[1, 1]`.
    losses: Tensor<2>,
    stages: Vec<Option<RowSums>>,
    /// Gradients of `Σ_n ce_n` by the parameters of the stages that are not fitted, by stage.
    parameters: Vec<GradientsParams>,
}

impl PieceSums {
    fn new(
        parts: &[MethodStage<'_>],
        piece: &Batch,
        position: PartPosition,
        regularization: Regularization,
        wanted: &impl Fn(usize, [usize; 3]) -> Wanted,
    ) -> Self {
        let dropout = regularization.dropout;
        let regularization = Regularization {
            dropout: dropout.map(|own: Dropout| own.after(position.before)),
            ..regularization
        };
        let (stages, found) = passed(parts, piece, regularization);
        let sums = stages.into_iter().enumerate().map(|(l, pair)| {
            let [rows, outputs] = pair?;
            let per_sample = parts[l].affine()?.rows_per_sample();
            let dims = [
                position.samples * per_sample,
                rows.dims()[1],
                outputs.dims()[1],
            ];
            let from = position.before * per_sample;
            Some(RowSums::new([rows, outputs], wanted(l, dims), from, l == 0))
        });
        let losses = cross_entropy::per_sample(found.logits, &piece.labels);
        Self {
            stages: sums.collect(),
            losses: losses.sum().unsqueeze(),
            parameters: found.parameters,
        }
    }

    /// The same sums at home, where one transfer brings them; the parameters' gradients are not among them.
    fn at_home(self, home: &Device) -> Self {
        let mut arrays = vec![self.losses.clone()];
        let mut collect = |own: Tensor<2>| {
            arrays.push(own.clone());
            own
        };
        let stages = self.stages.into_iter();
        let stages: Vec<_> = stages.map(|own| Some(own?.map(&mut collect))).collect();
        let mut arrays = at_once(arrays, home).into_iter();
        let mut arrived = |own: Tensor<2>| arrays.next().unwrap_or(own);
        Self {
            losses: arrived(self.losses),
            stages: stages
                .into_iter()
                .map(|own| Some(own?.map(&mut arrived)))
                .collect(),
            parameters: Vec::new(),
        }
    }

    /// The sums over the samples of both.
    fn plus(self, other: Self) -> Self {
        let pairs = self.stages.into_iter().zip(other.stages);
        Self {
            losses: self.losses + other.losses,
            stages: pairs.map(|(one, other)| Some(one?.plus(other?))).collect(),
            parameters: Vec::new(),
        }
    }
}
