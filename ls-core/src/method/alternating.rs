//! Method `alternating`: auxiliary blocks backwards, then weight blocks forwards, each lowering the separated loss.
//!
//! With line searches the weights of a stage with the affine view move by a [`GramStep`], those of any other stage,
//! or of one that is frozen in part, by a [`GradientStep`]. A stage without trainable parameters keeps its weights.

use burn::module::ParamId;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backprop::check_learning_rate;
use super::separation::Separation;
use super::stage_role::StageRole;
use super::state::mismatch;
use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, OptimizerConfig, REJECTED, Separated,
    Task, counts,
};
use crate::auxiliary::AuxiliaryStore;
use crate::batch::{Batch, Selection};
use crate::error::ensure;
use crate::figure::{Figure, Figures};
use crate::linalg::{Cholesky, mean_f64};
use crate::network::Network;
use crate::objective::{Weighting, Weights};
use crate::stage::{AffineStage, AnyStage};
use crate::update::{
    AuxiliaryBlock, GradientStep, GramStep, WeightBlock, WeightStep, armijo_pass,
    optimize_auxiliary, optimize_weights, restart,
};
use crate::{Error, Result};

/// Relative length of the first auxiliary steps: `ψ` has curvature of about `4 ω_l`, half from each side.
const FIRST_AUXILIARY_STEP: f64 = 0.25;

/// Rows that the first stage's preconditioner is computed from, once; its inputs never change.
const PRECONDITIONER_ROWS: usize = 8192;

/// Settings of [`Alternating`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `weighting`, `eta`, `omega` | weights of the residuals | `spectral`, 1 | 1e-6 to 1e6 |
/// | `auxiliary-passes` | passes over the auxiliary blocks in a sweep | 1 | 1 or more |
/// | `weight-passes` | passes over the weight blocks in a sweep | 1 | 1 or more |
/// | `restart` | whether samples return to the feasible point where that lowers the separated loss | `true` | |
/// | `damping` | `μ` of the Gram matrices | 0.01 | 1e-9 to 1e12 |
/// | `optimizer` | an optimizer in place of line searches, without a guarantee | none | see [`OptimizerConfig`] |
/// | `learning-rate` | rate of its weight steps | one that suits it | above 0, at most 1e12 |
/// | `auxiliary-learning-rate` | rate of its auxiliary steps | the learning rate | above 0, at most 1e12 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AlternatingConfig {
    /// Weights of the residuals.
    #[serde(flatten)]
    pub weighting: Weighting,
    /// Passes over the auxiliary blocks in a sweep; more than one lets them run ahead of the weights [default: 1]
    pub auxiliary_passes: usize,
    /// Passes over the weight blocks in a sweep [default: 1]
    pub weight_passes: usize,
    /// Whether samples return to the feasible point where that lowers the separated loss [default: true]
    pub restart: bool,
    /// Damping μ of the Gram matrices of line searches [default: 0.01]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Optimizer that moves the blocks in place of line searches, without a guarantee [default: none]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<OptimizerConfig>,
    /// Learning rate of the optimizer [default: one that suits it]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Learning rate of the auxiliary variables, with an optimizer [default: the learning rate]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auxiliary_learning_rate: Option<f64>,
}

/// Damping of line searches.
const DAMPING: f64 = 0.01;

impl Default for AlternatingConfig {
    fn default() -> Self {
        Self {
            weighting: Weighting::default(),
            auxiliary_passes: 1,
            weight_passes: 1,
            restart: true,
            damping: None,
            optimizer: None,
            learning_rate: None,
            auxiliary_learning_rate: None,
        }
    }
}

impl AlternatingConfig {
    /// Moves the blocks by an optimizer in place of line searches, without a guarantee.
    #[must_use]
    pub fn with_optimizer(self, optimizer: impl Into<OptimizerConfig>) -> Self {
        Self {
            damping: None,
            optimizer: Some(optimizer.into()),
            ..self
        }
    }

    /// The rule by which the blocks move.
    fn rule(&self) -> Result<BlockRule> {
        let Some(optimizer) = &self.optimizer else {
            let damping = self.damping.unwrap_or(DAMPING);
            return Ok(BlockRule::LineSearch { damping });
        };
        let usual = optimizer.name().block_learning_rate();
        let learning_rate = self.learning_rate.unwrap_or(usual);
        Ok(BlockRule::Optimizer {
            weights: optimizer.init(None)?,
            auxiliary: optimizer.init(None)?,
            learning_rate,
            auxiliary_learning_rate: self.auxiliary_learning_rate.unwrap_or(learning_rate),
        })
    }

    /// Refuses settings of the rule that is not chosen.
    fn check_rule(&self) -> Result<()> {
        let unused = |key: &str, reason: &str| {
            Err(Error::Settings {
                of: format!("method `{}`", Self::NAME),
                reason: format!("{key} has no meaning {reason}"),
            })
        };
        match (&self.optimizer, self.damping) {
            (Some(_), Some(_)) => return unused("damping", "with an optimizer"),
            (Some(_), None) => {}
            (None, damping) => {
                let damping = damping.unwrap_or(DAMPING);
                let inside = (1e-9..=1e12).contains(&damping);
                ensure(inside, "damping", damping, "from 1e-9 to 1e12")?;
            }
        }
        for (key, rate) in [
            ("learning-rate", self.learning_rate),
            ("auxiliary-learning-rate", self.auxiliary_learning_rate),
        ] {
            match (rate, &self.optimizer) {
                (Some(_), None) => {
                    return unused(
                        key,
                        "without an optimizer: line searches find their own steps",
                    );
                }
                (Some(rate), Some(_)) => check_learning_rate(key, rate)?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

impl MethodSettings for AlternatingConfig {
    const NAME: &'static str = "alternating";
    const ABOUT: &'static str = "Alternating minimization of the separated loss, with a certificate: the scheme of the paper";

    fn check(&self) -> Result<()> {
        self.weighting.check()?;
        for (field, passes) in [
            ("auxiliary-passes", self.auxiliary_passes),
            ("weight-passes", self.weight_passes),
        ] {
            ensure(passes >= 1, field, passes as f64, "1 or more")?;
        }
        self.check_rule()
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let method = Alternating::new(self.clone(), task.network, task.split)?;
        Ok(Box::new(method))
    }
}

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

/// What is kept between sweeps.
struct Memory {
    /// Step sizes of the auxiliary blocks, one per sample and stage.
    auxiliary_steps: AuxiliaryStore,
    /// First lengths of the weight blocks' line searches.
    weight_steps: Vec<f64>,
    /// Factor of the first stage's Gram matrix, when it has one.
    first_preconditioner: Option<Cholesky>,
    /// Steps of the stages that move along gradients, by stage; of nobody under optimizers.
    gradient_steps: Vec<Option<GradientStep>>,
    /// Names of the auxiliary rows in the optimizer's state, by stage and block of samples.
    auxiliary_ids: Vec<Vec<ParamId>>,
}

impl Alternating {
    /// Starts the method for a network and its whole training split.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for impossible settings, [`Error::NoSelfAdaptiveWeights`] when a stage behind the first states no
    /// Lipschitz constant, [`Error::NotPositiveDefinite`] when the inputs are not finite.
    pub fn new(config: AlternatingConfig, network: &Network, split: &Batch) -> Result<Self> {
        config.check()?;
        let rule = config.rule()?;
        let mut unbounded = network.without_bound().into_iter();
        let reason = unbounded.find(|stage| stage.stage > 1);
        if let (Weighting::SelfAdaptive { .. }, Some(reason)) = (config.weighting, reason) {
            // The first sweep would refuse as well, but later.
            return Err(Error::NoSelfAdaptiveWeights(reason));
        }
        let hidden = network.hidden();
        let device = split.inputs.device();
        let roles = StageRole::all(network);
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
            },
        })
    }

    fn auxiliary_pass(
        &mut self,
        network: &Network,
        separation: &Separation,
        values: &mut [Tensor<2>],
        steps: &mut [Tensor<2>],
        batch: &Batch,
    ) {
        for l in (0..network.hidden()).rev() {
            let input = if l == 0 {
                &batch.inputs
            } else {
                &values[l - 1]
            };
            let block = AuxiliaryBlock {
                target: network.stages()[l].forward(input.clone()),
                omega: separation.weights.omega[l],
                next: &network.stages()[l + 1],
                next_loss: separation.output_loss(l + 1, values, batch),
            };
            let value = values[l].clone();
            match &mut self.rule {
                BlockRule::LineSearch { .. } => {
                    (values[l], steps[l]) = armijo_pass(&block, value, steps[l].clone());
                }
                BlockRule::Optimizer {
                    auxiliary,
                    auxiliary_learning_rate,
                    ..
                } => {
                    let id = row_id(&mut self.memory.auxiliary_ids[l], batch.block);
                    let rate = *auxiliary_learning_rate;
                    values[l] = optimize_auxiliary(&block, value, id, auxiliary, rate);
                }
            }
        }
    }

    fn weight_pass(
        &mut self,
        network: &mut Network,
        separation: &mut Separation,
        values: &[Tensor<2>],
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
                loss: separation.output_loss(l, values, batch),
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
                    let damping = *damping;
                    let memory = &mut self.memory;
                    let step =
                        memory.weight_step(l, stage, &block, damping, preconditioners, batch)?;
                    self.memory.weight_steps[l] = step.next;
                    accepted += usize::from(step.accepted.is_some());
                    rejected += usize::from(step.accepted.is_none());
                    residuals.push(step.misfit_mean);
                    separation.moved(l, step.lipschitz)?;
                }
                BlockRule::Optimizer {
                    weights,
                    learning_rate,
                    ..
                } => {
                    *stage = optimize_weights(stage, &block, weights, *learning_rate);
                    accepted += 1;
                    let misfit = block.loss.misfit(stage.forward(block.input));
                    residuals.push(mean_f64(misfit)?);
                    let norm = separation.weighting.norm();
                    let constant = stage.lipschitz().map(|k| k.value(norm)).transpose()?;
                    separation.moved(l, constant)?;
                }
            }
        }
        Ok([accepted, rejected])
    }
}

impl Memory {
    /// Moves the weights of stage `l`, counted from 0, by a step with a line search.
    fn weight_step(
        &mut self,
        l: usize,
        stage: &mut AnyStage,
        block: &WeightBlock,
        damping: f64,
        preconditioners: &mut [Option<Cholesky>],
        batch: &Batch,
    ) -> Result<WeightStep> {
        let first = self.weight_steps[l];
        if let Some(step) = &mut self.gradient_steps[l] {
            return step.update_weights(stage, block, first);
        }
        let stage = affine_mut(stage, l)?;
        let features = stage.input_shape().features();
        let longest = match batch.selection {
            Selection::All => f64::INFINITY,
            _ => GramStep::longest_for(batch.len(), features),
        };
        let rule = GramStep { damping, longest };
        // The inputs keep their values between the passes of a sweep, and so do their Gram matrices.
        let slot = if l == 0 {
            &mut self.first_preconditioner
        } else {
            &mut preconditioners[l]
        };
        let preconditioner = match slot {
            Some(factor) => factor,
            None => slot.insert(rule.precondition(&*stage, block.input.clone())?),
        };
        rule.update(stage, block, preconditioner, first)
    }
}

impl Method for Alternating {
    fn name(&self) -> &str {
        AlternatingConfig::NAME
    }

    fn objective(&self) -> Objective {
        match self.rule {
            BlockRule::LineSearch { .. } => Objective::SEPARATED.descending(),
            BlockRule::Optimizer { .. } => Objective::SEPARATED,
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
        let mut separation = Separation::at(self.config.weighting, network)?;
        let mut values = model.auxiliary.gather(&batch.selection);
        let mut steps = self.memory.auxiliary_steps.gather(&batch.selection);
        if self.config.restart {
            values = restart(network, &separation.weights, values, batch);
        }
        for _ in 0..self.config.auxiliary_passes {
            self.auxiliary_pass(network, &separation, &mut values, &mut steps, batch);
        }
        let mut report = counts(0, 0);
        let mut preconditioners = vec![None; network.hidden() + 1];
        for _ in 0..self.config.weight_passes {
            let [accepted, rejected] = self.weight_pass(
                network,
                &mut separation,
                &values,
                &mut preconditioners,
                batch,
            )?;
            report = report.followed_by(counts(accepted, rejected));
        }
        model.auxiliary.scatter(&batch.selection, values);
        self.memory.auxiliary_steps.scatter(&batch.selection, steps);
        Ok(report)
    }

    fn save(&self) -> Result<MethodState> {
        let ids = self.memory.auxiliary_ids.iter();
        let mut state = MethodState::new(&Values {
            weight_steps: self.memory.weight_steps.clone(),
            auxiliary_ids: ids
                .map(|ids| ids.iter().map(ToString::to_string).collect())
                .collect(),
        })?;
        for steps in self.memory.auxiliary_steps.gather(&Selection::All) {
            state.push(steps);
        }
        for step in self.memory.gradient_steps.iter().flatten() {
            state.optimizers.push_back(step.to_record());
        }
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
        let values: Values = state.read()?;
        if values.weight_steps.len() != self.memory.weight_steps.len() {
            return Err(mismatch(&"it belongs to another number of stages"));
        }
        let id = |text: &String| text.parse::<ParamId>().map_err(|error| mismatch(&error));
        self.memory.auxiliary_ids = values
            .auxiliary_ids
            .iter()
            .map(|ids| ids.iter().map(id).collect())
            .collect::<Result<_>>()?;
        let hidden = values.weight_steps.len() - 1;
        self.memory.weight_steps = values.weight_steps;
        let steps = (0..hidden).map(|_| state.take());
        self.memory.auxiliary_steps = AuxiliaryStore::from_values(steps.collect::<Result<_>>()?);
        for step in self.memory.gradient_steps.iter_mut().flatten() {
            *step = step.clone().load_record(state.take_optimizer()?);
        }
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
            Separation::at(self.config.weighting, network)?.weights,
        ))
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Values {
    weight_steps: Vec<f64>,
    auxiliary_ids: Vec<Vec<String>>,
}

/// Returns the affine view of stage `l`, counted from 0.
fn affine_mut(stage: &mut AnyStage, l: usize) -> Result<&mut dyn AffineStage> {
    stage.affine_mut().ok_or(Error::Unsupported {
        update: "the Gram-preconditioned weight step",
        stage: l + 1,
        needs: "affine view to write to",
    })
}

fn row_id(ids: &mut Vec<ParamId>, block: usize) -> ParamId {
    while ids.len() <= block {
        ids.push(ParamId::new());
    }
    ids[block]
}
