//! Method `target-propagation`: difference target propagation with learnt inverses, in batches.
//!
//! Source: Lee, Zhang, Fischer and Bengio, *Difference Target Propagation*, ECML PKDD 2015 (arXiv 1412.7525), with the settings of the
//! authors' program. The last hidden stage gets a target one gradient step of the batch's mean loss away, the others get theirs through
//! learnt inverses `g_l` from the output of stage `l` to that of stage `l-1`:
//!
//! `t_{L-1} = h_{L-1} - γ ∂F/∂h_{L-1}`,  `t_{l-1} = h_{l-1} + g_l(t_l) - g_l(h_l)`.
//!
//! The difference keeps `t = h` where `t_l = h_l`, however poor the inverse is. For every batch each inverse first takes one optimizer step
//! on `1/N Σ ‖g_l(f_l(h_{l-1} + ε)) - (h_{l-1} + ε)‖²` with normal noise `ε`; then each hidden stage takes one on
//! `1/N Σ ‖f_l(h_{l-1}) - t_l‖²` at its forward input, and the head one on the cross-entropy. No derivative passes through a hidden stage.
//! (The authors' program trains the inverses for an epoch before the stages; within a run that makes little difference.)
//!
//! Inverses are dense, with the activation of the dense stage whose output they return, and none behind another stage. They start from the
//! seed, and are no part of the network.

use core::str::FromStr;

use burn::module::{Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backprop::check_learning_rate;
use super::separate::measure_at;
use super::separation::reported_weights;
use super::state::mismatch;
use super::{
    Method, MethodSettings, MethodState, Objective, OptimizerConfig, OptimizerName, Separated, Task,
};
use crate::Result;
use crate::batch::{Batch, BatchSize};
use crate::error::ensure;
use crate::figure::{Better, Figure, Figures};
use crate::linalg::scalar_f64;
use crate::network::Network;
use crate::objective::{Measurement, OutputLoss, ReportWeighting, Weights, cross_entropy};
use crate::stage::{Activation, AnyStage, Dense, Init};
use crate::update::{Penalty, WeightBlock, optimize_weights};

/// Mean square of what the inverses miss, over that of their targets, before their step in the last batch of a sweep.
const RECONSTRUCTION: Figure = Figure::new("Reconstruction error")
    .unit("of the square of the outputs")
    .better(Better::Lower);

/// Streams of random numbers that must not repeat each other under one seed.
const INVERSES_STREAM: u64 = 3;
const NOISE_STREAM: u64 = 4;

/// Settings of [`TargetPropagation`].
///
/// | key | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `target-step` | `γ` | 0.3277 | above 0, at most 1e12 |
/// | `noise` | standard deviation of `ε` | 0.3598 | 0 to 1e6 |
/// | `optimizer` | optimizer of stages and inverses | `RMSProp`, averages 0.95, momentum 0.9, `ε` 0.0316 | see [`OptimizerConfig`] |
/// | `learning-rate` | rate of the stages | 0.01489 | above 0, at most 1e12 |
/// | `inverse-learning-rate` | rate of the inverses | 0.005011 | above 0, at most 1e12 |
/// | `weighting`, `eta`, `omega` | weights in the separated loss of the reports | `spectral`, 0.1 | 1e-6 to 1e6 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TargetPropagationConfig {
    /// Length γ of the gradient step of the batch's mean loss that makes the last target [default: 0.3277]
    pub target_step: f64,
    /// Standard deviation of the noise that the inverses are trained with [default: 0.3598]
    pub noise: f64,
    /// Optimizer of stages and inverses [default: rmsprop with averages of 0.95, momentum 0.9 and ε 0.0316]
    pub optimizer: OptimizerConfig,
    /// Learning rate of the stages [default: 0.01489]
    pub learning_rate: f64,
    /// Learning rate of the inverses [default: 0.005011]
    pub inverse_learning_rate: f64,
    /// Weights of the residuals in the separated loss that is reported. They do not move the weights of the network.
    #[serde(flatten)]
    pub weighting: ReportWeighting,
}

/// Samples of a batch where a run names none.
const USUAL_BATCH_SIZE: usize = 100;

/// `RMSProp` nearly as in the authors' program, which adds 0.001 under the root and takes the square of the mean gradient off; that
/// difference can become negative by rounding.
fn usual_optimizer() -> OptimizerConfig {
    let constants = [("alpha", 0.95), ("momentum", 0.9), ("epsilon", 0.0316)];
    let constants = constants.map(|(key, value)| (key.to_owned(), value.into()));
    OptimizerConfig::new(OptimizerName::RmsProp, toml::Table::from_iter(constants))
        .unwrap_or_else(|_| OptimizerName::RmsProp.into())
}

impl Default for TargetPropagationConfig {
    fn default() -> Self {
        Self {
            target_step: 0.3277,
            noise: 0.3598,
            optimizer: usual_optimizer(),
            learning_rate: 0.01489,
            inverse_learning_rate: 0.005011,
            weighting: ReportWeighting::default(),
        }
    }
}

impl MethodSettings for TargetPropagationConfig {
    const NAME: &'static str = "target-propagation";
    const ABOUT: &'static str =
        "Difference target propagation with learnt inverses (Lee et al. 2015), in batches";

    fn check(&self) -> Result<()> {
        self.weighting.0.check()?;
        check_learning_rate("target-step", self.target_step)?;
        check_learning_rate("learning-rate", self.learning_rate)?;
        check_learning_rate("inverse-learning-rate", self.inverse_learning_rate)?;
        let inside = (0.0..=1e6).contains(&self.noise);
        ensure(inside, "noise", self.noise, "from 0 to 1e6")
    }

    fn usual_batch_size(&self) -> BatchSize {
        BatchSize::Samples(USUAL_BATCH_SIZE)
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
        let device = task.split.inputs.device();
        let method = TargetPropagation::new(self.clone(), task.network, &device, task.seed)?;
        Ok(Box::new(method))
    }
}

/// Difference target propagation. Frozen parameters keep their values.
pub struct TargetPropagation {
    config: TargetPropagationConfig,
    optimizer: ModuleOptimizer,
    inverse_optimizer: ModuleOptimizer,
    /// `g_2, …, g_{L-1}`.
    inverses: Vec<AnyStage>,
    seed: u64,
    /// Batches so far: the noise of each is drawn anew.
    batches: u64,
}

/// The activation of a dense stage.
fn activation(stage: &AnyStage) -> Activation {
    match stage {
        AnyStage::Dense(dense) => dense.activation(),
        _ => Activation::Identity,
    }
}

fn random(seed: u64, stream: u64, batch: u64) -> ChaCha12Rng {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    random.set_stream(stream << 40 | batch);
    random
}

/// Outputs with normal noise.
fn noisy(outputs: Tensor<2>, deviation: f64, random: &mut ChaCha12Rng) -> Tensor<2> {
    let [rows, columns] = outputs.dims();
    let mut draw = || -> f64 {
        let value: f64 = StandardNormal.sample(random);
        value * deviation
    };
    let noise: Vec<f64> = (0..rows * columns).map(|_| draw()).collect();
    let data = TensorData::new(noise, [rows, columns]);
    let device = outputs.device();
    outputs + Tensor::from_data(data, &device)
}

/// A squared distance from a target, mean over samples, as the loss of a stage's weights.
fn distance(input: Tensor<2>, target: Tensor<2>) -> WeightBlock {
    WeightBlock {
        input,
        loss: OutputLoss::Residual { target, omega: 1.0 },
        penalty: Penalty::NONE,
    }
}

impl TargetPropagation {
    /// Starts the method, with inverses drawn from a seed, on a device.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] and [`crate::Error::Settings`] for impossible settings.
    pub fn new(
        config: TargetPropagationConfig,
        network: &Network,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        config.check()?;
        let mut random = random(seed, INVERSES_STREAM, 0);
        let hidden = &network.stages()[..network.hidden()];
        let inverse = |pair: &[AnyStage]| {
            let size = [&pair[1], &pair[0]].map(|stage| stage.output_shape().features());
            let activation = activation(&pair[0]);
            Dense::init(size, activation, Init::Kaiming, &mut random, device).into()
        };
        Ok(Self {
            optimizer: config.optimizer.init(None)?,
            inverse_optimizer: config.optimizer.init(None)?,
            inverses: hidden.windows(2).map(inverse).collect(),
            seed,
            batches: 0,
            config,
        })
    }

    /// One step of every inverse; returns the relative error before it.
    fn train_inverses(&mut self, network: &Network, outputs: &[Tensor<2>]) -> Result<Option<f64>> {
        let mut random = random(self.seed, NOISE_STREAM, self.batches);
        let mut sums: Option<[Tensor<1>; 2]> = None;
        let rate = self.config.inverse_learning_rate;
        for (l, inverse) in self.inverses.iter_mut().enumerate() {
            let target = noisy(outputs[l].clone(), self.config.noise, &mut random);
            let input = network.stages()[l + 1].forward(target.clone());
            let missed = inverse.forward(input.clone()) - target.clone();
            let own = [missed, target.clone()].map(|v| (v.clone() * v).sum());
            sums = Some(match sums {
                Some([missed, all]) => [missed + own[0].clone(), all + own[1].clone()],
                None => own,
            });
            let block = distance(input, target);
            *inverse = optimize_weights(inverse, &block, &mut self.inverse_optimizer, rate)?;
        }
        let ratio = sums.map(|[missed, all]| scalar_f64(missed / all));
        Ok(ratio.transpose()?.filter(|ratio| ratio.is_finite()))
    }

    /// `t_1, …, t_{L-1}` for the outputs `h_1, …, h_{L-1}, z` of a batch, or of a part of a larger one of `samples`.
    fn targets(
        &self,
        network: &Network,
        outputs: &[Tensor<2>],
        batch: &Batch,
        samples: usize,
    ) -> Vec<Tensor<2>> {
        let Some(last) = network.hidden().checked_sub(1) else {
            return Vec::new();
        };
        let (logits, pull_back) = network.stages()[last + 1].linearize(outputs[last].clone());
        let slope = pull_back(cross_entropy::gradient(logits, &batch.labels));
        let step = self.config.target_step / samples as f64;
        let mut target = outputs[last].clone() - slope * step;
        let mut targets = vec![target.clone()];
        for (l, inverse) in self.inverses.iter().enumerate().rev() {
            let difference = inverse.forward(target) - inverse.forward(outputs[l + 1].clone());
            target = outputs[l].clone() + difference;
            targets.push(target.clone());
        }
        targets.reverse();
        targets
    }
}

impl Method for TargetPropagation {
    fn name(&self) -> &str {
        TargetPropagationConfig::NAME
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![RECONSTRUCTION]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> Result<Figures> {
        let network = &mut model.network;
        let outputs = network.activations(batch.inputs.clone());
        let error = self.train_inverses(network, &outputs)?;
        self.batches += 1;
        let targets = self.targets(network, &outputs, batch, batch.len());
        for l in 0..=network.hidden() {
            let input = if l == 0 {
                &batch.inputs
            } else {
                &outputs[l - 1]
            };
            let block = match targets.get(l) {
                Some(target) => distance(input.clone(), target.clone()),
                None => WeightBlock {
                    loss: OutputLoss::CrossEntropy {
                        labels: batch.labels.clone(),
                        factor: 1.0,
                    },
                    ..distance(input.clone(), outputs[l].clone())
                },
            };
            let rate = self.config.learning_rate;
            let stage = network.stage_mut(l);
            *stage = optimize_weights(stage, &block, &mut self.optimizer, rate)?;
        }
        let mut figures = Figures::default();
        figures.record_some(RECONSTRUCTION, error);
        Ok(figures)
    }

    fn save(&self) -> Result<MethodState> {
        let mut saved = Saved {
            batches: self.batches,
            ids: Vec::new(),
        };
        let dense = || {
            self.inverses
                .iter()
                .filter_map(|own| own.downcast_ref::<Dense>())
        };
        for own in dense() {
            saved
                .ids
                .push([own.weight.id.to_string(), own.bias.id.to_string()]);
        }
        let mut state = MethodState::new(&saved)?;
        for own in dense() {
            state.push(own.weight.val().inner());
            state.push(own.bias.val().inner());
        }
        let optimizers = [&self.optimizer, &self.inverse_optimizer];
        let records = optimizers.map(ModuleOptimizer::to_record);
        state.optimizers.extend(records);
        Ok(state)
    }

    fn restore(&mut self, mut state: MethodState) -> Result<()> {
        let saved: Saved = state.read()?;
        if saved.ids.len() != self.inverses.len() {
            return Err(mismatch(&"it belongs to another number of stages"));
        }
        let id = |text: &str| ParamId::from_str(text).map_err(|error| mismatch(&error));
        self.batches = saved.batches;
        for (inverse, [weight, bias]) in self.inverses.iter_mut().zip(&saved.ids) {
            if let Some(own) = inverse.downcast_mut::<Dense>() {
                own.weight = Param::from_tensor(state.take()?);
                own.bias = Param::from_tensor(state.take()?);
                (own.weight.id, own.bias.id) = (id(weight)?, id(bias)?);
            }
        }
        for optimizer in [&mut self.optimizer, &mut self.inverse_optimizer] {
            *optimizer = optimizer.clone().load_record(state.take_optimizer()?);
        }
        Ok(())
    }

    fn has_auxiliary_variables(&self) -> bool {
        true
    }

    fn weights(&self, network: &Network) -> Result<Option<Weights>> {
        reported_weights(self.config.weighting.0, network).map(Some)
    }

    /// Measures the split with its targets at the weights as auxiliary variables. Their step is that of a batch of the usual size.
    fn measure(&self, model: &mut Separated, split: &Batch) -> Result<Measurement> {
        measure_at(model, self.config.weighting.0, split, |network, chunk| {
            let outputs = network.activations(chunk.inputs.clone());
            self.targets(network, &outputs, chunk, USUAL_BATCH_SIZE)
        })
    }
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct Saved {
    batches: u64,
    /// Names of kernel and bias of every inverse in the optimizer's state.
    ids: Vec<[String; 2]>,
}
