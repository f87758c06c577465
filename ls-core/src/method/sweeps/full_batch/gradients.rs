//! The backward pass of a full-batch sweep, and the displacements that its gradients give.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::{Chunks, FullBatch, Iterate, Storage};
use crate::Result;
use crate::linalg::{Affine, OutputCurvature, OutputMetric, to_f64};
use crate::method::backward::{Backward, Parameters, Regularization, backward, response};
use crate::method::stage_role::MethodStage;
use crate::method::sweeps::control::Candidate;
use crate::shards::{OnDevice, joined};
use crate::update::add_gradients;

/// `∂ce_n/∂u_l` at an iterate, or `∂ce_n/∂h_l` of a stage that is not fitted.
pub(in crate::method::sweeps) struct Gradients {
    /// By stage and chunk; empty when recomputed.
    pub(super) stored: Vec<Chunks>,
    /// Sum of the squares of each stage's entries.
    squares: Vec<f64>,
    /// Rows and columns of each stage's entries.
    dims: Vec<[usize; 2]>,
    /// Which stages are.
    fitted: Vec<bool>,
    /// `Â_lᵀ G_l`, sums over rows, of the stages that are fitted: of the first, which no trial changes because its inputs stand still,
    /// and of all where they were asked for.
    pub(super) sums: Vec<Option<Affine>>,
    /// Which sums there are.
    pub sums_of: SumsOf,
    /// Second moments of the gradients of the hidden stages that are fitted, unless their metric is not asked for.
    curvatures: Vec<Option<OutputCurvature>>,
}

/// The stages whose `Âᵀ G` a backward pass forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::method::sweeps) enum SumsOf {
    /// All that fits need.
    FirstStage,
    /// All that make up the gradient of the coefficients.
    AllStages,
}

/// What a chunk adds to [`Gradients`].
struct ChunkGradients {
    gradients: Vec<Tensor<2>>,
    sums: Vec<Option<Affine>>,
    moments: Vec<Option<Tensor<2>>>,
    /// Sum of the squares of each stage's entries.
    squares: Tensor<1>,
}

/// How gradients become the displacement of a stage: `-τ c_l g M_l`.
#[derive(Clone, Debug)]
pub(in crate::method::sweeps) struct Displacement {
    /// `τ c_l`; 0 where a stage has no displacement.
    pub step: f64,
    /// `M_l`; `None` for the identity.
    pub metric: Option<Tensor<2>>,
}

impl Displacement {
    /// The same on a device.
    pub(super) fn on(self, device: &Device) -> Self {
        Self {
            metric: self.metric.map(|metric| metric.on(device)),
            ..self
        }
    }

    /// The displacements of rows with the gradients `g`, `[rows, d_out]`.
    pub(super) fn of(&self, g: Tensor<2>) -> Tensor<2> {
        match &self.metric {
            // The small matrix takes the factor: one pass less over the rows.
            Some(metric) => g.matmul(metric.clone() * -self.step),
            None => g * -self.step,
        }
    }

    /// The same for a sum over rows, `Âᵀ G`, as a mean over so many of them.
    pub(super) fn of_mean(&self, sum: &Affine, rows: usize) -> Affine {
        let scale = -self.step / rows as f64;
        match &self.metric {
            Some(metric) => sum.times(metric.clone()).scaled(scale),
            None => sum.scaled(scale),
        }
    }
}

impl Gradients {
    /// The displacements of all stages for a candidate.
    ///
    /// # Errors
    /// [`crate::Error::NotPositiveDefinite`] when `ν` is too small for a stage.
    pub(in crate::method::sweeps) fn displacements(
        &self,
        candidate: &Candidate,
    ) -> Result<Vec<Displacement>> {
        let metrics = self.metrics(candidate.output_damping)?;
        // `c_l` compares the displacements that the metrics leave.
        let squares = self.squares.iter().zip(&metrics);
        let squares = squares.map(|(square, metric)| {
            square * metric.as_ref().map_or(1.0, |metric| metric.shrinkage)
        });
        let squares: Vec<f64> = squares.collect();
        let factors = candidate
            .scaling
            .factors(&squares, &self.dims, &self.fitted);
        let pairs = factors.into_iter().zip(metrics);
        let displacement = |(c, metric): (f64, Option<OutputMetric>)| Displacement {
            step: candidate.step * c,
            metric: metric.map(|metric| metric.matrix),
        };
        Ok(pairs.map(displacement).collect())
    }

    fn metrics(&self, damping: Option<f64>) -> Result<Vec<Option<OutputMetric>>> {
        let metric = |curvature: &Option<OutputCurvature>| {
            let (Some(damping), Some(curvature)) = (damping, curvature) else {
                return Ok(None);
            };
            curvature.metric(damping).map(Some)
        };
        self.curvatures.iter().map(metric).collect()
    }
}

impl FullBatch<'_> {
    /// Backward pass at an iterate.
    pub(in crate::method::sweeps) fn backward(
        &self,
        iterate: &Iterate,
        sums_of: SumsOf,
    ) -> Result<Gradients> {
        let count = self.stages.len();
        let mut stored = vec![Chunks::new(); count];
        let mut squares: Vec<Tensor<2>> = Vec::new();
        let mut dims = vec![[0, 0]; count];
        let mut sums: Vec<Option<Affine>> = vec![None; count];
        let mut moments: Vec<Option<Tensor<2>>> = vec![None; count];
        self.for_each_chunk(
            |c| Ok(self.chunk_gradients(iterate, c, sums_of)),
            |chunk| {
                for (sum, own) in sums.iter_mut().zip(chunk.sums) {
                    self.add_some(sum, own, |sum, own| sum.plus(&own));
                }
                for (moment, own) in moments.iter_mut().zip(chunk.moments) {
                    self.add_some(moment, own, |sum, own| sum + own);
                }
                squares.push(chunk.squares.unsqueeze());
                for (l, gradient) in chunk.gradients.into_iter().enumerate() {
                    let [rows, columns] = gradient.dims();
                    dims[l] = [dims[l][0] + rows, columns];
                    if self.settings.storage == Storage::Stored {
                        stored[l].push(gradient);
                    }
                }
            },
        )?;
        // Leaves the device once per sweep: a number for each stage and chunk.
        let squares = to_f64(joined(squares, 0, &self.home))?;
        let total = |l: usize| squares.iter().skip(l).step_by(count).sum();
        let curvature = |moment: Option<Tensor<2>>| match moment {
            Some(moment) => OutputCurvature::new(moment.on(&self.home)),
            None => Ok(None),
        };
        let at_home = |sum: Option<Affine>| Some(sum?.on(&self.home));
        Ok(Gradients {
            stored,
            squares: (0..count).map(total).collect(),
            dims,
            fitted: self.stages.iter().map(MethodStage::is_fitted).collect(),
            sums: sums.into_iter().map(at_home).collect(),
            sums_of,
            curvatures: moments.into_iter().map(curvature).collect::<Result<_>>()?,
        })
    }

    /// The backward pass of a chunk, with its shares of all sums over rows.
    fn chunk_gradients(&self, iterate: &Iterate, c: usize, sums_of: SumsOf) -> ChunkGradients {
        let mut inputs = Vec::with_capacity(self.stages.len());
        let see = |input: &Tensor<2>, _: &Tensor<2>| inputs.push(input.clone());
        let gradients = self
            .backward_pass(iterate, c, Parameters::None, see)
            .gradients;
        let sum = |(l, input): (usize, Tensor<2>)| {
            let wanted = l == 0 || sums_of == SumsOf::AllStages;
            let stage = self.stages[l].affine().filter(|_| wanted)?;
            Some(Affine::pull_back(stage.rows(input), gradients[l].clone()))
        };
        let sums = inputs.into_iter().enumerate().map(sum).collect();
        let moments = gradients.iter().enumerate();
        let moments = moments.map(|(l, g)| self.moment(l, g)).collect();
        let squares = gradients.iter().map(|g| (g.clone() * g.clone()).sum());
        ChunkGradients {
            sums,
            moments,
            squares: Tensor::cat(squares.collect(), 0),
            gradients,
        }
    }

    /// `∂/∂V_l` of `F + λ/2 Σ ‖W_l‖²` at an iterate, from a backward pass with the sums of all stages; `None` for a stage that is not
    /// fitted.
    pub(in crate::method::sweeps) fn coefficient_gradients(
        &self,
        iterate: &Iterate,
        gradients: &Gradients,
    ) -> Vec<Option<Affine>> {
        let pairs = gradients.sums.iter().zip(&iterate.coefficients);
        let gradient = |(sum, own): (&Option<Affine>, &Option<Affine>)| {
            let mean = sum.as_ref()?.scaled(1.0 / self.samples as f64);
            let decay = self.settings.weight_decay;
            match own {
                Some(own) if decay > 0.0 => Some(Affine {
                    kernel: mean.kernel + own.kernel.clone() * decay,
                    bias: mean.bias,
                }),
                _ => Some(mean),
            }
        };
        pairs.map(gradient).collect()
    }

    /// `Σ g gᵀ` over the rows of a chunk, of a hidden stage that is fitted. The head keeps the metric of its logits.
    fn moment(&self, l: usize, gradient: &Tensor<2>) -> Option<Tensor<2>> {
        let is_hidden = l + 1 < self.stages.len();
        let wanted = self.settings.output_curvature && is_hidden && self.stages[l].is_fitted();
        wanted.then(|| gradient.clone().transpose().matmul(gradient.clone()))
    }

    /// `∂F/∂θ` of the stages that are not fitted, at an iterate.
    pub(in crate::method::sweeps) fn parameter_gradients(
        &self,
        iterate: &Iterate,
    ) -> Result<GradientsParams> {
        let mut sum = GradientsParams::new();
        self.for_each_chunk(
            |c| {
                Ok(self
                    .backward_pass(iterate, c, Parameters::Measured, |_, _| ())
                    .parameters)
            },
            |parts| {
                for (own, part) in self.stages.iter().zip(parts) {
                    add_gradients(own.stage, &mut sum, &part, 1.0 / self.samples as f64);
                }
            },
        )?;
        Ok(sum)
    }

    /// `∂ce_n/∂u_{l,n}` of all stages, of single samples: not divided by their number.
    pub(super) fn gradients(&self, iterate: &Iterate, c: usize) -> Vec<Tensor<2>> {
        self.backward_pass(iterate, c, Parameters::None, |_, _| ())
            .gradients
    }

    fn backward_pass(
        &self,
        iterate: &Iterate,
        c: usize,
        parameters: Parameters,
        see: impl FnMut(&Tensor<2>, &Tensor<2>),
    ) -> Backward {
        let network = self.network(c);
        let parts = self.parts(&network);
        let pre_activation = |l: usize, input: &Tensor<2>| match self.settings.storage {
            Storage::Stored => iterate.responses[l][c].clone(),
            Storage::Recomputed => {
                let coefficients = iterate.coefficients_on(self.device(c));
                response(&parts[l], coefficients[l].as_ref(), input)
            }
        };
        let chunk = &self.chunks[c];
        let plain = Regularization::default();
        backward(&parts, chunk, parameters, plain, pre_activation, see)
    }
}
