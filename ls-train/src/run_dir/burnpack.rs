//! Files in Burn's own format.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::store::ModuleRecord;
use burn::tensor::{Bool, Bytes, Int, Tensor};

/// Returns a module as the contents of a file, with the identifiers of its parameters, by which optimizers find their states.
///
/// # Errors
/// What Burn says, in words.
pub(crate) fn to_bytes(module: impl Module) -> Result<Bytes, String> {
    let bytes = module.into_record().into_bytes();
    bytes.map_err(|error| error.to_string())
}

/// Returns a module as the contents of a file, with its parameters numbered: Burn draws their identifiers at random, and equal weights
/// must make equal files.
///
/// # Errors
/// What Burn says, in words.
pub(crate) fn to_numbered_bytes(module: impl Module) -> Result<Bytes, String> {
    to_bytes(module.map(&mut Numbering { last: 0 }))
}

/// Loads the contents of a file into a module of its shape, in the module's precision. All of them are there already: Burn would read a
/// file at the first forward pass, and panic if it is gone by then.
///
/// # Errors
/// What is wrong with the contents, in words.
pub(crate) fn load<M: Module>(module: M, bytes: Vec<u8>) -> Result<M, String> {
    load_as(module, bytes, |record| record)
}

/// Loads a module, as [`load`] does, from the contents of a file that holds more than it needs.
///
/// # Errors
/// What is wrong with the contents, in words.
pub(crate) fn load_part<M: Module>(module: M, bytes: Vec<u8>) -> Result<M, String> {
    load_as(module, bytes, |record| record.allow_unused(true))
}

fn load_as<M: Module>(
    module: M,
    bytes: Vec<u8>,
    policy: fn(ModuleRecord) -> ModuleRecord,
) -> Result<M, String> {
    // A file may hold what is no number of the module's at all; Burn finds that out by a panic.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes))?;
        module.try_load_record(policy(record.cast_to_module_dtype()))
    }));
    match loaded {
        Ok(loaded) => loaded.map_err(|error| error.to_string()),
        Err(cause) => Err(words(cause.as_ref())),
    }
}

/// Checks that a module computes with numbers.
///
/// # Errors
/// The first parameter that holds something else, in words.
pub(crate) fn ensure_finite(module: &impl Module) -> Result<(), String> {
    let mut search = NotFinite::default();
    module.visit(&mut search);
    match search.found {
        Some(name) => Err(format!("`{name}` holds numbers that are not finite")),
        None => Ok(()),
    }
}

/// What a panic said.
fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("it does not hold what it should").to_owned()
}

/// Gives the parameters of a module the identifiers 1, 2, ...
struct Numbering {
    last: u64,
}

impl Numbering {
    fn next(&mut self) -> ParamId {
        self.last += 1;
        ParamId::from(self.last)
    }
}

impl ModuleMapper for Numbering {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }
}

/// Looks for a parameter with numbers that are not finite.
#[derive(Default)]
struct NotFinite {
    path: Vec<String>,
    found: Option<String>,
}

impl ModuleVisitor for NotFinite {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.is_some() {
            return;
        }
        // Leaves the device once for each parameter.
        let is_finite = param.val().is_finite().all().into_data();
        if !is_finite.iter::<bool>().all(|finite| finite) {
            self.found = Some(self.path.join("."));
        }
    }
}
