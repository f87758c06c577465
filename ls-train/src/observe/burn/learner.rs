//! A separated network as a learner of burn-train, and its batches as a data loader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::tensor::{Device, ExecutionError};
use burn::train::metric::{Adaptor, ItemLazy};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use ls_core::batch::{Batch, BatchSize};
use ls_core::figure::{Figures, SplitName};
use ls_core::fit::{ACCURACY, Batches, ORIGINAL_LOSS};
use ls_core::method::{Separated, gradients};
use ls_core::network::Network;
use ls_core::objective::measure;

/// A separated network as a learner of burn-train.
///
/// burn-train's own strategies train it by gradients of the original loss with the optimizer of the `Learner`;
/// [`MethodStrategy`](super::MethodStrategy) trains it by a method of `ls-core`.
#[derive(Module, Debug)]
pub struct SeparatedLearner {
    /// The network and its auxiliary variables.
    pub separated: Separated,
}

impl SeparatedLearner {
    /// A learner whose parameters are ready to be trained by burn-train's own strategies, which leave a module made without
    /// autodiff as it is.
    pub fn new(separated: Separated) -> Self {
        Self {
            separated: separated.train(),
        }
    }
}

/// Figures of one item of a run, with the number of samples that they are means over.
#[derive(Clone, Debug, Default)]
pub struct SweepOutput {
    /// The figures; empty while a sweep is under way.
    pub figures: Figures,
    /// Samples.
    pub samples: usize,
}

impl ItemLazy for SweepOutput {
    fn sync(self) -> Result<Self, ExecutionError> {
        // The figures were read from the device when they were measured.
        Ok(self)
    }
}

impl Adaptor<(Figures, usize)> for SweepOutput {
    fn adapt(&self) -> (Figures, usize) {
        (self.figures.clone(), self.samples)
    }
}

/// Measures a batch by a plain forward pass; no figures where they are not finite.
fn measured(network: &Network, batch: &Batch, split: SplitName) -> SweepOutput {
    let mut figures = Figures::default();
    if let Ok(measured) = measure(network, None, batch) {
        figures.record(ORIGINAL_LOSS.on(split), measured.original_loss_mean);
        figures.record(ACCURACY.on(split), measured.accuracy);
    }
    SweepOutput {
        figures,
        samples: batch.len(),
    }
}

impl TrainStep for SeparatedLearner {
    type Input = Batch;
    type Output = SweepOutput;

    /// Returns gradients of the original loss, and its value on the batch.
    fn step(&self, batch: Batch) -> TrainOutput<SweepOutput> {
        let network = &self.separated.network;
        TrainOutput {
            grads: gradients(network, &batch),
            item: measured(&network.clone().valid(), &batch, SplitName::Train),
        }
    }
}

impl InferenceStep for SeparatedLearner {
    type Input = Batch;
    type Output = SweepOutput;

    fn step(&self, batch: Batch) -> SweepOutput {
        measured(&self.separated.network, &batch, SplitName::Test)
    }
}

/// A split in batches, as burn-train asks for them; each pass over it is one sweep.
#[derive(Clone)]
pub struct SplitLoader {
    split: Batch,
    batches: Batches,
    sweep: Arc<AtomicUsize>,
}

impl SplitLoader {
    /// A loader whose first pass is sweep 1.
    pub fn new(split: Batch, size: BatchSize, seed: u64) -> Self {
        Self {
            batches: Batches::new(split.len(), size, seed),
            split,
            sweep: Arc::new(AtomicUsize::new(1)),
        }
    }

    /// A loader that always gives the whole split.
    pub fn whole(split: Batch) -> Self {
        Self::new(split, BatchSize::Full, 0)
    }
}

impl DataLoader<Batch> for SplitLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let sweep = self.sweep.fetch_add(1, Ordering::Relaxed);
        Box::new(LoaderPass {
            loader: self,
            order: self.batches.order(sweep).into_iter(),
            seen: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.split.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self {
            split: self.split.to_device(device),
            ..self.clone()
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let inputs = self.split.inputs.clone().narrow(0, start, end - start);
        let labels = self.split.labels.clone().narrow(0, start, end - start);
        Arc::new(Self::whole(Batch::full(inputs, labels)))
    }
}

struct LoaderPass<'a> {
    loader: &'a SplitLoader,
    order: std::vec::IntoIter<usize>,
    seen: usize,
}

impl Iterator for LoaderPass<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self
            .loader
            .batches
            .pick(&self.loader.split, self.order.next()?);
        self.seen += batch.len();
        Some(Ok(batch))
    }
}

impl DataLoaderIterator<Batch> for LoaderPass<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.seen, self.loader.split.len(), Some("samples".into()))
    }
}
