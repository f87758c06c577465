//! The updates with a guarantee, as one list that every law of an update goes through.

use core::ops::Range;

use super::differences::{GRAM_STEP, gram_step};
use super::reference::{Layer, Problem};
use super::{device, rows, tensor};
use burn::tensor::Tensor;
use ls_core::objective::Weighting;
use ls_core::stage::AnyStage;
use ls_core::update::{AuxiliaryBlock, GradientStep, WeightBlock, armijo_pass};

/// All updates whose objective never rises, by name. A new update is covered by its line here.
pub(crate) fn all_updates() -> Vec<(&'static str, Update)> {
    vec![
        (
            "Armijo pass",
            Update::Auxiliary(|block, value, first| {
                let lengths = Tensor::full([value.dims()[0], 1], first, &device());
                armijo_pass(block, value, lengths).0
            }),
        ),
        (
            "Gram step",
            Update::Weights(|stage, block, first| {
                gram_step(GRAM_STEP, stage, block, first);
            }),
        ),
        (
            "gradient step",
            Update::Weights(|stage, block, first| {
                let mut step = GradientStep::default();
                step.update_weights(stage, block, first).unwrap();
            }),
        ),
    ]
}

/// One update, which moves a block from a first length that it is given.
pub(crate) enum Update {
    /// Returns the moved auxiliary variable of a hidden stage, `[samples, d_l]`.
    Auxiliary(fn(&AuxiliaryBlock<'_>, Tensor<2>, f64) -> Tensor<2>),
    /// Moves the weights of a stage.
    Weights(fn(&mut AnyStage, &WeightBlock, f64)),
}

impl Update {
    /// The blocks of a problem that the update can move, by stage from 0.
    pub(crate) fn blocks(&self, problem: &Problem) -> Range<usize> {
        match self {
            Self::Auxiliary(_) => 0..problem.hidden(),
            Self::Weights(_) => 0..problem.hidden() + 1,
        }
    }

    /// The problem after an update of one block.
    pub(crate) fn apply(
        &self,
        problem: &Problem,
        l: usize,
        weighting: Weighting,
        first: f64,
    ) -> Problem {
        let weights = problem.library_weights(weighting);
        let mut network = problem.network();
        let mut moved = problem.clone();
        match self {
            Self::Auxiliary(update) => {
                let block = problem.block(l, &network, &weights);
                moved.auxiliary[l] = rows(update(&block, tensor(&problem.auxiliary[l]), first));
            }
            Self::Weights(update) => {
                let block = problem.weight_block(l, weighting, &weights);
                update(network.stage_mut(l), &block, first);
                moved.layers[l] = problem.layers[l].read(&network.stages()[l]);
            }
        }
        moved
    }
}

/// All numbers of a problem that updates move.
pub(crate) fn variables(problem: &Problem) -> Vec<f64> {
    let layers = problem.layers.iter().map(Layer::bordered);
    let all = layers.chain(problem.auxiliary.iter().cloned());
    all.flatten().flatten().collect()
}
