//! A stage of the user's own, behind one type that is not generic.

use core::any::{Any, type_name};
use core::fmt::Debug;

use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param,
};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::erased::{Map, MapperAcross, Visit, VisitorAcross, map_across, visit_across};
use super::{AffineStage, Lipschitz, PullBack, Stage};
use crate::shape::FeatureShape;

/// Any Burn module that is a [`Stage`], with its type forgotten.
///
/// Parameters keep their names, identities and order: records, optimizers and device moves see the module itself. Ranks go
/// up to 8; a parameter of a higher rank does not compile:
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
    stage: Box<dyn Erased>,
}

impl CustomStage {
    /// Takes a module in.
    ///
    /// Lazy parameters are drawn here, in their order, and the module is put into validation mode ([`Module::valid`]), the state
    /// in which methods expect stages; they switch to training ([`Module::train`]) where they need gradients.
    pub fn new<S: Stage + Module + ModuleDisplay + 'static>(stage: S) -> Self {
        stage.visit(&mut Draw);
        Self {
            stage: Box::new(stage.valid()),
        }
    }

    /// Name of the module's type, without its path.
    pub fn name(&self) -> &'static str {
        self.stage.name()
    }

    pub(super) fn as_any(&self) -> &dyn Any {
        &*self.stage
    }

    pub(super) fn as_any_mut(&mut self) -> &mut dyn Any {
        &mut *self.stage
    }
}

/// Reads every parameter. Clones of a parameter that nobody has read share its cell, and a change to one would reach the
/// others.
struct Draw;

impl ModuleVisitor for Draw {
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

/// What Burn's [`Module`] offers, without its generic methods.
trait Erased: Stage + ModuleDisplay + Debug + Any + Send {
    fn name(&self) -> &'static str;
    fn clone_erased(&self) -> Box<dyn Erased>;
    fn visit_erased(&self, visitor: &mut dyn VisitorAcross);
    fn map_erased(self: Box<Self>, mapper: &mut dyn MapperAcross) -> Box<dyn Erased>;
    fn collect_devices_erased(&self, devices: Devices) -> Devices;
    fn to_device_erased(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn fork_erased(self: Box<Self>, device: &Device) -> Box<dyn Erased>;
    fn train_erased(self: Box<Self>) -> Box<dyn Erased>;
    fn valid_erased(&self) -> Box<dyn Erased>;
    fn materialize_erased(self: Box<Self>) -> Box<dyn Erased>;
}

impl<S: Stage + Module + ModuleDisplay + 'static> Erased for S {
    fn name(&self) -> &'static str {
        let full = type_name::<S>();
        let path = full.split_once('<').map_or(full, |(path, _)| path);
        path.rsplit("::").next().unwrap_or(path)
    }

    fn clone_erased(&self) -> Box<dyn Erased> {
        Box::new(self.clone())
    }

    fn visit_erased(&self, visitor: &mut dyn VisitorAcross) {
        visit_across(self, visitor);
    }

    fn map_erased(self: Box<Self>, mapper: &mut dyn MapperAcross) -> Box<dyn Erased> {
        Box::new(map_across(*self, mapper))
    }

    fn collect_devices_erased(&self, devices: Devices) -> Devices {
        self.collect_devices(devices)
    }

    fn to_device_erased(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        Box::new(self.to_device(device))
    }

    fn fork_erased(self: Box<Self>, device: &Device) -> Box<dyn Erased> {
        Box::new(self.fork(device))
    }

    fn train_erased(self: Box<Self>) -> Box<dyn Erased> {
        Box::new((*self).train())
    }

    fn valid_erased(&self) -> Box<dyn Erased> {
        Box::new(self.valid())
    }

    fn materialize_erased(self: Box<Self>) -> Box<dyn Erased> {
        Box::new(self.materialize())
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
        self.stage.visit_erased(&mut Visit(visitor));
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self {
            stage: self.stage.map_erased(&mut Map(mapper)),
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
