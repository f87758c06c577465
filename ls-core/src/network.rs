//! The stages in order.

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
    /// For stage `l`, counted from 0.
    fn new(l: usize, stage: &AnyStage) -> Self {
        Self {
            stage: l + 1,
            name: stage.name(),
        }
    }
}

/// The Lipschitz constant `K_l` of a stage, or that it states none.
pub type LipschitzConstant = core::result::Result<f64, NoLipschitzConstant>;

/// Samples that a stage is tried on: one alone would not show that samples are merged.
const PROBES: usize = 2;

/// Checks that no two stages have a parameter with the same identity. Lazy parameters stay so.
fn check_identities(stages: &[AnyStage]) -> Result<()> {
    /// Where an identity was met first.
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
/// use ls_core::stage::{Activation, Init, StageConfig};
///
/// let device = Device::flex();
/// let dense = |width| StageConfig::Dense { width, activation: Activation::Tanh };
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
    /// A network from its stages, the head last. Stages of the user's own are tried on inputs of zeros.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] without a stage, [`Error::ShapeMismatch`] when neighbours do not fit or a stage gives other outputs
    /// than it states, [`Error::SharedParameter`] when two stages are clones, [`Error::Unsupported`] for an affine view that cannot
    /// be written to.
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

    /// Checks that the stages of the user's own give what they state.
    fn check_outputs(&self) -> Result<()> {
        let common = self.devices();
        for (l, stage) in self.stages.iter().enumerate() {
            if !matches!(stage, AnyStage::Custom(_)) {
                continue;
            }
            let (input, output) = (stage.input_shape(), stage.output_shape());
            let own = stage.devices();
            // A stage without parameters is where the others are.
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
    /// [`Error::InvalidConfig`] for fewer than two classes, and what the stages refuse.
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
            stages.push(config.init(shape, init, &mut random, device)?);
            shape = config.output_shape(shape)?;
        }
        let size = [shape.features(), classes];
        let head = Dense::init(size, Activation::Identity, init, &mut random, device);
        stages.push(AnyStage::Dense(head));
        Self::new(stages)
    }

    /// The largest number that the weights could hold.
    pub(crate) fn largest_number(&self) -> f64 {
        let head = self.stages.last().and_then(|stage| stage.affine());
        match head.map(|head| head.coefficients().kernel.dtype()) {
            Some(DType::F64) => f64::MAX,
            _ => f32::MAX.into(),
        }
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

    /// The stages that state no Lipschitz constant. One behind the first takes the certificate and self-adaptive weights away from
    /// the network; the first may be without, since residuals arise behind it only.
    pub fn without_bound(&self) -> Vec<NoLipschitzConstant> {
        let stages = self.stages.iter().enumerate();
        stages
            .filter(|(_, stage)| stage.lipschitz().is_none())
            .map(|(l, stage)| NoLipschitzConstant::new(l, stage))
            .collect()
    }

    /// Lipschitz constants `K_1, …, K_L` in the given norm, or which stage states none.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    pub fn lipschitz(&self, norm: Norm) -> Result<Vec<LipschitzConstant>> {
        let constant = |(l, stage): (usize, &AnyStage)| match stage.lipschitz() {
            Some(form) => form.value(norm).map(Ok),
            None => Ok(Err(NoLipschitzConstant::new(l, stage))),
        };
        self.stages.iter().enumerate().map(constant).collect()
    }
}
