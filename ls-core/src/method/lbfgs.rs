//! Method `lbfgs`: the L-BFGS method with a line search by the strong Wolfe conditions, in full batch, a baseline.
//!
//! The direction is `-H ∇F`, where `H` approximates the inverse Hessian from the last pairs of steps and differences of gradients
//! (Nocedal 1980; Nocedal and Wright, *Numerical Optimization*, algorithms 7.4, 3.5 and 3.6). A sweep is one iteration. The search and
//! the recursion are Burn's, which leaves out pairs with `yᵀs ≤ 1e-10`. The loss is summed in f64, and the point that a search ended
//! at is not evaluated again by the next. A search that finds no smaller loss leaves the weights alone, and the next begins without
//! pairs, along the gradient.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, LBFGS, LBFGSConfig, LineSearchFn};
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ACCEPTED, Method, MethodSettings, MethodState, Objective, REJECTED, Separated, Task, counts,
};
use crate::batch::{Batch, BatchIdentity, BatchSize, Selection};
use crate::error::ensure;
use crate::figure::{Figure, FigureScale, Figures};
use crate::linalg::mean_f64;
use crate::network::Network;
use crate::objective::cross_entropy;
use crate::update::{copied, tracked};
use crate::{Error, Result};

/// Evaluations of loss and gradient in one line search before it gives up.
const EVALUATIONS: usize = 25;

/// Searches end where the interval is shorter than this in every weight, or the slope flatter: far below what f32 resolves.
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
            BatchSize::Samples(count) => Err(needs_full_batch(count)),
        }
    }

    fn init(&self, _task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(Lbfgs::new(*self)?))
    }
}

fn needs_full_batch(size: usize) -> Error {
    Error::BatchSize {
        method: LbfgsConfig::NAME,
        size: size.to_string(),
        allowed: "differences of gradients need one loss; leave out the batch size, or use method `backprop`",
    }
}

/// The L-BFGS method on the original loss.
///
/// Between sweeps it keeps loss and gradient of the point that it ended at. They belong to their batch; nobody else may move the
/// weights between two sweeps over the same batch. The network behaves as in validation, without dropout.
pub struct Lbfgs {
    config: LbfgsConfig,
    optimizer: LBFGS,
    /// Loss and gradient at the weights that the last sweep ended at, and the samples that they belong to.
    last: Option<(BatchIdentity, Evaluation)>,
}

/// The loss at a point, a mean over samples, and its gradient.
struct Evaluation {
    loss: f64,
    gradients: GradientsParams,
}

impl LbfgsConfig {
    fn optimizer(&self) -> LBFGS {
        LBFGSConfig::new()
            .with_max_iter(1)
            .with_max_eval(Some(EVALUATIONS))
            .with_history_size(self.history)
            .with_tolerance_grad(TOLERANCE)
            .with_tolerance_change(TOLERANCE)
            .with_line_search_fn(LineSearchFn::StrongWolfe)
            .init()
    }
}

impl Lbfgs {
    /// Starts the method.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for an impossible setting.
    pub fn new(config: LbfgsConfig) -> Result<Self> {
        config.check()?;
        Ok(Self {
            optimizer: config.optimizer(),
            config,
            last: None,
        })
    }
}

impl Evaluation {
    /// Loss and gradient of a network whose parameters are tracked. A loss that is not a number counts as infinite, from which a
    /// search turns back.
    fn new(network: &Network, batch: &Batch) -> Result<Self> {
        let logits = network.forward(batch.inputs.clone());
        let plain = logits.clone().inner();
        let loss = mean_f64(cross_entropy::per_sample(plain.clone(), &batch.labels))?;
        let cotangent = cross_entropy::gradient(plain, &batch.labels) / batch.len() as f64;
        let surrogate = (logits * cotangent).sum();
        let gradients = match surrogate.is_tracked() {
            true => GradientsParams::from_grads(surrogate.backward(), network),
            false => GradientsParams::new(),
        };
        Ok(Self {
            loss: if loss.is_nan() { f64::INFINITY } else { loss },
            gradients: completed(gradients, network),
        })
    }
}

/// Adds zeros for the parameters that the loss does not depend on, such as those of frozen stages: the recursion needs a number for
/// each.
fn completed(gradients: GradientsParams, network: &Network) -> GradientsParams {
    let mut completed = Completed { gradients };
    network.visit(&mut completed);
    completed.gradients
}

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

/// The points that one line search has evaluated, the start first.
struct Search<'a> {
    batch: &'a Batch,
    points: Vec<Evaluation>,
    /// Whether the start is known before the search asks for it.
    knows_start: bool,
    failure: Option<Error>,
}

impl Search<'_> {
    /// Answers the search with loss and gradient at a point. After a failure of the device all slopes vanish, which ends the search.
    fn evaluate(&mut self, network: &Network) -> (f64, GradientsParams) {
        if !core::mem::take(&mut self.knows_start) && self.failure.is_none() {
            match Evaluation::new(network, self.batch) {
                Ok(point) => self.points.push(point),
                Err(error) => self.failure = Some(error),
            }
        }
        match (&self.failure, self.points.last()) {
            (None, Some(point)) => (point.loss, copied(network, &point.gradients)),
            _ => (f64::INFINITY, completed(GradientsParams::new(), network)),
        }
    }

    /// The point of a loss, if it is the only one.
    fn point_of(self, loss: f64) -> Option<Evaluation> {
        let mut found = self.points.into_iter().filter(|point| point.loss == loss);
        match (found.next(), found.next()) {
            (point, None) => point,
            _ => None,
        }
    }
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

    /// Makes one iteration. The batch must be a whole split.
    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        if !matches!(batch.selection, Selection::All) {
            return Err(needs_full_batch(batch.len()));
        }
        let identity = batch.identity();
        let known = self.last.take().filter(|(seen, _)| *seen == identity);
        let points: Vec<_> = known.map(|(_, point)| point).into_iter().collect();
        let mut search = Search {
            batch,
            knows_start: !points.is_empty(),
            points,
            failure: None,
        };
        let start = tracked(&model.network);
        let evaluate = |network: Network| search.evaluate(&network);
        let (moved, loss) = self.optimizer.step(1.0, start, evaluate);
        if let Some(error) = search.failure {
            return Err(error);
        }
        let evaluated = search.points.len().saturating_sub(1);
        let before = search
            .points
            .first()
            .map_or(f64::INFINITY, |point| point.loss);
        let is_lower = loss < before;
        if is_lower {
            model.network = moved.valid();
        } else {
            self.optimizer = self.config.optimizer();
        }
        let end = if is_lower { loss } else { before };
        self.last = search.point_of(end).map(|point| (identity, point));
        let accepted = usize::from(is_lower);
        Ok(counts(accepted, 1 - accepted).with(EVALUATED, evaluated as f64))
    }

    fn save(&self) -> Result<MethodState> {
        let mut state = MethodState::new(&toml::Table::new())?;
        state.optimizers.push_back(self.optimizer.to_record());
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        self.last = None;
        self.optimizer = self.config.optimizer().load_record(state.take_optimizer()?);
        Ok(())
    }
}
