//! Method `alternating`: auxiliary blocks backwards, then weight blocks forwards, each lowering the separated loss.
//!
//! With line searches the weights of a stage with the affine view move by a [`GramStep`], those of any other stage,
//! or of one that is frozen in part, by a [`GradientStep`]. A stage without trainable parameters keeps its weights. Of a batch in shards
//! the auxiliary variables move where their samples are; weights move at home.

mod config;
mod memory;
mod variables;

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

pub use self::config::AlternatingConfig;
use self::config::DAMPING;
use self::memory::Memory;
use self::variables::{AuxiliaryPhase, Variables};
use super::separation::Separation;
use super::stage_role::StageRole;
use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, REJECTED, Separated, counts,
};
use crate::auxiliary::AuxiliaryStore;
use crate::batch::{Batch, Selection};
use crate::figure::{Figure, Figures};
use crate::linalg::{Cholesky, mean_f64};
use crate::network::Network;
use crate::objective::{Weighting, Weights};
use crate::stage::AnyStage;
use crate::update::{
    AuxiliaryBlock, FIRST_AUXILIARY_STEP, GradientStep, GramStep, WeightBlock, optimize_auxiliary,
    optimize_weights, restart,
};
use crate::{Error, Result};

/// Rows that the first stage's preconditioner is computed from, once; its inputs never change.
const PRECONDITIONER_ROWS: usize = 8192;

/// How the blocks move.
enum BlockRule {
    /// Armijo steps per sample and weight steps with a line search, preconditioned by the Gram matrix of the inputs where the
    /// stage has the affine view and entry by entry elsewhere: in full batch the separated loss never rises.
    LineSearch {
        /// Damping `μ` of the Gram matrices.
        damping: f64,
    },
    /// An optimizer for each group of blocks: no guarantee.
    Optimizer {
        /// Moves the weights.
        weights: ModuleOptimizer,
        /// Moves the auxiliary variables.
        auxiliary: ModuleOptimizer,
        /// Learning rate of the weights.
        learning_rate: f64,
        /// Learning rate of the auxiliary variables.
        auxiliary_learning_rate: f64,
    },
}

impl BlockRule {
    /// The rule that checked settings choose.
    fn new(config: &AlternatingConfig) -> Result<Self> {
        let Some(optimizer) = &config.optimizer else {
            let damping = config.damping.unwrap_or(DAMPING);
            return Ok(Self::LineSearch { damping });
        };
        let usual = optimizer.name().block_learning_rate();
        let learning_rate = config.learning_rate.unwrap_or(usual);
        Ok(Self::Optimizer {
            weights: optimizer.init(None)?,
            auxiliary: optimizer.init(None)?,
            learning_rate,
            auxiliary_learning_rate: config.auxiliary_learning_rate.unwrap_or(learning_rate),
        })
    }
}

/// The paper's scheme, alternating minimization of the separated loss.
///
/// A stage without the affine view still trains, with the same guarantee. What is frozen
/// ([`Module::no_grad`](burn::module::Module::no_grad)) before the method is made keeps its weights. Self-adaptive weights ask every
/// stage behind the first for a Lipschitz constant; fixed ones ask for nothing.
pub struct Alternating {
    config: AlternatingConfig,
    rule: BlockRule,
    roles: Vec<StageRole>,
    memory: Memory,
}

impl Alternating {
    /// Starts the method for a network and its whole training split.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings, [`Error::NoSelfAdaptiveWeights`] when a stage behind the first states no
    /// Lipschitz constant, [`Error::NotPositiveDefinite`] when the inputs are not finite.
    pub fn new(config: AlternatingConfig, network: &Network, split: &Batch) -> Result<Self> {
        config.check()?;
        let rule = BlockRule::new(&config)?;
        let mut unbounded = network.without_bound().into_iter();
        let reason = unbounded.find(|stage| stage.stage > 1);
        if let (Weighting::SelfAdaptive { .. }, Some(reason)) = (config.weighting, reason) {
            // The first sweep would refuse as well, but later.
            return Err(Error::NoSelfAdaptiveWeights(reason));
        }
        let hidden = network.hidden();
        let device = split.inputs.device();
        let roles = StageRole::all_affine(network);
        let gradient_step = |&role: &StageRole| match (&rule, role) {
            (BlockRule::LineSearch { .. }, StageRole::Gradient) => Some(GradientStep::default()),
            _ => None,
        };
        let gradient_steps: Vec<_> = roles.iter().map(gradient_step).collect();
        let first = network.stages()[0].affine();
        let first_preconditioner = match (&rule, roles[0], first) {
            (BlockRule::LineSearch { damping }, StageRole::Affine, Some(first)) => {
                let rows = split.len().min(PRECONDITIONER_ROWS);
                let sample = split.inputs.clone().narrow(0, 0, rows);
                let step = GramStep {
                    damping: *damping,
                    longest: f64::INFINITY,
                };
                Some(step.precondition(first, sample)?)
            }
            _ => None,
        };
        let first_length = |step: &Option<GradientStep>| match step {
            Some(_) => GradientStep::FIRST_LENGTH,
            None => GramStep::FIRST_LENGTH,
        };
        let widths = vec![1; hidden];
        Ok(Self {
            config,
            rule,
            roles,
            memory: Memory {
                auxiliary_steps: AuxiliaryStore::constant(
                    split.len(),
                    &widths,
                    FIRST_AUXILIARY_STEP,
                    &device,
                ),
                weight_steps: gradient_steps.iter().map(first_length).collect(),
                first_preconditioner,
                gradient_steps,
                auxiliary_ids: vec![Vec::new(); hidden],
                separation: None,
            },
        })
    }

    /// Restart and auxiliary passes.
    fn move_variables(
        &mut self,
        network: &Network,
        weights: &Weights,
        mut variables: Variables,
        batch: &Batch,
    ) -> Result<Variables> {
        if let BlockRule::LineSearch { .. } = self.rule {
            let phase = AuxiliaryPhase {
                restart: self.config.restart,
                passes: self.config.auxiliary_passes,
                relaxation: self.config.relaxation,
            };
            return phase.run(network, weights, variables, batch);
        }
        if self.config.restart {
            variables.values = restart(network, weights, None, variables.values, batch);
        }
        for _ in 0..self.config.auxiliary_passes {
            self.optimizer_pass(network, weights, &mut variables.values, batch);
        }
        Ok(variables)
    }

    /// One optimizer step for each auxiliary block, from the last to the first.
    fn optimizer_pass(
        &mut self,
        network: &Network,
        weights: &Weights,
        values: &mut [Tensor<2>],
        batch: &Batch,
    ) {
        let BlockRule::Optimizer {
            auxiliary,
            auxiliary_learning_rate,
            ..
        } = &mut self.rule
        else {
            return;
        };
        for l in (0..network.hidden()).rev() {
            let input = if l == 0 {
                &batch.inputs
            } else {
                &values[l - 1]
            };
            let block = AuxiliaryBlock {
                target: network.stages()[l].forward(input.clone()),
                omega: weights.omega[l],
                next: &network.stages()[l + 1],
                next_loss: weights.output_loss(l + 1, values, batch),
            };
            let (value, id) = (values[l].clone(), self.memory.row_id(l, batch.block));
            values[l] = optimize_auxiliary(&block, value, id, auxiliary, *auxiliary_learning_rate);
        }
    }

    fn weight_pass(
        &mut self,
        network: &mut Network,
        separation: &mut Separation,
        values: &[Tensor<2>],
        mut first: Option<Tensor<2>>,
        preconditioners: &mut [Option<Cholesky>],
        batch: &Batch,
    ) -> Result<[usize; 2]> {
        let [mut accepted, mut rejected] = [0, 0];
        // 1/N Σ r_j² of the stages already passed: they press on the norms of the later ones.
        let mut residuals = Vec::with_capacity(values.len() + 1);
        for l in 0..=network.hidden() {
            let input = if l == 0 {
                &batch.inputs
            } else {
                &values[l - 1]
            };
            let block = WeightBlock {
                input: input.clone(),
                loss: separation.weights.output_loss(l, values, batch),
                penalty: separation.penalty(l, &residuals),
            };
            let stage = network.stage_mut(l);
            if self.roles[l] == StageRole::Frozen {
                let misfit = block.loss.misfit(stage.forward(block.input));
                residuals.push(mean_f64(misfit)?);
                continue;
            }
            match &mut self.rule {
                BlockRule::LineSearch { damping } => {
                    let rule = gram_step(*damping, stage, batch);
                    let known = first.take_if(|_| l == 0);
                    let step =
                        self.memory
                            .weight_step(l, known, stage, &block, rule, preconditioners)?;
                    self.memory.weight_steps[l] = step.next;
                    accepted += usize::from(step.accepted.is_some());
                    rejected += usize::from(step.accepted.is_none());
                    residuals.push(step.misfit_mean);
                    if step.accepted.is_some() {
                        separation.moved(l, stage, step.lipschitz)?;
                    }
                }
                BlockRule::Optimizer {
                    weights,
                    learning_rate,
                    ..
                } => {
                    *stage = optimize_weights(stage, &block, weights, *learning_rate)?;
                    accepted += 1;
                    let misfit = block.loss.misfit(stage.forward(block.input));
                    residuals.push(mean_f64(misfit)?);
                    separation.moved(l, stage, None)?;
                }
            }
        }
        Ok([accepted, rejected])
    }
}

/// The steps of a stage with the affine view on a batch.
fn gram_step(damping: f64, stage: &AnyStage, batch: &Batch) -> GramStep {
    let features = stage.input_shape().features();
    let longest = match batch.selection {
        Selection::All => f64::INFINITY,
        _ => GramStep::longest_for(batch.len(), features),
    };
    GramStep { damping, longest }
}

impl Method for Alternating {
    fn name(&self) -> &str {
        AlternatingConfig::NAME
    }

    fn objective(&self) -> Objective {
        match self.rule {
            BlockRule::LineSearch { .. } if self.config.relaxation == 1.0 => {
                Objective::SEPARATED.descending()
            }
            _ => Objective::SEPARATED,
        }
    }

    fn figures(&self) -> Vec<Figure> {
        vec![ACCEPTED, REJECTED]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let network = &mut model.network;
        let (expected, found) = (network.hidden(), model.auxiliary.stages());
        if expected != found {
            return Err(Error::ShapeMismatch {
                what: "hidden stages with auxiliary variables".into(),
                expected,
                found,
            });
        }
        let last = self.memory.separation.take();
        let mut separation = Separation::at(self.config.weighting, network, last)?;
        let variables = Variables {
            values: model.auxiliary.gather(&batch.selection),
            lengths: self.memory.auxiliary_steps.gather(&batch.selection),
            first: None,
        };
        let variables = self.move_variables(network, &separation.weights, variables, batch)?;
        let Variables {
            mut values,
            lengths,
            mut first,
        } = variables;
        let mut report = counts(0, 0);
        let mut preconditioners = vec![None; network.hidden() + 1];
        for _ in 0..self.config.weight_passes {
            let [accepted, rejected] = self.weight_pass(
                network,
                &mut separation,
                &values,
                first.take(),
                &mut preconditioners,
                batch,
            )?;
            report = report.followed_by(counts(accepted, rejected));
        }
        if self.config.relaxation != 1.0 {
            values = restart(network, &separation.weights, None, values, batch);
        }
        self.memory.separation = Some(separation);
        model.auxiliary.scatter(&batch.selection, values);
        self.memory
            .auxiliary_steps
            .scatter(&batch.selection, lengths);
        Ok(report)
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = self.memory.save()?;
        if let BlockRule::Optimizer {
            weights, auxiliary, ..
        } = &self.rule
        {
            let records = [weights, auxiliary].map(ModuleOptimizer::to_record);
            state.optimizers.extend(records);
        }
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        self.memory.restore(&mut state)?;
        if let BlockRule::Optimizer {
            weights, auxiliary, ..
        } = &mut self.rule
        {
            for optimizer in [weights, auxiliary] {
                *optimizer = optimizer.clone().load_record(state.take_optimizer()?);
            }
        }
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        Ok(Some(
            Separation::at(self.config.weighting, network, None)?.weights,
        ))
    }
}
