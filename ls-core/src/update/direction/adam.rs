//! The direction of Burn's Adam, for the parameters of any module.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, OptimizerRecord};

use crate::update::gradients::copied;

/// Keeps the direction finite where a gradient vanishes; far below any gradient that still carries information.
const EPSILON: f32 = 1e-10;

/// `-m/(√v + ε)` with the running means `m` of the gradients and `v` of their squares, entry by entry.
///
/// The means remember earlier gradients, so an objective need not fall along the direction. Without memory, as
/// [`Default`] makes it, every entry moves against its own gradient, `-g/(|g| + ε)`, along which the objective falls for
/// every small enough length.
#[derive(Clone)]
pub(in crate::update) struct AdamDirection {
    optimizer: ModuleOptimizer,
}

impl Default for AdamDirection {
    fn default() -> Self {
        Self {
            optimizer: AdamConfig::new().with_epsilon(EPSILON).init(),
        }
    }
}

impl AdamDirection {
    /// Returns a module moved by `length`, in validation mode, and the direction with the gradients in its memory.
    ///
    /// `tracked` is the module in training mode, the only one whose parameters Burn's optimizers move. The memory does not
    /// depend on the length, so that the trials of a search can all start from one direction.
    pub(in crate::update) fn moved<M: Module>(
        &self,
        tracked: &M,
        gradients: &GradientsParams,
        length: f64,
    ) -> (M, Self) {
        let mut next = self.clone();
        let own = copied(tracked, gradients);
        let moved = next.optimizer.step(length, tracked.clone(), own).valid();
        (moved, next)
    }

    /// Returns the memory.
    pub(in crate::update) fn to_record(&self) -> OptimizerRecord {
        self.optimizer.to_record()
    }

    /// Returns the direction with the memory of a record.
    pub(in crate::update) fn load_record(self, record: OptimizerRecord) -> Self {
        Self {
            optimizer: self.optimizer.load_record(record),
        }
    }
}
