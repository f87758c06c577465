//! Method `locoprop`: targets one gradient step away, and a few local steps of every stage towards its own, in batches.
//!
//! Source: Amid, Anil and Warmuth, *`LocoProp`: Enhancing `BackProp` via Local Loss Optimization*, AISTATS 2022 (arXiv 2106.06199), with the
//! settings of the authors' program. With the pre-activations `u_l` of a batch of `N` samples and `G_l = ∂ce_n/∂u_l`, every stage takes
//! `K` steps of an inner optimizer on a local loss `D_l` of its coefficients alone, at its forward inputs:
//!
//! * squared (LocoProp-S): `½ Σ ‖Â V - u*‖²` with `u* = u - γ G/N`, so that `∂D/∂u = Â V - u*`;
//! * matching (LocoProp-M): the Bregman divergence of the integral of the activation `s`, with `∂D/∂u = s(Â V) - y*` and
//!   `y* = s(u) - γ G/N`; the activation of the head is softmax.
//!
//! At the start both have the gradient `γ ∇_V F`: one step of a plain inner optimizer is a gradient step, one of `RMSProp` its step. The
//! rate of inner step `k` is the rate of the batch times `max(1 - k/K, 1/4)`.
//!
//! The targets are those of `exact`, with a length given by hand and without a metric; `exact` solves its fits. A stage without the affine
//! view, or one that is frozen in part, takes the same steps towards the target `h - γ ∂ce_n/∂h / N` of its output, in squared distance.

mod config;

use core::str::FromStr;

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Tensor, activation::softmax};
use serde::{Deserialize, Serialize};

pub use self::config::{LocalLoss, LocoPropConfig};
use super::backward::{Parameters, Regularization, backward, response};
use super::schedule::ScheduledFactor;
use super::separate::separate;
use super::separation::reported_weights;
use super::stage_role::{MethodStage, StageRole, set_coefficients};
use super::state::mismatch;
use super::{Method, MethodSettings, MethodState, Objective, Separated};
use crate::batch::Batch;
use crate::figure::{Better, Figure, FigureScale, Figures};
use crate::linalg::{Affine, scalar_f64};
use crate::network::Network;
use crate::objective::{Measurement, OutputLoss, Weights};
use crate::stage::{Activation, AffineStage, AnyStage};
use crate::update::{Penalty, WeightBlock, optimize_weights};
use crate::{Error, Result};

/// Norm of `∂D/∂u` over all stages after the inner steps, relative to before: the part of the way to the targets that is left.
const REMAINDER: Figure = Figure::new("Distance to targets")
    .unit("of the first")
    .better(Better::Lower)
    .scale(FigureScale::Linear);

/// The least share of the rate that an inner step takes.
const LEAST_RATE: f64 = 0.25;

/// Local steps towards targets one gradient step away.
pub struct LocoProp {
    config: LocoPropConfig,
    roles: Vec<StageRole>,
    optimizer: ModuleOptimizer,
    schedule: ScheduledFactor,
    /// Names of kernel and bias of every stage in the optimizer's state.
    ids: Vec<[ParamId; 2]>,
}

/// Coefficients as a module, so that an optimizer keeps a state for them.
#[derive(Module, Debug)]
struct Coefficients {
    kernel: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl LocoProp {
    /// Starts the method for a run of so many batches; without their number the rate stays.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] and [`Error::Settings`] for impossible settings, [`Error::Unsupported`] for a matching loss where a stage
    /// with the affine view states no activation.
    pub fn new(
        config: LocoPropConfig,
        network: &Network,
        total_steps: Option<usize>,
    ) -> Result<Self> {
        config.check()?;
        let roles = StageRole::all(network);
        let parts = MethodStage::all(network, &roles);
        for (l, part) in parts.iter().enumerate() {
            let lacks = |stage: &dyn AffineStage| stage.entrywise_activation().is_none();
            if config.local_loss == LocalLoss::Matching && part.affine().is_some_and(lacks) {
                return Err(Error::Unsupported {
                    update: "the matching loss (`local-loss`)",
                    stage: l + 1,
                    needs: "activation of single pre-activations",
                });
            }
        }
        Ok(Self {
            optimizer: config.optimizer.init(None)?,
            schedule: config.schedule.start(total_steps)?,
            ids: roles
                .iter()
                .map(|_| [ParamId::new(), ParamId::new()])
                .collect(),
            roles,
            config,
        })
    }

    /// The rate of inner step `k`.
    fn rate(&self, base: f64, k: usize) -> f64 {
        base * (1.0 - k as f64 / self.config.local_steps as f64).max(LEAST_RATE)
    }

    /// The inner steps of a stage with the affine view: its coefficients, and the sum of squares of `∂D/∂u` at them.
    fn fitted(
        &mut self,
        l: usize,
        stage: &dyn AffineStage,
        local: &LocalTarget<'_>,
        base: f64,
    ) -> (Affine, Tensor<1>) {
        let rows = stage.rows(local.input.clone());
        let transfer = match self.config.local_loss {
            LocalLoss::Squared => Transfer::Identity,
            LocalLoss::Matching if l + 1 == self.roles.len() => Transfer::Softmax,
            LocalLoss::Matching => {
                Transfer::Activation(stage.entrywise_activation().unwrap_or(Activation::Identity))
            }
        };
        let target = transfer.apply(local.response.clone()) - local.displacement.clone();
        let slope = |own: &Affine| {
            transfer.apply(stage.pre_activations(own, rows.clone())) - target.clone()
        };
        let mut own = stage.coefficients();
        for k in 0..self.config.local_steps {
            let gradient = Affine::pull_back(rows.clone(), slope(&own));
            own = self.step(l, own, gradient, self.rate(base, k));
        }
        let rest = slope(&own);
        (own, (rest.clone() * rest).sum())
    }

    /// A step of the inner optimizer on coefficients.
    fn step(&mut self, l: usize, own: Affine, gradient: Affine, rate: f64) -> Affine {
        let [kernel, bias] = self.ids[l];
        let mut gradients = GradientsParams::new();
        gradients.register(kernel, gradient.kernel);
        gradients.register(bias, gradient.bias);
        // Optimizers take tracked parameters only.
        let module = Coefficients {
            kernel: Param::initialized(kernel, own.kernel.autodiff().require_grad()),
            bias: Param::initialized(bias, own.bias.autodiff().require_grad()),
        };
        let moved = self.optimizer.step(rate, module, gradients);
        Affine {
            kernel: moved.kernel.into_value().inner(),
            bias: moved.bias.into_value().inner(),
        }
    }

    /// The inner steps of any other stage, towards targets of its output.
    fn moved(
        &mut self,
        stage: &AnyStage,
        local: &LocalTarget<'_>,
        base: f64,
    ) -> Result<(AnyStage, Tensor<1>)> {
        let target = local.response.clone() - local.displacement.clone();
        let block = WeightBlock {
            input: local.input.clone(),
            loss: OutputLoss::Residual {
                target: target.clone(),
                // Weight blocks take means, local losses are sums.
                omega: 0.5 * local.input.dims()[0] as f64,
            },
            penalty: Penalty::NONE,
        };
        let mut own = stage.clone();
        for k in 0..self.config.local_steps {
            let rate = self.rate(base, k);
            own = optimize_weights(&own, &block, &mut self.optimizer, rate)?;
        }
        let rest = own.forward(local.input.clone()) - target;
        Ok((own, (rest.clone() * rest).sum()))
    }
}

/// What the local loss of a stage is made of.
struct LocalTarget<'a> {
    /// `h_{l-1}`.
    input: &'a Tensor<2>,
    /// `u_l`, or `h_l`.
    response: &'a Tensor<2>,
    /// `γ/N` times the gradient by the response.
    displacement: Tensor<2>,
}

/// The map whose values have targets.
#[derive(Clone, Copy)]
enum Transfer {
    Identity,
    Activation(Activation),
    Softmax,
}

impl Transfer {
    fn apply(self, u: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Identity => u,
            Self::Activation(activation) => activation.apply(u),
            Self::Softmax => softmax(u, 1),
        }
    }
}

/// A forward pass with the gradients by the responses of all stages.
struct Pass {
    inputs: Vec<Tensor<2>>,
    responses: Vec<Tensor<2>>,
    gradients: Vec<Tensor<2>>,
}

impl Pass {
    fn new(parts: &[MethodStage<'_>], batch: &Batch) -> Self {
        let (mut inputs, mut responses) = (Vec::new(), Vec::new());
        let found = backward(
            parts,
            batch,
            Parameters::None,
            Regularization::default(),
            |l, input| {
                let coefficients = parts[l].affine().map(AffineStage::coefficients);
                response(&parts[l], coefficients.as_ref(), input)
            },
            |input, response| {
                inputs.push(input.clone());
                responses.push(response.clone());
            },
        );
        Self {
            inputs,
            responses,
            gradients: found.gradients,
        }
    }
}

impl Method for LocoProp {
    fn name(&self) -> &str {
        LocoPropConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![REMAINDER]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let network = &mut model.network;
        let roles = self.roles.clone();
        let pass = Pass::new(&MethodStage::all(network, &roles), batch);
        let base = self.config.learning_rate * self.schedule.advance();
        let scale = self.config.target_step / batch.len() as f64;
        let mut sums: Option<[Tensor<1>; 2]> = None;
        for (l, role) in roles.iter().enumerate() {
            let displacement = pass.gradients[l].clone() * scale;
            let before = (displacement.clone() * displacement.clone()).sum();
            let local = LocalTarget {
                input: &pass.inputs[l],
                response: &pass.responses[l],
                displacement,
            };
            let after = match (role, network.stages()[l].affine()) {
                (StageRole::Frozen, _) => continue,
                (StageRole::Affine, Some(stage)) => {
                    let (own, after) = self.fitted(l, stage, &local, base);
                    set_coefficients(network, l, own)?;
                    after
                }
                _ => {
                    let (own, after) = self.moved(&network.stages()[l], &local, base)?;
                    *network.stage_mut(l) = own;
                    after
                }
            };
            sums = Some(match sums {
                Some([first, last]) => [first + before, last + after],
                None => [before, after],
            });
        }
        let mut figures = Figures::default();
        if let Some([first, last]) = sums {
            let ratio = scalar_f64((last / first).sqrt())?;
            // At a stationary point there is no way to go.
            figures.record_some(REMAINDER, Some(ratio).filter(|ratio| ratio.is_finite()));
        }
        Ok(figures)
    }

    fn save(&self) -> Result<MethodState> {
        let ids = self.ids.iter().flatten();
        let mut state = MethodState::new(&Saved {
            steps: self.schedule.steps(),
            ids: ids.map(ToString::to_string).collect(),
        })?;
        state.optimizers.push_back(self.optimizer.to_record());
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let Saved { steps, ids } = state.read()?;
        if ids.len() != 2 * self.ids.len() {
            return Err(mismatch(&"it belongs to another number of stages"));
        }
        for (own, saved) in self.ids.iter_mut().flatten().zip(&ids) {
            *own = ParamId::from_str(saved).map_err(|error| mismatch(&error))?;
        }
        self.schedule.skip_to(steps);
        let optimizer = self.optimizer.clone();
        self.optimizer = optimizer.load_record(state.take_optimizer()?);
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }

    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        separate(model, self.config.weighting.0, split, None, None)
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Saved {
    steps: usize,
    ids: Vec<String>,
}
