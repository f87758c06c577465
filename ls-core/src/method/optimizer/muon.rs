//! Muon as it is used: for the kernels of hidden stages, beside Adam with decoupled weight decay for all other parameters.

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdjustLrFn, LearningRate, ModuleOptimizer, Muon, MuonConfig,
    MuonState, Optimizer, RecordState, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Constants of Muon with Adam beside it.
///
/// | key | meaning | default |
/// | --- | --- | --- |
/// | `momentum` | of Muon, with Nesterov's correction | 0.95 |
/// | `ns_steps` | Newton-Schulz iterations per step | 5 |
/// | `beta_1`, `beta_2`, `epsilon` | of Adam | 0.9, 0.999, 1e-8 |
/// | `weight_decay` | decoupled, of both | 0 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MuonAdamWConfig {
    momentum: f64,
    ns_steps: usize,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl Default for MuonAdamWConfig {
    fn default() -> Self {
        Self {
            momentum: 0.95,
            ns_steps: 5,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl MuonAdamWConfig {
    /// Makes the optimizer. Parameters of the head go to Adam, as the author of Muon advises.
    pub(super) fn init(&self, head: Option<ParamGroup>) -> ModuleOptimizer {
        let momentum = MomentumConfig::new()
            .with_momentum(self.momentum)
            .with_dampening(0.0)
            .with_nesterov(true);
        let decay = (self.weight_decay > 0.0).then(|| WeightDecayConfig::new(self.weight_decay));
        let muon = MuonConfig::new()
            .with_momentum(momentum)
            .with_ns_steps(self.ns_steps)
            // One learning rate then suits both.
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .with_weight_decay(decay)
            .build();
        let adam = AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay)
            .build();
        let both = ModuleOptimizer::from(MuonAdamW {
            muon,
            adam: adam.clone(),
        });
        match head {
            Some(head) => both.with_group(head, adam, None),
            None => both,
        }
    }
}

/// Muon for matrices and the kernels of convolutions, Adam for vectors.
#[derive(Clone)]
struct MuonAdamW {
    muon: Muon,
    adam: AdamW,
}

/// The state for one parameter.
#[derive(Clone)]
enum MuonAdamWState<const D: usize> {
    /// A kernel as a matrix of output channels by weights.
    Muon(Box<MuonState<2>>),
    Adam(Box<AdamWState<D>>),
}

impl<const D: usize> RecordState for MuonAdamWState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        match self {
            Self::Muon(state) => state.state_flatten(prefix, out),
            Self::Adam(state) => state.state_flatten(prefix, out),
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        if D < 2 {
            let state = AdamWState::state_unflatten(prefix, source, device)?;
            return Some(Self::Adam(state.into()));
        }
        let state = MuonState::state_unflatten(prefix, source, device)?;
        Some(Self::Muon(state.into()))
    }
}

impl Optimizer for MuonAdamW {
    type State<const D: usize> = MuonAdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if D < 2 {
            let state = match state {
                Some(MuonAdamWState::Adam(state)) => Some(*state),
                _ => None,
            };
            let (moved, state) = self.adam.step(rate, tensor, gradient, state);
            return (moved, state.map(|s| MuonAdamWState::Adam(s.into())));
        }
        let state = match state {
            Some(MuonAdamWState::Muon(state)) => Some(*state),
            _ => None,
        };
        let dims = tensor.dims();
        let shape = [dims[0], dims[1..].iter().product()];
        let (tensor, gradient) = (tensor.reshape(shape), gradient.reshape(shape));
        let (moved, state) = self.muon.step(rate, tensor, gradient, state);
        let moved = moved.reshape(dims);
        (moved, state.map(|s| MuonAdamWState::Muon(s.into())))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        match state {
            MuonAdamWState::Muon(state) => {
                MuonAdamWState::Muon(Muon::to_device(*state, device).into())
            }
            MuonAdamWState::Adam(state) => {
                MuonAdamWState::Adam(AdamW::to_device(*state, device).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_kernel_moves_as_its_matrix_and_a_vector_as_adam() {
        let device = Device::flex();
        device.seed(3);
        let both = MuonAdamW {
            muon: MuonConfig::new().build(),
            adam: AdamWConfig::new().build(),
        };
        let normal = burn::tensor::Distribution::Normal(0.0, 1.0);
        let kernel = Tensor::<4>::random([3, 2, 2, 2], normal, &device);
        let gradient = Tensor::<4>::random([3, 2, 2, 2], normal, &device);
        let (moved, _) = both.step(0.1, kernel.clone(), gradient.clone(), None);
        let (expected, _) =
            both.muon
                .step(0.1, kernel.reshape([3, 8]), gradient.reshape([3, 8]), None);
        moved
            .reshape([3, 8])
            .into_data()
            .assert_eq(&expected.into_data(), true);
        let bias = Tensor::<1>::random([3], normal, &device);
        let gradient = Tensor::<1>::random([3], normal, &device);
        let (moved, _) = both.step(0.1, bias.clone(), gradient.clone(), None);
        let (expected, _) = both.adam.step(0.1, bias, gradient, None);
        moved.into_data().assert_eq(&expected.into_data(), true);
    }
}
