//! A stage of any type, behind one type that is not generic.

use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param,
};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::erasure::ErasedStage;
use super::{AffineStage, Lipschitz, PullBack, Stage};
use crate::shape::FeatureShape;

/// Any Burn module that is a [`Stage`], with its type erased.
///
/// Parameters keep their names, identities and order, so records, optimizers and moves between devices treat the module inside as
/// they would without the wrapper. Ranks go up to 8; a parameter of a higher rank does not compile:
///
/// ```compile_fail
/// # use burn::module::{Module, Param};
/// # use burn::tensor::{Device, Tensor};
/// # use ls_core::{shape::FeatureShape, stage::{CustomStage, Stage}};
/// #[derive(Module, Debug)]
/// struct Deep {
///     weight: Param<Tensor<9>>,
/// }
/// # impl Stage for Deep {
/// #     fn forward(&self, input: Tensor<2>) -> Tensor<2> { input }
/// #     fn input_shape(&self) -> FeatureShape { FeatureShape::Flat(1) }
/// #     fn output_shape(&self) -> FeatureShape { FeatureShape::Flat(1) }
/// # }
/// let weight = Param::from_tensor(Tensor::zeros([1; 9], &Device::flex()));
/// let stage = CustomStage::new(Deep { weight });
/// ```
#[derive(Debug)]
pub struct CustomStage {
    stage: Box<dyn ErasedStage>,
}

impl CustomStage {
    /// Wraps a module.
    ///
    /// The module is put into validation mode ([`Module::valid`]), the state in which methods expect stages; they switch to
    /// training ([`Module::train`]) where they need gradients. Lazy parameters are initialized, in their order.
    pub fn new<S: Stage + Module + ModuleDisplay + 'static>(stage: S) -> Self {
        stage.visit(&mut Initialize);
        Self {
            stage: Box::new(stage.valid()),
        }
    }

    /// Returns the name of the module's type, without its path.
    pub fn name(&self) -> &'static str {
        self.stage.name_erased()
    }

    /// Returns the module inside.
    pub(super) fn erased(&self) -> &dyn ErasedStage {
        &*self.stage
    }

    /// Returns the module inside, for changes.
    pub(super) fn erased_mut(&mut self) -> &mut dyn ErasedStage {
        &mut *self.stage
    }
}

/// Reads every parameter. Clones of a parameter that has not been read share its cell, so a change to one would change all.
struct Initialize;

impl ModuleVisitor for Initialize {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        parameter.val();
    }

    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        parameter.val();
    }

    fn visit_bool<const D: usize>(&mut self, parameter: &Param<Tensor<D, Bool>>) {
        parameter.val();
    }
}

impl Clone for CustomStage {
    fn clone(&self) -> Self {
        Self {
            stage: self.stage.clone_erased(),
        }
    }
}

impl Module for CustomStage {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.stage.collect_devices_erased(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            stage: self.stage.fork_erased(device),
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            stage: self.stage.to_device_erased(device),
        }
    }

    fn train(self) -> Self {
        Self {
            stage: self.stage.train_erased(),
        }
    }

    fn valid(&self) -> Self {
        Self {
            stage: self.stage.valid_erased(),
        }
    }

    fn materialize(self) -> Self {
        Self {
            stage: self.stage.materialize_erased(),
        }
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        self.stage.visit_erased(visitor);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self {
            stage: self.stage.map_erased(mapper),
        }
    }
}

impl ModuleDisplayDefault for CustomStage {
    fn content(&self, content: Content) -> Option<Content> {
        self.stage.content(content)
    }

    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for CustomStage {
    fn format(&self, settings: DisplaySettings) -> String {
        self.stage.format(settings)
    }

    fn custom_settings(&self) -> Option<DisplaySettings> {
        self.stage.custom_settings()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        self.stage.custom_content(content)
    }
}

impl Stage for CustomStage {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.stage.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.stage.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.stage.output_shape()
    }

    fn lipschitz(&self) -> Option<Lipschitz> {
        self.stage.lipschitz()
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        self.stage.linearize(input)
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        self.stage.affine()
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        self.stage.affine_mut()
    }
}
