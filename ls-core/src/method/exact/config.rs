//! Settings of method `exact`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Exact;
use super::penalty_path::{self, PenaltyPath};
use crate::batch::BatchSize;
use crate::error::ensure;
use crate::linalg::Ridge;
use crate::method::settings::check_weight_decay;
use crate::method::sweeps::{GRAM_ROWS, Storage, SweepSettings};
use crate::method::{Method, MethodSettings, Scaling, Task};
use crate::objective::ReportWeighting;
use crate::{Error, Result};

/// Settings of [`Exact`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `step` | `τ` | found in every sweep | above 0, at most 1e8 |
/// | `damping` | `μ` | found in every sweep | 1e-9 to 1e6 |
/// | `output-curvature` | whether the displacements of hidden stages take the metric `M_l` | `true` | |
/// | `output-damping` | `ν` | found in every sweep | 1e-6 to 1e6 |
/// | `scaling` | factors `c_l` of the displacements | found in every sweep | `none`, `rms`, `norm` |
/// | `history` | pairs of the L-BFGS steps between the fits; 0 for fits alone | 20 | 0 to 1000 |
/// | `batch-sweeps` | first sweeps that are epochs in batches; 0 for none | by samples and network | 0 to 1000 |
/// | `storage` | arrays that are kept between the passes | `stored` | `stored`, `recomputed` |
/// | `chunk` | samples of a chunk | a million entries; sixteen million on an accelerator | 1 or more |
/// | `ridge` | reference of `μ` | `variance` | `variance`, `second-moment` |
/// | `gram-rows` | patches in a convolution's Gram matrix | 16384 | 1 or more |
/// | `weight-decay` | `λ` | 0 | 0 to 1000 |
/// | `path` | whether the run goes down a path of `λ` | `false` | |
/// | `path-end` | the run ends after the last `λ` of the path that is not smaller | 1e-5 | 1e-5 to 0.03 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ExactConfig {
    /// Step τ of the targets, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Damping μ of the Gram matrices, in place of the one found in every sweep, and of the metric of quasi-Newton steps
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Whether displacements are transformed by the curvature of the output side [default: true]
    pub output_curvature: bool,
    /// Damping ν of the output side's curvature, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_damping: Option<f64>,
    /// Scaling of the displacements, in place of the one found in every sweep
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Pairs of the L-BFGS steps between the fits; 0 for fits alone [default: 20]
    pub history: usize,
    /// First sweeps that are epochs of `foof` in batches of 128, kept only if the loss falls; 0 for none [default: 4 to 10 for 1024 samples or
    /// more of more than 192 features or in convolutional networks, and at most half of the run]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_sweeps: Option<usize>,
    /// Arrays that are kept between the passes of a sweep: `recomputed` is slower and takes less memory [default: stored]
    pub storage: Storage,
    /// Samples that pass through the stages at once [default: by the size of the stages]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<usize>,
    /// Reference of the damping: the variance of a stage's inputs or their second moment [default: variance]
    pub ridge: Ridge,
    /// Patches that enter the Gram matrix of a convolution; a seeded subset when there are more [default: 16384]
    pub gram_rows: usize,
    /// λ of a penalty λ/2 Σ‖W‖² on the kernels of fitted stages; the loss with its penalty is then the one that never rises
    /// [default: 0]
    pub weight_decay: f64,
    /// Goes down a path of twelve decays from 0.03 to 1e-5, each from the weights that the one before has left; --validation or --folds
    /// chooses the decay [default: false]
    pub path: bool,
    /// With path: ends the run after the last of its decays that is not smaller than this [default: 1e-5]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_end: Option<f64>,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network. Where
    /// self-adaptive ones do not exist because a stage states no Lipschitz constant, reports take fixed weights `ω = 1`.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

impl Default for ExactConfig {
    fn default() -> Self {
        Self {
            step: None,
            damping: None,
            output_curvature: true,
            output_damping: None,
            scaling: None,
            history: 20,
            batch_sweeps: None,
            storage: Storage::Stored,
            chunk: None,
            ridge: Ridge::default(),
            gram_rows: GRAM_ROWS,
            weight_decay: 0.0,
            path: false,
            path_end: None,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for ExactConfig {
    const NAME: &'static str = "exact";
    const ABOUT: &'static str =
        "Fit every layer in closed form, full batch: the original loss never rises";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        if let Some(step) = self.step {
            let inside = step > 0.0 && step <= 1e8;
            ensure(inside, "step", step, "greater than 0 and at most 1e8")?;
        }
        if let Some(damping) = self.damping {
            let inside = (1e-9..=1e6).contains(&damping);
            ensure(inside, "damping", damping, "from 1e-9 to 1e6")?;
        }
        if let Some(damping) = self.output_damping {
            if !self.output_curvature {
                return Err(Error::Settings {
                    of: format!("method `{}`", Self::NAME),
                    reason: "output-damping has no meaning without output-curvature".into(),
                });
            }
            let inside = (1e-6..=1e6).contains(&damping);
            ensure(inside, "output-damping", damping, "from 1e-6 to 1e6")?;
        }
        if let Some(chunk) = self.chunk {
            ensure(chunk >= 1, "chunk", chunk as f64, "1 or more")?;
        }
        check_weight_decay(self.weight_decay)?;
        self.check_path()?;
        let history = self.history;
        ensure(history <= 1000, "history", history as f64, "from 0 to 1000")?;
        let sweeps = self.batch_sweeps.unwrap_or(0);
        ensure(
            sweeps <= 1000,
            "batch-sweeps",
            sweeps as f64,
            "from 0 to 1000",
        )?;
        let rows = self.gram_rows;
        ensure(rows >= 1, "gram-rows", rows as f64, "1 or more")
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Full => Ok(()),
            BatchSize::Samples(count) => Err(Error::BatchSize {
                method: Self::NAME,
                size: count.to_string(),
                allowed: NEEDS_FULL_BATCH,
            }),
        }
    }

    fn depends_on_length(&self) -> bool {
        self.path
    }

    fn least_sweeps(&self) -> usize {
        match (self.path, self.batch_sweeps) {
            (false, _) => 1,
            // A start takes half of the run at most.
            (true, None) => 2 * penalty_path::POINTS,
            (true, Some(start)) => start + penalty_path::POINTS,
        }
    }

    fn check_sweeps(&self, sweeps: usize) -> Result<()> {
        let allowed = match self.batch_sweeps {
            None => "24 or more with path: twelve decays, and a start in batches before them",
            Some(_) => "twelve more than batch-sweeps with path, one for each decay",
        };
        let inside = sweeps >= self.least_sweeps();
        ensure(inside, "sweeps", sweeps as f64, allowed)
    }

    fn usual_sweeps(&self) -> Option<usize> {
        self.path.then_some(penalty_path::RUN_SWEEPS)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let exact = Exact::new(*self, task.network)?;
        Ok(Box::new(exact.for_run(task.total_steps, task.seed)))
    }
}

impl ExactConfig {
    /// `λ` of the first sweeps.
    pub(super) fn first_decay(&self) -> f64 {
        match self.path {
            true => PenaltyPath::first(),
            false => self.weight_decay,
        }
    }

    fn check_path(&self) -> Result<()> {
        let refused = |reason: &str| {
            Err(Error::Settings {
                of: format!("method `{}`", Self::NAME),
                reason: reason.into(),
            })
        };
        if self.path && self.weight_decay > 0.0 {
            return refused(
                "weight-decay has no meaning with path, which goes through decays of its own",
            );
        }
        let Some(end) = self.path_end else {
            return Ok(());
        };
        if !self.path {
            return refused("path-end has no meaning without path");
        }
        let [first, last] = penalty_path::ENDS;
        // The last decay of the path is a rounded power.
        let inside = (last * (1.0 - 1e-6)..=first).contains(&end);
        ensure(inside, "path-end", end, "from 1e-5 to 0.03")
    }

    /// Whether the loss that never rises has a penalty.
    pub(super) fn is_penalized(&self) -> bool {
        self.first_decay() > 0.0
    }

    /// What decides the weights of full-batch sweeps.
    pub(super) fn sweeps(&self) -> SweepSettings {
        SweepSettings {
            step: self.step,
            damping: self.damping,
            output_curvature: self.output_curvature,
            output_damping: self.output_damping,
            scaling: self.scaling,
            history: self.history,
            storage: self.storage,
            chunk: self.chunk,
            ridge: self.ridge,
            gram_rows: self.gram_rows,
            weight_decay: self.first_decay(),
        }
    }
}

/// The way out for batches.
pub(super) const NEEDS_FULL_BATCH: &str = "its fits and its guarantee need the whole split; leave out the batch size, or use method `foof`, which is made for batches";
