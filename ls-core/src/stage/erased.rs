//! Carries a module's parameters past a trait object.
//!
//! Burn's visitors and mappers have one method per kind of parameter, generic in its rank, which a trait object cannot have. So
//! a parameter crosses as [`Any`], and the other side tries the types that it can have:
//!
//! ```text
//! module --visit_float::<D>--> Crossing --&dyn Any--> Visit --visit_float::<D>--> the caller's visitor
//! ```

use core::any::Any;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// Runs the body with `$rank` a constant for each rank that can cross.
macro_rules! each_rank {
    ($rank:ident => $body:block) => {
        each_rank!($rank => $body; 0 1 2 3 4 5 6 7 8)
    };
    ($rank:ident => $body:block; $($value:literal)*) => {
        $({ const $rank: usize = $value; $body })*
    };
}

/// Refuses at compile time what [`each_rank`] does not try.
const fn can_cross(rank: usize) {
    assert!(rank <= 8, "parameters of a custom stage have ranks up to 8");
}

/// A visitor on the far side.
pub(super) trait VisitorAcross {
    /// Some `Param`.
    fn visit(&mut self, parameter: &dyn Any);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// A mapper on the far side.
pub(super) trait MapperAcross {
    /// Some `Param`; what comes back has the same type.
    fn map(&mut self, parameter: Box<dyn Any>) -> Box<dyn Any>;
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// Shows a module to a visitor on the far side.
pub(super) fn visit_across(module: &impl Module, visitor: &mut dyn VisitorAcross) {
    module.visit(&mut Crossing(visitor));
}

/// Passes a module through a mapper on the far side.
pub(super) fn map_across<M: Module>(module: M, mapper: &mut dyn MapperAcross) -> M {
    module.map(&mut Crossing(mapper))
}

struct Crossing<'a, T: ?Sized>(&'a mut T);

impl ModuleVisitor for Crossing<'_, dyn VisitorAcross + '_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        const { can_cross(D) };
        self.0.visit(parameter);
    }

    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        const { can_cross(D) };
        self.0.visit(parameter);
    }

    fn visit_bool<const D: usize>(&mut self, parameter: &Param<Tensor<D, Bool>>) {
        const { can_cross(D) };
        self.0.visit(parameter);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.visit(flag);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

impl Crossing<'_, dyn MapperAcross + '_> {
    fn map<P: Any>(&mut self, parameter: P) -> P {
        match self.0.map(Box::new(parameter)).downcast() {
            Ok(mapped) => *mapped,
            // `Map` is the only mapper across, and what it hands back is of the type that it was given.
            Err(_) => unreachable!("mappers keep the types of parameters"),
        }
    }
}

impl ModuleMapper for Crossing<'_, dyn MapperAcross + '_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        const { can_cross(D) };
        self.map(parameter)
    }

    fn map_int<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        const { can_cross(D) };
        self.map(parameter)
    }

    fn map_bool<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        const { can_cross(D) };
        self.map(parameter)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.map(flag)
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

/// Hands on to a visitor of Burn's.
pub(super) struct Visit<'a, V>(pub(super) &'a mut V);

impl<V: ModuleVisitor> VisitorAcross for Visit<'_, V> {
    fn visit(&mut self, parameter: &dyn Any) {
        each_rank!(D => {
            if let Some(float) = parameter.downcast_ref::<Param<Tensor<D>>>() {
                return self.0.visit_float(float);
            }
            if let Some(int) = parameter.downcast_ref::<Param<Tensor<D, Int>>>() {
                return self.0.visit_int(int);
            }
            if let Some(bool) = parameter.downcast_ref::<Param<Tensor<D, Bool>>>() {
                return self.0.visit_bool(bool);
            }
        });
        if let Some(flag) = parameter.downcast_ref() {
            self.0.visit_flag(flag);
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}

/// Hands on to a mapper of Burn's.
pub(super) struct Map<'a, M>(pub(super) &'a mut M);

impl<M: ModuleMapper> MapperAcross for Map<'_, M> {
    fn map(&mut self, mut parameter: Box<dyn Any>) -> Box<dyn Any> {
        each_rank!(D => {
            parameter = match parameter.downcast::<Param<Tensor<D>>>() {
                Ok(float) => return Box::new(self.0.map_float(*float)),
                Err(other) => other,
            };
            parameter = match parameter.downcast::<Param<Tensor<D, Int>>>() {
                Ok(int) => return Box::new(self.0.map_int(*int)),
                Err(other) => other,
            };
            parameter = match parameter.downcast::<Param<Tensor<D, Bool>>>() {
                Ok(bool) => return Box::new(self.0.map_bool(*bool)),
                Err(other) => other,
            };
        });
        match parameter.downcast() {
            Ok(flag) => Box::new(self.0.map_flag(*flag)),
            Err(other) => other,
        }
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}
