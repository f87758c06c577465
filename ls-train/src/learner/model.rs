//! The module that burn-train trains, and what it reports.

use burn::module::Module;
use burn::tensor::ExecutionError;
use burn::train::metric::{Adaptor, ItemLazy};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use ls_core::batch::Batch;
use ls_core::method::{Separated, SweepReport, gradients};
use ls_core::objective::measure;

use crate::metric::Figures;

/// A separated network as a learner of burn-train.
#[derive(Module, Debug)]
pub struct SeparatedLearner {
    /// The network and its auxiliary variables.
    pub separated: Separated,
}

/// What one item of a sweep reports: nothing while it is under way, the figures of the whole split at its end.
pub struct SweepItem(pub Option<Figures>);

impl ItemLazy for SweepItem {
    fn sync(self) -> Result<Self, ExecutionError> {
        // The figures were read from the device when they were measured.
        Ok(self)
    }
}

impl Adaptor<Option<Figures>> for SweepItem {
    fn adapt(&self) -> Option<Figures> {
        self.0.clone()
    }
}

impl TrainStep for SeparatedLearner {
    type Input = Batch;
    type Output = SweepItem;

    /// Gradients of the original loss: what burn-train's own loop would train by. The strategy
    /// [`LayerSeparation`](super::LayerSeparation) does not come here.
    fn step(&self, batch: Batch) -> TrainOutput<SweepItem> {
        TrainOutput {
            grads: gradients(&self.separated.network, &batch),
            item: SweepItem(None),
        }
    }
}

impl InferenceStep for SeparatedLearner {
    type Input = Batch;
    type Output = SweepItem;

    /// Figures of a plain forward pass: labels never reach it through auxiliary variables.
    fn step(&self, batch: Batch) -> SweepItem {
        let measured = measure(&self.separated.network, None, &batch).ok();
        SweepItem(measured.map(|measured| Figures {
            measured,
            report: SweepReport::default(),
            validation: None,
        }))
    }
}
