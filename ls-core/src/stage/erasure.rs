//! Type erasure of stages: trait objects that offer what Burn's [`Module`] does.
//!
//! The methods of Burn's visitors and mappers are generic in the rank of a parameter, which those of a trait object cannot be.
//! [`DynVisitor`] and [`DynMapper`] therefore take a parameter as [`Any`] and try all types that it may have:
//!
//! ```text
//! module ── visit_float::<D> ──> ErasedVisitor ── visit_any ──> dyn DynVisitor ── visit_float::<D> ──> the caller's visitor
//! ```

use core::any::{Any, type_name};
use core::fmt::Debug;

use burn::module::{Devices, Flag, Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::Stage;

/// A stage that is a Burn module, as a trait object.
pub(super) trait ErasedStage: Stage + ModuleDisplay + Debug + Any + Send {
    /// Returns the name of the type, without its path.
    fn name_erased(&self) -> &'static str;
    fn clone_erased(&self) -> Box<dyn ErasedStage>;
    fn visit_erased(&self, visitor: &mut dyn DynVisitor);
    fn map_erased(self: Box<Self>, mapper: &mut dyn DynMapper) -> Box<dyn ErasedStage>;
    fn collect_devices_erased(&self, devices: Devices) -> Devices;
    fn to_device_erased(self: Box<Self>, device: &Device) -> Box<dyn ErasedStage>;
    fn fork_erased(self: Box<Self>, device: &Device) -> Box<dyn ErasedStage>;
    fn train_erased(self: Box<Self>) -> Box<dyn ErasedStage>;
    fn valid_erased(&self) -> Box<dyn ErasedStage>;
    fn materialize_erased(self: Box<Self>) -> Box<dyn ErasedStage>;
}

impl<S: Stage + Module + ModuleDisplay + 'static> ErasedStage for S {
    fn name_erased(&self) -> &'static str {
        let full = type_name::<S>();
        let path = full.split_once('<').map_or(full, |(path, _)| path);
        path.rsplit("::").next().unwrap_or(path)
    }

    fn clone_erased(&self) -> Box<dyn ErasedStage> {
        Box::new(self.clone())
    }

    fn visit_erased(&self, visitor: &mut dyn DynVisitor) {
        self.visit(&mut ErasedVisitor(visitor));
    }

    fn map_erased(self: Box<Self>, mapper: &mut dyn DynMapper) -> Box<dyn ErasedStage> {
        Box::new((*self).map(&mut ErasedMapper(mapper)))
    }

    fn collect_devices_erased(&self, devices: Devices) -> Devices {
        self.collect_devices(devices)
    }

    fn to_device_erased(self: Box<Self>, device: &Device) -> Box<dyn ErasedStage> {
        Box::new((*self).to_device(device))
    }

    fn fork_erased(self: Box<Self>, device: &Device) -> Box<dyn ErasedStage> {
        Box::new((*self).fork(device))
    }

    fn train_erased(self: Box<Self>) -> Box<dyn ErasedStage> {
        Box::new((*self).train())
    }

    fn valid_erased(&self) -> Box<dyn ErasedStage> {
        Box::new(self.valid())
    }

    fn materialize_erased(self: Box<Self>) -> Box<dyn ErasedStage> {
        Box::new((*self).materialize())
    }
}

/// A [`ModuleVisitor`] without generic methods.
pub(super) trait DynVisitor {
    /// Visits a [`Param`] of any kind and supported rank.
    fn visit_any(&mut self, parameter: &dyn Any);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// A [`ModuleMapper`] without generic methods.
pub(super) trait DynMapper {
    /// Maps the [`Param`] in an [`Option`], which is `Some` before and after.
    fn map_any(&mut self, parameter: &mut dyn Any);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// Runs the body with `$rank` a constant for each supported rank.
macro_rules! each_rank {
    ($rank:ident => $body:block) => {
        each_rank!($rank => $body; 0 1 2 3 4 5 6 7 8)
    };
    ($rank:ident => $body:block; $($value:literal)*) => {
        $({ const $rank: usize = $value; $body })*
    };
}

/// Refuses at compile time a rank that [`each_rank`] does not try.
const fn ensure_supported(rank: usize) {
    assert!(rank <= 8, "parameters of a custom stage have ranks up to 8");
}

impl<V: ModuleVisitor> DynVisitor for V {
    fn visit_any(&mut self, parameter: &dyn Any) {
        each_rank!(D => {
            if let Some(float) = parameter.downcast_ref::<Param<Tensor<D>>>() {
                return self.visit_float(float);
            }
            if let Some(int) = parameter.downcast_ref::<Param<Tensor<D, Int>>>() {
                return self.visit_int(int);
            }
            if let Some(bool) = parameter.downcast_ref::<Param<Tensor<D, Bool>>>() {
                return self.visit_bool(bool);
            }
        });
        if let Some(flag) = parameter.downcast_ref() {
            self.visit_flag(flag);
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }
}

impl<M: ModuleMapper> DynMapper for M {
    fn map_any(&mut self, parameter: &mut dyn Any) {
        each_rank!(D => {
            if let Some(float) = parameter.downcast_mut::<Option<Param<Tensor<D>>>>() {
                *float = float.take().map(|float| self.map_float(float));
                return;
            }
            if let Some(int) = parameter.downcast_mut::<Option<Param<Tensor<D, Int>>>>() {
                *int = int.take().map(|int| self.map_int(int));
                return;
            }
            if let Some(bool) = parameter.downcast_mut::<Option<Param<Tensor<D, Bool>>>>() {
                *bool = bool.take().map(|bool| self.map_bool(bool));
                return;
            }
        });
        if let Some(flag) = parameter.downcast_mut::<Option<Param<Flag>>>() {
            *flag = flag.take().map(|flag| self.map_flag(flag));
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.exit_module(name, container);
    }
}

/// A Burn visitor that passes parameters on to a [`DynVisitor`].
struct ErasedVisitor<'a>(&'a mut dyn DynVisitor);

impl ModuleVisitor for ErasedVisitor<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        const { ensure_supported(D) };
        self.0.visit_any(parameter);
    }

    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        const { ensure_supported(D) };
        self.0.visit_any(parameter);
    }

    fn visit_bool<const D: usize>(&mut self, parameter: &Param<Tensor<D, Bool>>) {
        const { ensure_supported(D) };
        self.0.visit_any(parameter);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.visit_any(flag);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

/// A Burn mapper that passes parameters on to a [`DynMapper`].
struct ErasedMapper<'a>(&'a mut dyn DynMapper);

impl ErasedMapper<'_> {
    fn map_parameter<P: Any>(&mut self, parameter: P) -> P {
        let mut parameter = Some(parameter);
        self.0.map_any(&mut parameter);
        match parameter {
            Some(mapped) => mapped,
            None => unreachable!("`DynMapper::map_any` leaves a parameter in its place"),
        }
    }
}

impl ModuleMapper for ErasedMapper<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        const { ensure_supported(D) };
        self.map_parameter(parameter)
    }

    fn map_int<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        const { ensure_supported(D) };
        self.map_parameter(parameter)
    }

    fn map_bool<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        const { ensure_supported(D) };
        self.map_parameter(parameter)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.map_parameter(flag)
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}
