//! Sweeps over a split, and the weights before and after them.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use ls_core::batch::Batch;
use ls_core::figure::Figures;
use ls_core::linalg::to_f64;
use ls_core::method::{Method, Separated};

/// Makes one sweep: all samples in one batch, or blocks of `size` in their order.
pub(crate) fn sweep(
    method: &mut dyn Method,
    model: &mut Separated,
    split: &Batch,
    size: Option<usize>,
) -> Figures {
    let Some(size) = size else {
        return method.sweep(model, split).unwrap();
    };
    let indices: Vec<usize> = (0..split.len()).collect();
    let blocks = indices.chunks(size).enumerate();
    blocks.fold(Figures::default(), |report, (block, members)| {
        let batch = split.pick(block, members);
        report.followed_by(method.sweep(model, &batch).unwrap())
    })
}

/// The float parameters of a module, one list each.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Values(pub(crate) Vec<Vec<f64>>);

impl Values {
    /// Reads the parameters in the order of the module.
    pub(crate) fn read(module: &impl Module) -> Self {
        let mut values = Self::default();
        module.visit(&mut values);
        values
    }

    pub(crate) fn are_finite(&self) -> bool {
        self.0.iter().flatten().all(|value| value.is_finite())
    }
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.push(to_f64(parameter.val()).unwrap());
    }
}
