//! The layer-wise metric of the descent form as an operator on gradients.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Affine, flat, split};
use crate::Result;
use crate::linalg::Preconditioner;
use crate::method::MethodState;
use crate::method::sweeps::control::Candidate;
use crate::method::sweeps::full_batch::{FirstStage, FullBatch, Gradients, Iterate};

/// `∇_{V_l} ↦ c_l/p_l P_l ∇_{V_l} M_l`, symmetric and positive definite, with `p_l` rows per sample.
pub(super) struct LayerMetric {
    /// `None` for a stage that is not fitted.
    stages: Vec<Option<StageMetric>>,
}

struct StageMetric {
    input: Preconditioner,
    output: Option<Tensor<2>>,
    /// `c_l/p_l`.
    factor: f64,
    dims: [usize; 2],
}

impl StageMetric {
    fn apply(&self, gradient: &Affine) -> Affine {
        let left = self.input.apply(gradient);
        let both = match &self.output {
            Some(metric) => left.times(metric.clone()),
            None => left,
        };
        both.scaled(self.factor)
    }
}

impl LayerMetric {
    /// The metric at an iterate, with `μ`, `ν` and the scaling of a candidate.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when a damping is too small.
    pub(super) fn new(
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        gradients: &Gradients,
        candidate: &Candidate,
        first: &mut FirstStage,
    ) -> Result<Self> {
        let unit = Candidate {
            step: 1.0,
            ..*candidate
        };
        let displacements = gradients.displacements(&unit)?;
        let inputs = samples.preconditioners(iterate, candidate.damping, first)?;
        let parts = inputs.into_iter().zip(displacements);
        let stages = parts.enumerate().map(|(l, (input, displacement))| {
            let kernel = &iterate.coefficients[l].as_ref()?.kernel;
            Some(StageMetric {
                input: input?,
                output: displacement.metric,
                factor: displacement.step / samples.rows_per_sample(l) as f64,
                dims: kernel.dims(),
            })
        });
        Ok(Self {
            stages: stages.collect(),
        })
    }

    /// Applies the operator to a vector of all coefficients.
    pub(super) fn apply(&self, vector: &Tensor<1>) -> Tensor<1> {
        let dims = |stage: &Option<StageMetric>| stage.as_ref().map(|stage| stage.dims);
        let dims: Vec<_> = self.stages.iter().map(dims).collect();
        let parts = split(vector, &dims);
        let pairs = self.stages.iter().zip(parts);
        let applied = pairs.map(|(stage, part)| Some(stage.as_ref()?.apply(&part?)));
        flat(&applied.collect::<Vec<_>>())
    }

    /// Adds the arrays to a saved state.
    pub(super) fn save(&self, state: &mut MethodState) -> SavedMetric {
        let stages = self.stages.iter().map(|stage| {
            let stage = stage.as_ref()?;
            let (inverse, mean) = stage.input.arrays();
            state.push(inverse);
            state.push(mean);
            if let Some(metric) = &stage.output {
                state.push(metric.clone());
            }
            Some(SavedStage {
                ridge: stage.input.ridge(),
                condition: stage.input.condition(),
                factor: stage.factor,
                dims: stage.dims,
                has_output: stage.output.is_some(),
            })
        });
        // TOML has no empty places in arrays: stages that are not fitted have an empty list.
        SavedMetric {
            stages: stages.map(|stage| stage.into_iter().collect()).collect(),
        }
    }

    /// Takes back what [`save`](Self::save) gave.
    pub(super) fn restore(saved: SavedMetric, state: &mut MethodState) -> Result<Self> {
        let stage = |saved: Vec<SavedStage>| {
            let stage = |saved: SavedStage| {
                let (inverse, mean) = (state.take()?, state.take()?);
                let output = saved.has_output.then(|| state.take()).transpose()?;
                Ok(StageMetric {
                    input: Preconditioner::from_arrays(inverse, mean, saved.ridge, saved.condition),
                    output,
                    factor: saved.factor,
                    dims: saved.dims,
                })
            };
            saved.into_iter().next().map(stage).transpose()
        };
        let stages = saved.stages.into_iter().map(stage);
        Ok(Self {
            stages: stages.collect::<Result<_>>()?,
        })
    }
}

/// Numbers of the metric, by stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedMetric {
    stages: Vec<Vec<SavedStage>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SavedStage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ridge: Option<f64>,
    condition: f64,
    factor: f64,
    dims: [usize; 2],
    has_output: bool,
}
