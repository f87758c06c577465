//! Method `admm`: the alternating direction method of multipliers, without matrix inverses, in full batch.
//!
//! Source: Wang, Yu, Chen and Zhao, *ADMM for Efficient Deep Learning with Global Convergence* (dlADMM), KDD 2019 (arXiv 1905.13611), with
//! the settings of the authors' program. Outputs `a_l` of hidden stages and pre-activations `u_l` of all stages are variables. Only the
//! last constraint, `u_L = Â_L V_L`, has a multiplier `ρ w`; the others become penalties:
//!
//! `ℒ = Σ_n ce(u_{L,n}, y_n) + ρ/2 ‖u_L - Â_L V_L + w‖² - ρ/2 ‖w‖² + ρ/2 Σ_{l<L} ‖u_l - Â_l V_l‖² + ‖a_l - post_l(u_l, a_{l-1})‖²`
//!
//! A sweep goes backward, through `a_l`, `u_l`, `b_l`, `W_l` from the last stage to the first, and forward through `W_l`, `b_l`, `u_l`,
//! `a_l`; then `w ← w + u_L - Â_L V_L`. `b_l` and the pre-activations of dense stages with rectifiers minimize `ℒ`, those of other stages
//! lower it, and `W_l` and `a_l` move along their gradient divided by the first of `1, 2, 4, …` that bounds the curvature along it, as in
//! the paper's backtracking. So every block lowers `ℒ`, and only the step of `w` raises it, by `ρ ‖u_L - Â_L V_L‖²`.

mod point;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::point::Point;
use super::separation::reported_weights;
use super::split_blocks::check_affine;
use super::split_variables::{SplitVariables, outputs};
use super::stage_role::StageRole;
use super::{Method, MethodSettings, MethodState, Objective, Separated, Task};
use crate::batch::{Batch, BatchSize, Selection};
use crate::error::ensure;
use crate::figure::{Better, Figure, Figures};
use crate::network::Network;
use crate::objective::{ReportWeighting, Weights};
use crate::{Error, Result};

/// `ℒ / N` before the step of the multiplier.
const LAGRANGIAN: Figure = Figure::new("Augmented Lagrangian").chart("Losses");

/// `‖u_L - Â_L V_L‖² / N`: how far the last constraint is from being met.
const INFEASIBILITY: Figure = Figure::new("Infeasibility").better(Better::Lower).detail();

/// What errors call the method.
const UPDATE: &str = "the alternating direction method of multipliers";

/// Settings of [`Admm`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `penalty` | `ρ` | 1e-6 | 1e-12 to 1e9 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AdmmConfig {
    /// Weight ρ of the penalties; the loss is a sum over samples and has weight 1 [default: 1e-6]
    pub penalty: f64,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

impl Default for AdmmConfig {
    fn default() -> Self {
        Self {
            penalty: 1e-6,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for AdmmConfig {
    const NAME: &'static str = "admm";
    const ABOUT: &'static str =
        "Alternating direction method of multipliers (Wang et al. 2019), in full batch";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        let inside = (1e-12..=1e9).contains(&self.penalty);
        ensure(inside, "penalty", self.penalty, "from 1e-12 to 1e9")
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
        Ok(Box::new(Admm::new(*self, task.network)?))
    }
}

fn needs_full_batch(size: usize) -> Error {
    Error::BatchSize {
        method: AdmmConfig::NAME,
        size: size.to_string(),
        allowed: "its multipliers belong to the whole split; leave out the batch size",
    }
}

/// The alternating direction method of multipliers.
pub struct Admm {
    config: AdmmConfig,
    roles: Vec<StageRole>,
    /// With the multiplier `w` at the head.
    variables: Option<SplitVariables>,
}

impl Admm {
    /// Starts the method.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for an impossible setting, [`Error::Unsupported`] for a stage without the affine view or one that is frozen
    /// in part.
    pub fn new(config: AdmmConfig, network: &Network) -> Result<Self> {
        config.check()?;
        Ok(Self {
            config,
            roles: check_affine(network, UPDATE)?,
            variables: None,
        })
    }

    /// The backward and the forward half of a sweep.
    fn move_all(&self, point: &mut Point<'_>) -> Result<()> {
        let head = point.head();
        let moves = |l: usize| self.roles[l] == StageRole::Affine;
        for l in (0..=head).rev() {
            if l < head {
                point.move_output(l)?;
            }
            point.move_pre_activation(l)?;
            if moves(l) {
                point.move_bias(l)?;
                point.move_kernel(l)?;
            }
        }
        for l in 0..=head {
            if moves(l) {
                point.move_kernel(l)?;
                point.move_bias(l)?;
            }
            point.move_pre_activation(l)?;
            if l < head {
                point.move_output(l)?;
            }
        }
        Ok(())
    }
}

impl Method for Admm {
    fn name(&self) -> &str {
        AdmmConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::reported(LAGRANGIAN)
    }

    fn figures(&self) -> Vec<Figure> {
        vec![LAGRANGIAN, INFEASIBILITY]
    }

    /// Moves every block twice, and the multiplier once. The batch must be a whole split.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !matches!(batch.selection, Selection::All) {
            return Err(needs_full_batch(batch.len()));
        }
        let outputs = outputs(model)?;
        let hidden = model.network.hidden();
        let mut point = Point {
            network: &mut model.network,
            batch,
            outputs,
            pre_activations: Vec::new(),
            multiplier: batch.inputs.clone(),
            penalty: self.config.penalty,
        };
        match self.variables.take() {
            Some(own) => {
                point.pre_activations = own.pre_activations;
                point.multiplier = own.head;
            }
            None => {
                let all = (0..=hidden)
                    .map(|l| point.fitted(l))
                    .collect::<Result<_>>()?;
                point.pre_activations = all;
                point.multiplier = point.pre_activations[hidden].zeros_like();
            }
        }
        self.move_all(&mut point)?;
        let [value, gap] = point.values()?;
        let residual = point.pre_activations[hidden].clone() - point.fitted(hidden)?;
        let Point {
            outputs,
            pre_activations,
            multiplier,
            ..
        } = point;
        self.variables = Some(SplitVariables {
            pre_activations,
            head: multiplier + residual,
        });
        model.auxiliary.scatter(&Selection::All, outputs);
        let figures = Figures::default().with(LAGRANGIAN, value);
        Ok(figures.with(INFEASIBILITY, gap))
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
