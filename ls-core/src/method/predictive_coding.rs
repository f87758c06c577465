//! Method `predictive-coding`: inference by gradient steps on an energy, then local weight steps, in batches.
//!
//! Sources: Whittington and Bogacz, *An Approximation of the Error Backpropagation Algorithm in a Predictive Coding Network with Local
//! Hebbian Synaptic Plasticity*, Neural Computation 29 (2017); Goemaere, Oliviers, Bogacz and Demeester, *ePC: Overcoming Exponential
//! Signal Decay in Deep Predictive Coding Networks* (arXiv 2505.20137). The energy of a sample is
//!
//! `E = ½ Σ_l ‖e_l‖² + ce(T_L(a_{L-1}), y)` with the prediction errors `e_l = a_l - f_l(a_{l-1})` of the hidden stages.
//!
//! Every batch starts at its forward pass, where all `e_l = 0`, and takes `T` steps of length `β`, of all variables at once:
//!
//! * `activations`, the usual form: `a_l ← a_l - β (e_l - J_{l+1}ᵀ e_{l+1})`, and at the last hidden stage `∂ce/∂a` in the place of the
//!   second term. The labels reach one stage more with each step, and `k` stages before the head with a factor `βᵏ`.
//! * `errors`: `e_l ← e_l - β (e_l + ∂ce/∂a_l)`, where `a_l = f_l(a_{l-1}) + e_l` follows from the errors, so that the labels reach all
//!   stages at once. The stationary points are the same.
//!
//! Then each stage takes one optimizer step on its own term of `E` at the inferred variables, a mean over the batch.
//!
//! One short step on the errors leaves `e_l = -β ∂ce/∂h_l`: the local gradients are `β` times those of backpropagation, and the head's are
//! equal. Short steps on the activations, as many as hidden stages or more, leave that direction at every stage, with a length that falls
//! with the distance from the head.

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backprop::check_learning_rate;
use super::separate::measure_at;
use super::separation::reported_weights;
use super::{Method, MethodSettings, MethodState, Objective, OptimizerConfig, Separated, Task};
use crate::Result;
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Better, Figure, Figures};
use crate::linalg::mean_f64;
use crate::network::Network;
use crate::objective::{
    Measurement, OutputLoss, ReportWeighting, Weights, cross_entropy, square_norms,
};
use crate::stage::PullBack;
use crate::update::{Penalty, WeightBlock, optimize_weights};

/// `E` at the end of inference in the last batch of a sweep, mean over samples.
const ENERGY: Figure = Figure::new("Energy")
    .unit("nats")
    .better(Better::Lower)
    .chart("Losses");

/// The variables that inference moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InferredVariables {
    /// Outputs of the hidden stages: plain predictive coding
    Activations,
    /// Prediction errors of the hidden stages: error-based predictive coding (ePC)
    #[default]
    Errors,
}

/// Settings of [`PredictiveCoding`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `variables` | what inference moves | `errors` | `activations`, `errors` |
/// | `inference-steps` | `T` | 5, or 20 on activations | 1 to 100,000 |
/// | `inference-rate` | `β` | 0.001, or 0.1 on activations | above 0, at most 1e12 |
/// | `optimizer` | optimizer of the weights | `adam` | see [`OptimizerConfig`] |
/// | `learning-rate` | its rate | one that suits the optimizer | above 0, at most 1e12 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PredictiveCodingConfig {
    /// Variables that inference moves [default: errors]
    pub variables: InferredVariables,
    /// Steps of inference in a batch [default: 5; 20 on activations]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_steps: Option<usize>,
    /// Length of a step of inference [default: 0.001; 0.1 on activations]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_rate: Option<f64>,
    /// Optimizer of the weights [default: adam]
    pub optimizer: OptimizerConfig,
    /// Learning rate of the weights [default: one that suits the optimizer]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

/// Samples of a batch where a run names none.
const USUAL_BATCH_SIZE: usize = 64;

impl PredictiveCodingConfig {
    /// `T` and `β`.
    fn inference(&self) -> (usize, f64) {
        let (steps, rate) = match self.variables {
            InferredVariables::Activations => (20, 0.1),
            InferredVariables::Errors => (5, 0.001),
        };
        (
            self.inference_steps.unwrap_or(steps),
            self.inference_rate.unwrap_or(rate),
        )
    }
}

impl MethodSettings for PredictiveCodingConfig {
    const NAME: &'static str = "predictive-coding";
    const ABOUT: &'static str =
        "Inference on an energy, then local weight steps (plain and error-based), in batches";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        let (steps, rate) = self.inference();
        let inside = (1..=100_000).contains(&steps);
        ensure(inside, "inference-steps", steps as f64, "from 1 to 100000")?;
        check_learning_rate("inference-rate", rate)?;
        match self.learning_rate {
            Some(rate) => check_learning_rate("learning-rate", rate),
            None => Ok(()),
        }
    }

    fn usual_batch_size(&self) -> BatchSize {
        BatchSize::Samples(USUAL_BATCH_SIZE)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, _task: &Task<'_>) -> Result<Box<dyn Method>> {
        Ok(Box::new(PredictiveCoding::new(self.clone())?))
    }
}

/// Predictive coding.
///
/// Inference asks stages for no more than their linearization, so that every stage takes part. Frozen parameters keep their values.
pub struct PredictiveCoding {
    config: PredictiveCodingConfig,
    optimizer: ModuleOptimizer,
    learning_rate: f64,
}

impl PredictiveCoding {
    /// Starts the method.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] and [`crate::Error::Settings`] for impossible settings.
    pub fn new(config: PredictiveCodingConfig) -> Result<Self> {
        config.check()?;
        let usual = config.optimizer.name().learning_rate();
        Ok(Self {
            optimizer: config.optimizer.init(None)?,
            learning_rate: config.learning_rate.unwrap_or(usual),
            config,
        })
    }

    /// The variables `a_1, …, a_{L-1}` at the end of inference.
    fn infer(&self, network: &Network, batch: &Batch) -> Vec<Tensor<2>> {
        let (steps, rate) = self.config.inference();
        let mut values = network.activations(batch.inputs.clone());
        values.truncate(network.hidden());
        let mut errors: Vec<_> = values.iter().map(Tensor::zeros_like).collect();
        for _ in 0..steps {
            match self.config.variables {
                InferredVariables::Activations => {
                    let links = Links::at_values(network, &values, batch);
                    values = stepped(values, links.value_gradients(), rate);
                }
                InferredVariables::Errors => {
                    let links = Links::at_errors(network, &errors, batch);
                    errors = stepped(errors.clone(), links.error_gradients(errors), rate);
                }
            }
        }
        match self.config.variables {
            InferredVariables::Activations => values,
            InferredVariables::Errors => values_at(network, &errors, batch),
        }
    }
}

/// `a_l = f_l(a_{l-1}) + e_l` of the hidden stages.
fn values_at(network: &Network, errors: &[Tensor<2>], batch: &Batch) -> Vec<Tensor<2>> {
    let mut value = batch.inputs.clone();
    let pairs = network.stages().iter().zip(errors);
    let values = pairs.map(|(stage, error)| {
        value = stage.forward(value.clone()) + error.clone();
        value.clone()
    });
    values.collect()
}

/// `v - β g` for all variables.
fn stepped(values: Vec<Tensor<2>>, gradients: Vec<Tensor<2>>, rate: f64) -> Vec<Tensor<2>> {
    let pairs = values.into_iter().zip(gradients);
    pairs.map(|(v, gradient)| v - gradient * rate).collect()
}

/// All stages at their inputs.
struct Links {
    /// `a_1, …, a_{L-1}`.
    values: Vec<Tensor<2>>,
    /// `f_1(x), …, f_{L-1}(a_{L-2})`.
    predictions: Vec<Tensor<2>>,
    /// From the output of each stage to its input; the first stage has none.
    pull_backs: Vec<PullBack>,
    /// `∂ce/∂z`.
    slope: Tensor<2>,
}

impl Links {
    fn at_values(network: &Network, values: &[Tensor<2>], batch: &Batch) -> Self {
        Self::new(network, batch, |l, _| values[l].clone())
    }

    fn at_errors(network: &Network, errors: &[Tensor<2>], batch: &Batch) -> Self {
        Self::new(network, batch, |l, prediction| {
            prediction.clone() + errors[l].clone()
        })
    }

    /// `value` gives `a_l` for a prediction of it.
    fn new(
        network: &Network,
        batch: &Batch,
        value: impl Fn(usize, &Tensor<2>) -> Tensor<2>,
    ) -> Self {
        let hidden = network.hidden();
        let (mut values, mut predictions) = (Vec::new(), Vec::new());
        let mut pull_backs = Vec::with_capacity(hidden);
        let mut input = batch.inputs.clone();
        for (l, stage) in network.stages().iter().enumerate() {
            let output = match l {
                0 => stage.forward(input),
                _ => {
                    let (output, pull_back) = stage.linearize(input);
                    pull_backs.push(pull_back);
                    output
                }
            };
            input = output.clone();
            if l < hidden {
                input = value(l, &output);
                values.push(input.clone());
                predictions.push(output);
            }
        }
        Self {
            values,
            predictions,
            pull_backs,
            slope: cross_entropy::gradient(input, &batch.labels),
        }
    }

    /// `∂E/∂a_l = e_l - J_{l+1}ᵀ e_{l+1}`, or `e_{L-1} + ∂ce/∂a_{L-1}`.
    fn value_gradients(self) -> Vec<Tensor<2>> {
        let pairs = self.values.into_iter().zip(self.predictions);
        let errors: Vec<_> = pairs
            .map(|(value, prediction)| value - prediction)
            .collect();
        let later = errors.iter().skip(1).map(|error| error.clone().neg());
        let cotangents = later.chain([self.slope]).collect::<Vec<_>>();
        let pulled = self.pull_backs.into_iter().zip(cotangents);
        let pulled = pulled.map(|(pull_back, cotangent)| pull_back(cotangent));
        errors
            .iter()
            .cloned()
            .zip(pulled)
            .map(|(error, pulled)| error + pulled)
            .collect()
    }

    /// `∂E/∂e_l = e_l + ∂ce/∂a_l`.
    fn error_gradients(self, errors: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let mut cotangent = self.slope;
        let mut slopes = Vec::with_capacity(errors.len());
        for pull_back in self.pull_backs.into_iter().rev() {
            cotangent = pull_back(cotangent);
            slopes.push(cotangent.clone());
        }
        slopes.reverse();
        let pairs = errors.into_iter().zip(slopes);
        pairs.map(|(error, slope)| error + slope).collect()
    }
}

/// The term of `E` that the output of stage `l` enters, counted from 0.
fn local_loss(l: usize, values: &[Tensor<2>], batch: &Batch) -> OutputLoss {
    match values.get(l) {
        Some(target) => OutputLoss::Residual {
            target: target.clone(),
            omega: 0.5,
        },
        None => OutputLoss::CrossEntropy {
            labels: batch.labels.clone(),
            factor: 1.0,
        },
    }
}

/// `E` of the samples, mean over them.
fn energy(network: &Network, values: &[Tensor<2>], batch: &Batch) -> Result<f64> {
    let mut input = batch.inputs.clone();
    let mut sum = Tensor::<1>::zeros([batch.len()], &input.device()).cast(input.dtype());
    for (l, stage) in network.stages().iter().enumerate() {
        let output = stage.forward(input);
        sum = match values.get(l) {
            Some(value) => sum + square_norms(value.clone() - output.clone()) * 0.5,
            None => sum + cross_entropy::per_sample(output.clone(), &batch.labels),
        };
        input = values.get(l).unwrap_or(&output).clone();
    }
    mean_f64(sum)
}

impl Method for PredictiveCoding {
    fn name(&self) -> &str {
        PredictiveCodingConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![ENERGY]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let network = &mut model.network;
        let values = self.infer(network, batch);
        let energy = energy(network, &values, batch)?;
        for l in 0..=network.hidden() {
            let input = if l == 0 {
                &batch.inputs
            } else {
                &values[l - 1]
            };
            let block = WeightBlock {
                input: input.clone(),
                loss: local_loss(l, &values, batch),
                penalty: Penalty::NONE,
            };
            let stage = network.stage_mut(l);
            *stage = optimize_weights(stage, &block, &mut self.optimizer, self.learning_rate)?;
        }
        Ok(Figures::default().with(ENERGY, energy))
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

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }

    /// Measures the split at the variables that inference reaches at the weights.
    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        measure_at(model, self.config.weighting.0, split, |network, chunk| {
            self.infer(network, chunk)
        })
    }
}
