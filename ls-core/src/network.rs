//! The stages in order, and the configuration that builds them.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use serde::{Deserialize, Serialize};

use crate::linalg::Norm;
use crate::shape::FeatureShape;
use crate::stage::{Activation, AnyStage, Dense, Init};
use crate::{Error, Result, error::ensure};

/// A classifier `z = T_L ∘ f_{L-1} ∘ … ∘ f_1`: stages `1..L-1` are hidden, stage `L` is the affine head.
#[derive(Module, Debug)]
pub struct Network {
    stages: Vec<AnyStage>,
}

impl Network {
    /// A network from its stages, the head last.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] without a stage, [`Error::ShapeMismatch`] when neighbours do not fit.
    pub fn new(stages: Vec<AnyStage>) -> Result<Self> {
        ensure(!stages.is_empty(), "stages", 0.0, "at least the head")?;
        for (l, pair) in stages.windows(2).enumerate() {
            let expected = pair[0].output_shape().features();
            let found = pair[1].input_shape().features();
            if expected != found {
                return Err(Error::ShapeMismatch {
                    what: format!("inputs of stage {}", l + 2),
                    expected,
                    found,
                });
            }
        }
        Ok(Self { stages })
    }

    /// All stages, the head last.
    pub fn stages(&self) -> &[AnyStage] {
        &self.stages
    }

    /// Stage `l`, counted from 0, to move its weights.
    pub fn stage_mut(&mut self, l: usize) -> &mut AnyStage {
        &mut self.stages[l]
    }

    /// Number of hidden stages, `L - 1`.
    pub fn hidden(&self) -> usize {
        self.stages.len() - 1
    }

    /// Number of classes `K`.
    pub fn classes(&self) -> usize {
        self.stages[self.hidden()].output_shape().features()
    }

    /// Logits `z`, `[samples, K]`, of inputs `[samples, d_0]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.stages.iter().fold(inputs, |h, stage| stage.forward(h))
    }

    /// The outputs `h_1, …, h_{L-1}` of the hidden stages and the logits, which come last.
    pub fn activations(&self, inputs: Tensor<2>) -> Vec<Tensor<2>> {
        self.stages
            .iter()
            .scan(inputs, |h, stage| {
                *h = stage.forward(h.clone());
                Some(h.clone())
            })
            .collect()
    }

    /// Lipschitz constants `K_1, …, K_L` in the given norm; `None` where a stage has no bound.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    pub fn lipschitz(&self, norm: Norm) -> Result<Option<Vec<f64>>> {
        self.stages
            .iter()
            .map(|stage| stage.lipschitz().map(|k| k.value(norm)).transpose())
            .collect()
    }
}

/// Fully connected network: widths of the hidden stages, one activation, one initialisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MlpConfig {
    /// `d_1, …, d_{L-1}`.
    pub hidden: Vec<usize>,
    /// Activation of all hidden stages.
    pub activation: Activation,
    /// Distribution of the initial weights.
    pub init: Init,
}

impl MlpConfig {
    /// Builds the network for inputs of the given shape and `classes` classes.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for a width of 0 or fewer than two classes.
    pub fn init(
        &self,
        input: FeatureShape,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Network> {
        ensure(classes >= 2, "classes", classes as f64, "2 or more")?;
        for &width in &self.hidden {
            ensure(width >= 1, "hidden width", width as f64, "1 or more")?;
        }
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let mut widths = vec![input.features()];
        widths.extend(&self.hidden);
        let hidden = widths.windows(2).map(|pair| {
            let size = [pair[0], pair[1]];
            Dense::init(size, self.activation, self.init, &mut random, device)
        });
        let mut stages: Vec<_> = hidden.map(AnyStage::Dense).collect();
        let size = [widths[widths.len() - 1], classes];
        let head = Dense::init(size, Activation::Identity, self.init, &mut random, device);
        stages.push(AnyStage::Dense(head));
        Network::new(stages)
    }

    /// Short name of the architecture, such as `mlp 64-128x2-10 relu`.
    pub fn describe(&self, input: FeatureShape, classes: usize) -> String {
        let hidden = self.hidden.chunk_by(|a, b| a == b).map(|run| match run {
            [width] => width.to_string(),
            _ => format!("{}x{}", run[0], run.len()),
        });
        let widths: Vec<_> = core::iter::once(input.features().to_string())
            .chain(hidden)
            .chain([classes.to_string()])
            .collect();
        format!("mlp {} {}", widths.join("-"), self.activation)
    }
}
