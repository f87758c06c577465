//! How much memory a run will need, known before anything is allocated.

use ls_core::method::Storage;
use ls_core::model::StageLayout;
use ls_core::shape::FeatureShape;

use crate::config::{BatchSize, MethodConfig, Precision, RunConfig};

/// Bytes of an f32.
const FLOAT: u64 = 4;

/// Arrays of the size of a stage's output that are alive at once in a sweep: value, gradient, candidate, target, and the
/// pre-activations with their direction.
const WORKING_COPIES: u64 = 6;

/// The auxiliary variables before and after a sweep, and the feasible point that a restart compares with.
const AUXILIARY_COPIES: u64 = 3;

/// Weights, the weights before a sweep, and a direction.
const WEIGHT_COPIES: u64 = 3;

/// Patches of a convolution exist twice while they are transposed for a product.
const PATCH_COPIES: u64 = 2;

/// Pre-activations of `exact` that are alive at once: of the last accepted step, of the best trial and of the current one, with
/// the gradients of the first.
const KEPT_COPIES: u64 = 4;

/// Outputs that a tape keeps until it has been gone back: pre-activations, activations, gradients of both.
const TAPE_COPIES: u64 = 4;

/// A pair of a quasi-Newton step: the step and the change of the gradient.
const PAIR_COPIES: u64 = 2;

/// Samples of a chunk of `exact` at most, unless a user says otherwise.
const CHUNK: usize = 2048;

/// Memory of a run of a method with auxiliary variables, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Auxiliary variables of each hidden stage.
    pub auxiliary: Vec<u64>,
    /// Weights and biases.
    pub parameters: u64,
    /// Standardised inputs.
    pub inputs: u64,
    /// Pre-activations and gradients between the passes of a sweep, and the pairs of quasi-Newton steps.
    pub kept: u64,
    /// Temporary arrays of the widest block.
    pub working: u64,
}

impl MemoryNeed {
    /// The need in f32 of a network on so many samples in batches of at most `batch`: a figure to plan with, not a bound.
    pub fn of(layout: &[StageLayout], input: FeatureShape, samples: usize, batch: usize) -> Self {
        let array = |features: usize| samples as u64 * features as u64 * FLOAT;
        let working = |stage: &StageLayout| {
            let output = WORKING_COPIES * stage.output.features() as u64;
            let patches = PATCH_COPIES * stage.patches as u64;
            batch.min(samples) as u64 * FLOAT * (output + patches)
        };
        let hidden = layout.len().saturating_sub(1);
        let auxiliary = layout[..hidden]
            .iter()
            .map(|stage| array(stage.output.features()));
        Self {
            auxiliary: auxiliary.collect(),
            parameters: layout
                .iter()
                .map(|stage| stage.parameters as u64 * FLOAT)
                .sum(),
            inputs: array(input.features()),
            kept: 0,
            working: layout.iter().map(working).max().unwrap_or(0),
        }
    }

    /// Estimates the need of a run on so many training samples, in the numbers of its precision.
    pub fn of_run(
        config: &RunConfig,
        layout: &[StageLayout],
        input: FeatureShape,
        samples: usize,
    ) -> Self {
        let batch = match config.batch_size {
            BatchSize::Full => samples,
            BatchSize::Samples(batch) => batch,
        };
        let need = match config.method.library() {
            Some(MethodConfig::Exact(exact)) => {
                let need = Self::of_exact(layout, input, samples, exact.storage, exact.chunk);
                let history = PAIR_COPIES * exact.history as u64 * need.parameters;
                Self {
                    kept: need.kept + history,
                    ..need
                }
            }
            Some(MethodConfig::Lbfgs(lbfgs)) => {
                let need = Self::of(layout, input, samples, batch);
                let features = layout.iter().map(|stage| stage.output.features() as u64);
                let tape = TAPE_COPIES * samples as u64 * features.sum::<u64>() * FLOAT;
                let pairs = PAIR_COPIES * lbfgs.history as u64 * need.parameters;
                Self {
                    auxiliary: Vec::new(),
                    kept: tape + pairs,
                    ..need
                }
            }
            Some(MethodConfig::Bcd(_) | MethodConfig::Admm(_)) => {
                // Pre-activations of all stages, and one more array at the head.
                let features = layout.iter().chain(layout.last());
                let features = features.map(|stage| stage.output.features() as u64);
                Self {
                    kept: samples as u64 * features.sum::<u64>() * FLOAT,
                    ..Self::of(layout, input, samples, batch)
                }
            }
            Some(method) if !method.has_auxiliary_variables() => Self {
                auxiliary: Vec::new(),
                ..Self::of(layout, input, samples, batch)
            },
            // A method of an application may have them.
            _ => Self::of(layout, input, samples, batch),
        };
        need.in_precision(config.precision)
    }

    /// The need of full-batch sweeps of `exact`, which go over their samples in chunks.
    pub fn of_exact(
        layout: &[StageLayout],
        input: FeatureShape,
        samples: usize,
        storage: Storage,
        chunk: Option<usize>,
    ) -> Self {
        // As many chunks are worked on at once as there are processors.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = chunk.unwrap_or(CHUNK).saturating_mul(threads);
        let features = layout.iter().map(|stage| stage.output.features() as u64);
        let kept = match storage {
            Storage::Stored => KEPT_COPIES * samples as u64 * features.sum::<u64>() * FLOAT,
            Storage::Recomputed => 0,
        };
        Self {
            kept,
            ..Self::of(layout, input, samples, at_once)
        }
    }

    /// The same need in numbers of another precision than f32.
    pub fn in_precision(self, precision: Precision) -> Self {
        let scaled = |bytes: u64| bytes / FLOAT * precision.bytes();
        Self {
            auxiliary: self.auxiliary.into_iter().map(scaled).collect(),
            parameters: scaled(self.parameters),
            inputs: scaled(self.inputs),
            kept: scaled(self.kept),
            working: scaled(self.working),
        }
    }

    /// The auxiliary variables of all stages.
    pub fn auxiliary_sum(&self) -> u64 {
        self.auxiliary.iter().sum()
    }

    /// All of it, with the copies that a sweep keeps.
    pub fn total(&self) -> u64 {
        AUXILIARY_COPIES * self.auxiliary_sum()
            + WEIGHT_COPIES * self.parameters
            + self.inputs
            + self.kept
            + self.working
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auxiliary_variables_take_four_bytes_per_sample_and_hidden_feature() {
        let stage = |features| StageLayout {
            name: String::new(),
            output: FeatureShape::Flat(features),
            parameters: 0,
            patches: 0,
        };
        let layout = [stage(100), stage(50), stage(10)];
        let need = MemoryNeed::of(&layout, FeatureShape::Flat(784), 60_000, 500);
        assert_eq!(need.auxiliary, [24_000_000, 12_000_000]);
        assert_eq!(need.inputs, 188_160_000);
        assert_eq!(need.working, 6 * 500 * 100 * 4);
        let exact =
            |storage| MemoryNeed::of_exact(&layout, FeatureShape::Flat(784), 60_000, storage, None);
        assert_eq!(exact(Storage::Stored).kept, 4 * 60_000 * 160 * 4);
        assert_eq!(exact(Storage::Recomputed).kept, 0);
        let total = exact(Storage::Stored).total();
        assert_eq!(
            exact(Storage::Stored).in_precision(Precision::F32).total(),
            total
        );
        assert_eq!(
            exact(Storage::Stored).in_precision(Precision::F64).total(),
            2 * total
        );
    }
}
