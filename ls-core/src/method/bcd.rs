//! Method `bcd`: proximal block coordinate descent on a quadratic penalty function, in full batch.
//!
//! Source: Zeng, Lau, Lin and Yao, *Global Convergence of Block Coordinate Descent in Deep Learning*, ICML 2019 (arXiv 1803.00225),
//! algorithm 2, with the settings of the authors' program. Outputs `a_l` and pre-activations `u_l` of all stages are variables, also the
//! logits `a_L`, and constraints become penalties:
//!
//! `Q = Σ_n ℓ(a_{L,n}, y_n) + γ/2 Σ_l Σ_n ‖a_{l,n} - post_l(u_{l,n})‖² + ‖u_{l,n} - Â_{l,n} V_l‖²`
//!
//! A sweep goes through the stages from the last to the first, and through `a_l`, `u_l` and `V_l` of each. `a_L`, the hidden `u_l` and all
//! `V_l` minimize `Q` plus `α/2` times the squared distance from where they were, `a_l` and `u_L` minimize `Q` alone. Dense stages have
//! closed forms, except that smooth activations take three steps of Gauss and Newton; so do convolutions for their `V_l`. Other blocks
//! take three gradient steps for each sample, and keep those that lower their value. So `Q` never rises.
//!
//! `Q` bounds nothing: it can fall to zero while the network, in which no variable is free, stays poor. The reports show the difference.

use burn::tensor::{Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::separation::reported_weights;
use super::split_blocks::{OutputBlock, PreActivationBlock, affine, check_affine, pre_activation};
use super::stage_role::{StageRole, set_coefficients};
use super::{Method, MethodSettings, MethodState, Objective, Separated, Task};
use crate::batch::{Batch, BatchIdentity, BatchSize, Selection};
use crate::error::ensure;
use crate::figure::{Better, Figure, Figures};
use crate::linalg::{Affine, Cholesky, Gram, mean_f64};
use crate::network::Network;
use crate::objective::{ReportWeighting, Weights, cross_entropy, square_norms};
use crate::stage::AffineStage;
use crate::{Error, Result};

/// `Q / N`.
const PENALTY_FUNCTION: Figure = Figure::new("Penalty function")
    .better(Better::Lower)
    .chart("Losses");

/// What errors call the method.
const UPDATE: &str = "block coordinate descent";

/// The loss of the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BcdLoss {
    /// `½ ‖a_L - e_y‖²`, as published
    #[default]
    Squared,
    /// The cross-entropy, which reports show
    CrossEntropy,
}

/// Settings of [`Bcd`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `penalty` | `γ` | 1 | 1e-9 to 1e9 |
/// | `proximity` | `α` | 5 | 0 to 1e9 |
/// | `loss` | loss of the logits | `squared` | `squared`, `cross-entropy` |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BcdConfig {
    /// Weight γ of the penalties; the loss is a sum over samples and has weight 1 [default: 1]
    pub penalty: f64,
    /// Weight α of the squared distance from the last point [default: 5]
    pub proximity: f64,
    /// Loss of the logits; reports always show the cross-entropy [default: squared]
    pub loss: BcdLoss,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

impl Default for BcdConfig {
    fn default() -> Self {
        Self {
            penalty: 1.0,
            proximity: 5.0,
            loss: BcdLoss::Squared,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for BcdConfig {
    const NAME: &'static str = "bcd";
    const ABOUT: &'static str =
        "Proximal block coordinate descent (Zeng et al. 2019) on a penalty function, in full batch";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        let inside = (1e-9..=1e9).contains(&self.penalty);
        ensure(inside, "penalty", self.penalty, "from 1e-9 to 1e9")?;
        let inside = (0.0..=1e9).contains(&self.proximity);
        ensure(inside, "proximity", self.proximity, "from 0 to 1e9")
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Full => Ok(()),
            BatchSize::Samples(count) => Err(needs_full_batch(count)),
        }
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Bcd::new(*self, task.network)?))
    }
}

fn needs_full_batch(size: usize) -> Error {
    Error::BatchSize {
        method: BcdConfig::NAME,
        size: size.to_string(),
        allowed: "its fits are those of the whole split; leave out the batch size",
    }
}

/// Proximal block coordinate descent.
pub struct Bcd {
    config: BcdConfig,
    roles: Vec<StageRole>,
    memory: Option<Memory>,
    /// Factor of the first stage's Gram matrix with its ridge, and the samples that it belongs to.
    first: Option<(BatchIdentity, Cholesky)>,
}

/// The variables that the network's auxiliary variables do not hold.
struct Memory {
    /// `u_1, …, u_L`.
    pre_activations: Vec<Tensor<2>>,
    /// `a_L`.
    logits: Tensor<2>,
}

impl Memory {
    /// The feasible ones: each stage's own output at the auxiliary variable before it.
    fn feasible(network: &Network, outputs: &[Tensor<2>], batch: &Batch) -> Result<Self> {
        let mut pre_activations = Vec::with_capacity(outputs.len() + 1);
        for l in 0..=outputs.len() {
            let input = input(l, outputs, batch);
            pre_activations.push(pre_activation(affine(network, l, UPDATE)?, input));
        }
        let head = affine(network, outputs.len(), UPDATE)?;
        let last = pre_activations[outputs.len()].clone();
        let logits = head.post(last, input(outputs.len(), outputs, batch));
        Ok(Self {
            pre_activations,
            logits,
        })
    }
}

/// `a_{l-1}`, with `l` counted from 0.
fn input<'a>(l: usize, outputs: &'a [Tensor<2>], batch: &'a Batch) -> &'a Tensor<2> {
    match l {
        0 => &batch.inputs,
        _ => &outputs[l - 1],
    }
}

impl Bcd {
    /// Starts the method.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings, [`Error::Unsupported`] for a stage without the affine view or one that is frozen
    /// in part.
    pub fn new(config: BcdConfig, network: &Network) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            roles: check_affine(network, UPDATE)?,
            memory: None,
            first: None,
        })
    }

    /// `a_L` that minimizes `ℓ + γ/2 ‖a_L - post_L(u_L)‖² + α/2 ‖a_L - start‖²`.
    fn logits(&self, output: Tensor<2>, start: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<2> {
        let BcdConfig {
            penalty, proximity, ..
        } = self.config;
        let weight = penalty + proximity;
        let sum = output * penalty + start.clone() * proximity;
        match self.config.loss {
            BcdLoss::Squared => {
                let truth = cross_entropy::one_hot(labels, &sum);
                (sum + truth) / (1.0 + weight)
            }
            BcdLoss::CrossEntropy => {
                cross_entropy::proximal(&(sum / weight), labels, weight, start)
            }
        }
    }

    /// Moves all blocks of stage `l`; `outputs` are `a_1, …, a_L`.
    fn move_stage(
        &mut self,
        l: usize,
        network: &mut Network,
        outputs: &mut [Tensor<2>],
        pre_activations: &mut [Tensor<2>],
        batch: &Batch,
    ) -> Result<()> {
        let head = network.hidden();
        let stage = affine(network, l, UPDATE)?;
        let target = stage.post(pre_activations[l].clone(), input(l, outputs, batch));
        outputs[l] = if l == head {
            self.logits(target, outputs[l].clone(), &batch.labels)
        } else {
            let block = OutputBlock {
                target,
                next: &network.stages()[l + 1],
                next_affine: affine(network, l + 1, UPDATE)?,
                next_pre_activation: &pre_activations[l + 1],
                next_output: &outputs[l + 1],
            };
            block.lowered(outputs[l].clone())?
        };
        let input = input(l, outputs, batch);
        let block = PreActivationBlock {
            stage: &network.stages()[l],
            affine: stage,
            input,
            output: &outputs[l],
            fitted: pre_activation(stage, input),
            proximity: match l == head {
                true => 0.0,
                false => self.config.proximity / self.config.penalty,
            },
        };
        pre_activations[l] = block.lowered(pre_activations[l].clone());
        if self.roles[l] == StageRole::Affine {
            let step = self.weight_step(l, stage, input, &pre_activations[l], batch)?;
            let coefficients = stage.coefficients().plus(&step);
            set_coefficients(network, l, coefficients)?;
        }
        Ok(())
    }

    /// The step to the coefficients that minimize `γ/2 ‖u - Â V‖² + α/2 ‖V - V_old‖²`.
    fn weight_step(
        &mut self,
        l: usize,
        stage: &dyn AffineStage,
        input: &Tensor<2>,
        pre_activation: &Tensor<2>,
        batch: &Batch,
    ) -> Result<Affine> {
        let rows = stage.rows(input.clone());
        let count = rows.dims()[0] as f64;
        let misfit = pre_activation.clone() - stage.coefficients().apply(rows.clone());
        let right = Affine::pull_back(rows.clone(), misfit).scaled(1.0 / count);
        let ridge = self.config.proximity / (self.config.penalty * count);
        let factor = || Gram::from_rows(rows).factor_plus(ridge);
        if l > 0 {
            return factor()?.solve(&right);
        }
        // The inputs of the first stage never change.
        let identity = batch.identity();
        let known = self.first.take().filter(|(seen, _)| *seen == identity);
        let (_, first) = match known {
            Some(known) => self.first.insert(known),
            None => self.first.insert((identity, factor()?)),
        };
        first.solve(&right)
    }

    /// `Q / N`.
    fn penalty_function(
        &self,
        network: &Network,
        outputs: &[Tensor<2>],
        pre_activations: &[Tensor<2>],
        batch: &Batch,
    ) -> Result<f64> {
        let logits = outputs[network.hidden()].clone();
        let mut value = match self.config.loss {
            BcdLoss::CrossEntropy => cross_entropy::per_sample(logits, &batch.labels),
            BcdLoss::Squared => {
                let truth = cross_entropy::one_hot(&batch.labels, &logits);
                square_norms(logits - truth) * 0.5
            }
        };
        let half = self.config.penalty / 2.0;
        for (l, u) in pre_activations.iter().enumerate() {
            let (stage, input) = (affine(network, l, UPDATE)?, input(l, outputs, batch));
            let [rows, columns] = u.dims();
            let size = [batch.len(), rows * columns / batch.len()];
            let misfit = (u.clone() - pre_activation(stage, input)).reshape(size);
            let output = stage.post(u.clone(), input);
            let terms = square_norms(outputs[l].clone() - output) + square_norms(misfit);
            value = value + terms * half;
        }
        mean_f64(value)
    }
}

impl Method for Bcd {
    fn name(&self) -> &str {
        BcdConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::reported(PENALTY_FUNCTION).descending()
    }

    fn figures(&self) -> Vec<Figure> {
        vec![PENALTY_FUNCTION]
    }

    /// Moves every block once. The batch must be a whole split.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !matches!(batch.selection, Selection::All) {
            return Err(needs_full_batch(batch.len()));
        }
        let network = &mut model.network;
        let mut outputs = model.auxiliary.gather(&Selection::All);
        if outputs.len() != network.hidden() {
            return Err(Error::ShapeMismatch {
                what: "hidden stages with auxiliary variables".into(),
                expected: network.hidden(),
                found: outputs.len(),
            });
        }
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => Memory::feasible(network, &outputs, batch)?,
        };
        let mut pre_activations = memory.pre_activations;
        outputs.push(memory.logits);
        for l in (0..outputs.len()).rev() {
            self.move_stage(l, network, &mut outputs, &mut pre_activations, batch)?;
        }
        let value = self.penalty_function(network, &outputs, &pre_activations, batch)?;
        if let Some(logits) = outputs.pop() {
            self.memory = Some(Memory {
                pre_activations,
                logits,
            });
        }
        model.auxiliary.scatter(&Selection::All, outputs);
        Ok(Figures::default().with(PENALTY_FUNCTION, value))
    }

    fn save(&self) -> Result<MethodState> {
        let memory = self.memory.as_ref();
        let mut state = MethodState::new(&Saved {
            stages: memory.map_or(0, |memory| memory.pre_activations.len()),
        })?;
        if let Some(memory) = memory {
            for u in &memory.pre_activations {
                state.push(u.clone());
            }
            state.push(memory.logits.clone());
        }
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let Saved { stages } = state.read()?;
        self.memory = match stages {
            0 => None,
            _ => Some(Memory {
                pre_activations: (0..stages).map(|_| state.take()).collect::<Result<_>>()?,
                logits: state.take()?,
            }),
        };
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// Stages with pre-activations; 0 before the first sweep.
    stages: usize,
}
