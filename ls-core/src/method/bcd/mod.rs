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

mod config;

use burn::tensor::{Int, Tensor};

pub use self::config::{BcdConfig, BcdLoss};

use self::config::needs_full_batch;
use super::separation::reported_weights;
use super::split_blocks::{OutputBlock, PreActivationBlock, affine, check_affine, pre_activation};
use super::split_variables::{SplitVariables, outputs};
use super::stage_role::{StageRole, set_coefficients};
use super::{Method, MethodSettings, MethodState, Objective, Separated};
use crate::Result;
use crate::batch::{Batch, BatchIdentity, Selection};
use crate::figure::{Better, Figure, Figures};
use crate::linalg::{Affine, Cholesky, Gram, mean_f64};
use crate::network::Network;
use crate::objective::{Weights, cross_entropy, square_norms};

/// `Q / N`.
const PENALTY_FUNCTION: Figure = Figure::new("Penalty function")
    .better(Better::Lower)
    .chart("Losses");

/// What errors call the method.
const UPDATE: &str = "block coordinate descent";

/// Proximal block coordinate descent.
pub struct Bcd {
    config: BcdConfig,
    roles: Vec<StageRole>,
    /// With the logits `a_L` at the head.
    variables: Option<SplitVariables>,
    first: Option<FirstStage>,
}

/// What is known of the first stage, whose inputs never change. It follows from the weights and the samples, and is not saved.
struct FirstStage {
    samples: BatchIdentity,
    /// Factor of the Gram matrix with its ridge.
    factor: Cholesky,
    /// `Â_1 V_1` at the end of the last sweep; nobody else may move the weights between two sweeps.
    fitted: Option<Tensor<2>>,
}

/// The feasible variables: each stage's own output at the auxiliary variable before it.
fn feasible(network: &Network, outputs: &[Tensor<2>], batch: &Batch) -> Result<SplitVariables> {
    let hidden = outputs.len();
    let own = |l| {
        let stage = affine(network, l, UPDATE)?;
        Ok(pre_activation(stage, input(l, outputs, batch)))
    };
    let pre_activations: Vec<_> = (0..=hidden).map(own).collect::<Result<_>>()?;
    let last = pre_activations[hidden].clone();
    let head = affine(network, hidden, UPDATE)?.post(last, input(hidden, outputs, batch));
    Ok(SplitVariables {
        pre_activations,
        head,
    })
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
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) for impossible settings, [`Error::Unsupported`](crate::Error::Unsupported)
    /// for a stage without the affine view or one that is frozen
    /// in part.
    pub fn new(config: BcdConfig, network: &Network) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            roles: check_affine(network, UPDATE)?,
            variables: None,
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
        let first = self.first.as_mut().filter(|_| l == 0);
        let fitted = match first.and_then(|first| first.fitted.take()) {
            Some(known) => known,
            None => pre_activation(stage, input),
        };
        let block = PreActivationBlock {
            stage: &network.stages()[l],
            affine: stage,
            input,
            output: &outputs[l],
            fitted: fitted.clone(),
            proximity: match l == head {
                true => 0.0,
                false => self.config.proximity / self.config.penalty,
            },
        };
        pre_activations[l] = block.lowered(pre_activations[l].clone());
        if self.roles[l] == StageRole::Affine {
            let misfit = pre_activations[l].clone() - fitted;
            let rows = stage.rows(input.clone());
            let step = self.weight_step(l, rows, misfit, batch)?;
            let coefficients = stage.coefficients().plus(&step);
            set_coefficients(network, l, coefficients)?;
        }
        Ok(())
    }

    /// The step to the coefficients that minimize `γ/2 ‖u - Â V‖² + α/2 ‖V - V_old‖²`, for `u - Â V_old`.
    fn weight_step(
        &mut self,
        l: usize,
        rows: Tensor<2>,
        misfit: Tensor<2>,
        batch: &Batch,
    ) -> Result<Affine> {
        let count = rows.dims()[0] as f64;
        let right = Affine::pull_back(rows.clone(), misfit).scaled(1.0 / count);
        let ridge = self.config.proximity / (self.config.penalty * count);
        let factor = || Gram::from_rows(rows).factor_plus(ridge);
        if l > 0 {
            return factor()?.solve(&right);
        }
        let first = match self.first.take() {
            Some(known) => self.first.insert(known),
            None => self.first.insert(FirstStage {
                samples: batch.identity(),
                factor: factor()?,
                fitted: None,
            }),
        };
        first.factor.solve(&right)
    }

    /// `Q / N`.
    fn penalty_function(
        &mut self,
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
            let fitted = pre_activation(stage, input);
            if let Some(first) = self.first.as_mut().filter(|_| l == 0) {
                first.fitted = Some(fitted.clone());
            }
            let [rows, columns] = u.dims();
            let size = [batch.len(), rows * columns / batch.len()];
            let misfit = (u.clone() - fitted).reshape(size);
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
        let mut outputs = outputs(model)?;
        let network = &mut model.network;
        self.first = self
            .first
            .take()
            .filter(|first| first.samples == batch.identity());
        let SplitVariables {
            mut pre_activations,
            head,
        } = match self.variables.take() {
            Some(variables) => variables,
            None => feasible(network, &outputs, batch)?,
        };
        outputs.push(head);
        for l in (0..outputs.len()).rev() {
            self.move_stage(l, network, &mut outputs, &mut pre_activations, batch)?;
        }
        let value = self.penalty_function(network, &outputs, &pre_activations, batch)?;
        self.variables = outputs.pop().map(|head| SplitVariables {
            pre_activations,
            head,
        });
        model.auxiliary.scatter(&Selection::All, outputs);
        Ok(Figures::default().with(PENALTY_FUNCTION, value))
    }

    fn save(&self) -> Result<MethodState> {
        SplitVariables::save(self.variables.as_ref())
    }

    fn restore(&mut self, state: MethodState) -> Result<()> {
        self.variables = SplitVariables::restored(state)?;
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }
}
