//! The stages in order.

mod replicas;

pub(crate) use replicas::Replicas;

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::linalg::Norm;
use crate::shape::FeatureShape;
use crate::stage::{Activation, AnyStage, Dense, Init, StageConfig};
use crate::{Error, NoLipschitzConstant, Result, error::ensure};

impl NoLipschitzConstant {
    /// Names stage `l`, counted from 0.
    fn new(l: usize, stage: &AnyStage) -> Self {
        Self {
            stage: l + 1,
            name: stage.name(),
        }
    }
}

/// The Lipschitz constant `K_l` of a stage, or the stage that has none.
pub type LipschitzConstant = core::result::Result<f64, NoLipschitzConstant>;

/// Number of samples in the trial of a custom stage; a single one would not show that a stage merges samples.
const PROBES: usize = 2;

/// Checks that no two stages have a parameter with the same identity. Lazy parameters are not initialized.
fn check_identities(stages: &[AnyStage]) -> Result<()> {
    /// Finds the stage that has an identity first.
    struct Owners {
        stages: HashMap<ParamId, usize>,
        stage: usize,
        shared: Option<usize>,
    }

    impl ModuleVisitor for Owners {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let first = *self.stages.entry(parameter.id).or_insert(self.stage);
            if first != self.stage {
                self.shared.get_or_insert(first);
            }
        }
    }

    let mut owners = Owners {
        stages: HashMap::new(),
        stage: 0,
        shared: None,
    };
    for (l, stage) in stages.iter().enumerate() {
        owners.stage = l;
        stage.visit(&mut owners);
        if let Some(first) = owners.shared {
            return Err(Error::SharedParameter {
                first: first + 1,
                second: l + 1,
            });
        }
    }
    Ok(())
}

/// A classifier `z = T_L ∘ f_{L-1} ∘ … ∘ f_1`: stages `1..L-1` are hidden, stage `L` is the affine head.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use ls_core::network::Network;
/// use ls_core::shape::FeatureShape;
/// use ls_core::stage::{Activation, DenseConfig, Init, StageConfig};
///
/// let device = Device::flex();
/// let dense = |width| StageConfig::Dense(DenseConfig::new(width, Activation::Tanh));
/// let network =
///     Network::init(&[dense(16), dense(8)], Init::Kaiming, FeatureShape::Flat(4), 3, 1, &device)?;
/// assert_eq!((network.hidden(), network.classes()), (2, 3));
/// let logits = network.forward(Tensor::zeros([5, 4], &device));
/// assert_eq!(logits.dims(), [5, 3]);
/// # Ok::<(), ls_core::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Network {
    stages: Vec<AnyStage>,
}

impl Network {
    /// Joins stages, the head last. Custom stages are tried on inputs of zeros.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] without a stage, [`Error::ShapeMismatch`] when neighbours do not fit or a custom stage's output is not
    /// of its [`output_shape`](crate::stage::Stage::output_shape), [`Error::SharedParameter`] when two stages are clones,
    /// [`Error::Unsupported`] for an affine view that cannot be written to.
    pub fn new(mut stages: Vec<AnyStage>) -> Result<Self> {
        ensure(!stages.is_empty(), "stages", 0.0, "at least the head")?;
        check_identities(&stages)?;
        for (l, stage) in stages.iter_mut().enumerate() {
            if stage.is_affine() && stage.affine_mut().is_none() {
                return Err(Error::Unsupported {
                    update: "a network",
                    stage: l + 1,
                    needs: "affine view to write to, though one to read",
                });
            }
        }
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
        let network = Self { stages };
        network.check_outputs()?;
        Ok(network)
    }

    /// Checks that the outputs of custom stages have the shapes that the stages declare.
    fn check_outputs(&self) -> Result<()> {
        let common = self.devices();
        for (l, stage) in self.stages.iter().enumerate() {
            if !matches!(stage, AnyStage::Custom(_)) {
                continue;
            }
            let (input, output) = (stage.input_shape(), stage.output_shape());
            let own = stage.devices();
            // A stage without parameters runs on the device of the others.
            let device = own.first().or(common.first()).cloned();
            let device = device.map_or_else(Device::flex, Device::inner);
            let inputs = Tensor::zeros([PROBES, input.features()], &device);
            let [samples, features] = stage.forward(inputs).dims();
            let name = format!("of stage {} ({})", l + 1, stage.name());
            for (what, expected, found) in [
                ("output samples", PROBES, samples),
                ("outputs", output.features(), features),
            ] {
                if expected != found {
                    return Err(Error::ShapeMismatch {
                        what: format!("{what} {name}"),
                        expected,
                        found,
                    });
                }
            }
        }
        Ok(())
    }

    /// Draws the hidden stages and an affine head for `classes` classes, in order, from one seed.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for fewer than two classes, and those of
    /// [`StageSettings::output_shape`](crate::stage::StageSettings::output_shape).
    pub fn init(
        hidden: &[StageConfig],
        init: Init,
        input: FeatureShape,
        classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        ensure(classes >= 2, "classes", classes as f64, "2 or more")?;
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let mut stages = Vec::with_capacity(hidden.len() + 1);
        let mut shape = input;
        for config in hidden {
            stages.extend(config.init(shape, init, &mut random, device)?);
            shape = config.output_shape(shape)?;
        }
        let size = [shape.features(), classes];
        let head = Dense::init(size, Activation::Identity, init, &mut random, device);
        stages.push(head.into());
        Self::new(stages)
    }

    /// Returns the largest finite number in the precision of the weights.
    pub(crate) fn largest_number(&self) -> f64 {
        let head = self.stages.last().and_then(|stage| stage.affine());
        match head.map(|head| head.coefficients().kernel.dtype()) {
            Some(DType::F64) => f64::MAX,
            _ => f32::MAX.into(),
        }
    }

    /// Returns all stages, the head last.
    pub fn stages(&self) -> &[AnyStage] {
        &self.stages
    }

    /// Returns stage `l`, counted from 0, for changes of its weights.
    pub fn stage_mut(&mut self, l: usize) -> &mut AnyStage {
        &mut self.stages[l]
    }

    /// Returns the number of hidden stages, `L - 1`.
    pub fn hidden(&self) -> usize {
        self.stages.len() - 1
    }

    /// Returns the number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.stages[self.hidden()].output_shape().features()
    }

    /// Returns the logits `z`, `[samples, K]`, of inputs `[samples, d_0]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        self.stages.iter().fold(inputs, |h, stage| stage.forward(h))
    }

    /// Returns the outputs `h_1, …, h_{L-1}` of the hidden stages, then the logits.
    pub fn activations(&self, inputs: Tensor<2>) -> Vec<Tensor<2>> {
        self.stages
            .iter()
            .scan(inputs, |h, stage| {
                *h = stage.forward(h.clone());
                Some(h.clone())
            })
            .collect()
    }

    /// Returns the stages without a Lipschitz constant. A network with one behind the first has neither a certificate nor self-adaptive
    /// weights; the first stage needs none, since residuals arise behind it only.
    pub fn without_bound(&self) -> Vec<NoLipschitzConstant> {
        let stages = self.stages.iter().enumerate();
        stages
            .filter(|(_, stage)| stage.lipschitz().is_none())
            .map(|(l, stage)| NoLipschitzConstant::new(l, stage))
            .collect()
    }

    /// Returns the Lipschitz constants `K_1, …, K_L` in the given norm, or the names of stages without one in their places.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    pub fn lipschitz(&self, norm: Norm) -> Result<Vec<LipschitzConstant>> {
        let stages = 0..self.stages.len();
        stages.map(|l| self.lipschitz_of(l, norm)).collect()
    }

    /// That of stage `l`, counted from 0.
    pub(crate) fn lipschitz_of(&self, l: usize, norm: Norm) -> Result<LipschitzConstant> {
        let stage = &self.stages[l];
        match stage.lipschitz() {
            Some(form) => form.value(norm).map(Ok),
            None => Ok(Err(NoLipschitzConstant::new(l, stage))),
        }
    }
}
