//! Method `lbfgs`: the L-BFGS method with a line search by the strong Wolfe conditions, in full batch, a baseline.
//!
//! The direction is `-H ∇F`, where `H` approximates the inverse Hessian from the last pairs of steps and differences of gradients
//! (Nocedal 1980; Nocedal and Wright, Numerical Optimization, algorithms 7.4, 3.5 and 3.6). A sweep is one iteration. The search and the recursion
//! are Burn's; the loss is summed in f64, and the point that a search ended at is not evaluated again by the next.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, LBFGS, LBFGSConfig, LineSearchFn};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, REJECTED, Separated, Task, counts,
};
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Figure, FigureScale, Figures};
use crate::linalg::mean_f64;
use crate::network::Network;
use crate::objective::cross_entropy;
use crate::{Error, Result};

/// Evaluations of loss and gradient in one line search before it gives up.
const EVALUATIONS: usize = 25;

/// Searches end where the interval is shorter than this in every weight, or the slope flatter: far below what f32 resolves, so that
/// nothing ends early.
const TOLERANCE: f64 = 1e-15;

/// Evaluations of loss and gradient in the line search of a sweep.
const EVALUATED: Figure = Figure::new("Evaluations")
    .scale(FigureScale::Linear)
    .chart("Trials")
    .detail()
    .sum();

/// Settings of [`Lbfgs`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `history` | pairs of steps and differences of gradients | 20 | 1 to 1000 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LbfgsConfig {
    /// Pairs of steps and differences of gradients that the direction is built from [default: 20]
    pub history: usize,
}

impl Default for LbfgsConfig {
    fn default() -> Self {
        Self { history: 20 }
    }
}

impl MethodSettings for LbfgsConfig {
    const NAME: &'static str = "lbfgs";
    const ABOUT: &'static str = "L-BFGS with a strong Wolfe line search, in full batch: a baseline";

    fn check(&self) -> Result<()> {
        let inside = (1..=1000).contains(&self.history);
        ensure(inside, "history", self.history as f64, "from 1 to 1000")
    }

    fn check_batch_size(&self, size: BatchSize) -> Result<()> {
        match size {
            BatchSize::Full => Ok(()),
            BatchSize::Samples(count) => Err(Error::BatchSize {
                method: Self::NAME,
                size: count.to_string(),
                allowed: "differences of gradients need one loss; take the whole split",
            }),
        }
    }

    fn init(&self, _task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Lbfgs::new(*self)?))
    }
}

/// The L-BFGS method on the original loss.
pub struct Lbfgs {
    optimizer: LBFGS,
    /// Loss and gradient at the weights that the last sweep ended at.
    last: Option<Evaluation>,
}

/// The loss at a point, a mean over samples, and its gradient.
struct Evaluation {
    loss: f64,
    gradients: GradientsParams,
}

impl Lbfgs {
    /// Starts the method.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for an impossible setting.
    pub fn new(config: LbfgsConfig) -> Result<Self> {
        config.check()?;
        let optimizer = LBFGSConfig::new()
            .with_max_iter(1)
            .with_max_eval(Some(EVALUATIONS))
            .with_history_size(config.history)
            .with_tolerance_grad(TOLERANCE)
            .with_tolerance_change(TOLERANCE)
            .with_line_search_fn(LineSearchFn::StrongWolfe);
        Ok(Self {
            optimizer: optimizer.init(),
            last: None,
        })
    }
}

impl Evaluation {
    /// Loss and gradient of a network whose parameters are tracked. Parameters that the loss does not depend on, such as those of
    /// frozen stages, have gradient zero, as the recursion needs one for each.
    fn new(tracked: &Network, batch: &Batch) -> Result<Self> {
        let logits = tracked.forward(batch.inputs.clone());
        let plain = logits.clone().inner();
        let loss = mean_f64(cross_entropy::per_sample(plain.clone(), &batch.labels))?;
        let cotangent = cross_entropy::gradient(plain, &batch.labels) / batch.len() as f64;
        let surrogate = (logits * cotangent).sum();
        let gradients = match surrogate.is_tracked() {
            true => GradientsParams::from_grads(surrogate.backward(), tracked),
            false => GradientsParams::new(),
        };
        let mut completed = Completed { gradients };
        tracked.visit(&mut completed);
        Ok(Self {
            loss,
            gradients: completed.gradients,
        })
    }
}

/// Gradients with zeros where there are none.
struct Completed {
    gradients: GradientsParams,
}

impl ModuleVisitor for Completed {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if self.gradients.get::<D>(parameter.id).is_none() {
            let zeros = parameter.val().inner().zeros_like();
            self.gradients.register(parameter.id, zeros);
        }
    }
}

/// The gradients of a network as an own set; Burn's cannot be cloned.
struct Copied<'a> {
    from: &'a GradientsParams,
    to: GradientsParams,
}

impl ModuleVisitor for Copied<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.get::<D>(parameter.id) {
            self.to.register(parameter.id, gradient);
        }
    }
}

fn copied(gradients: &GradientsParams, network: &Network) -> GradientsParams {
    let mut copied = Copied {
        from: gradients,
        to: GradientsParams::new(),
    };
    network.visit(&mut copied);
    copied.to
}

impl Method for Lbfgs {
    fn name(&self) -> &str {
        LbfgsConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL.descending()
    }

    fn figures(&self) -> Vec<Figure> {
        vec![EVALUATED, ACCEPTED, REJECTED]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let mut points: Vec<Evaluation> = self.last.take().into_iter().collect();
        let (known, mut failure) = (points.len(), None);
        let mut is_first = true;
        let tracked = model.network.clone().train();
        let evaluate = |network: Network| {
            let start = core::mem::take(&mut is_first);
            if !(start && known == 1) {
                match Evaluation::new(&network, batch) {
                    Ok(point) => points.push(point),
                    Err(error) => failure = Some(error),
                }
            }
            match (&failure, points.last()) {
                (None, Some(point)) => (point.loss, copied(&point.gradients, &network)),
                // The search cannot stop early; it ends at once without a slope.
                _ => (f64::NAN, GradientsParams::new()),
            }
        };
        let (moved, loss) = self.optimizer.step(1.0, tracked, evaluate);
        if let Some(error) = failure {
            return Err(error);
        }
        let start = points.first().map_or(f64::NAN, |point| point.loss);
        let accepted = usize::from(loss < start);
        let searched = points.len().saturating_sub(1);
        model.network = moved.valid();
        self.last = points.into_iter().rev().find(|point| point.loss == loss);
        Ok(counts(accepted, 1 - accepted).with(EVALUATED, searched as f64))
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::new(&toml::Table::new())?;
        state.optimizers.push_back(self.optimizer.to_record());
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let optimizer = self.optimizer.clone();
        self.optimizer = optimizer.load_record(state.take_optimizer()?);
        Ok(())
    }
}
